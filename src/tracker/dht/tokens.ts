/** Tokens of `get_peers` (BEP 5): whoever announces has shown that datagrams reach him at his address. */
import { createHash } from 'node:crypto';
import type { Clock } from '../../common/clock.js';
import type { RandomBytes } from './node-id.js';

/** A token is good for twice that at most. */
const ROTATE_MS = 5 * 60_000;
const TOKEN_BYTES = 8;

export class Tokens {
  readonly #clock: Clock;
  readonly #random: RandomBytes;
  #secret: Uint8Array;
  #previous: Uint8Array;
  #madeAt: number;

  constructor(clock: Clock, random: RandomBytes) {
    this.#clock = clock;
    this.#random = random;
    this.#secret = random(16);
    this.#previous = random(16);
    this.#madeAt = clock.now();
  }

  /** The token for a host, 8 bytes. */
  give(host: string): Uint8Array {
    this.#rotate();
    return tokenOf(this.#secret, host);
  }

  /** Whether we gave the token to that host in the last five to ten minutes. */
  accepts(token: Uint8Array, host: string): boolean {
    this.#rotate();
    return [this.#secret, this.#previous].some((secret) => Buffer.compare(token, tokenOf(secret, host)) === 0);
  }

  #rotate(): void {
    const age = this.#clock.now() - this.#madeAt;
    if (age < ROTATE_MS) return;
    this.#previous = age < 2 * ROTATE_MS ? this.#secret : this.#random(16);
    this.#secret = this.#random(16);
    this.#madeAt = this.#clock.now();
  }
}

function tokenOf(secret: Uint8Array, host: string): Uint8Array {
  return createHash('sha1').update(secret).update(host).digest().subarray(0, TOKEN_BYTES);
}
