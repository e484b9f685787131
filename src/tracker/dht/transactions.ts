/** Queries that wait for their answer: an answer counts only with the right id from the right address. */
import { formatAddress, type PeerAddress } from '../../common/address.js';
import type { Clock } from '../../common/clock.js';
import type { Reply } from './krpc.js';
import type { RandomBytes } from './node-id.js';

const ID_BYTES = 4;
const MOST_PENDING = 512;
/** When nothing is known of the network yet. */
const FIRST_SLOW_MS = 500;
const [LEAST_SLOW_MS, MOST_SLOW_MS] = [100, 1000];
const [LEAST_TIMEOUT_MS, MOST_TIMEOUT_MS] = [1000, 2000];

/** What becomes of a query: one of `onReply` and `onFailure` is called, once, unless all is closed before. */
export interface QueryHandlers {
  onReply(reply: Reply): void;
  onFailure(reason: 'timeout' | 'refused' | 'too many'): void;
  /** It takes longer than most: do not wait for it. */
  onSlow?(): void;
}

interface Pending {
  readonly to: string;
  readonly sentAt: number;
  readonly handlers: QueryHandlers;
  cancelTimer: () => void;
}

export class Transactions {
  readonly #clock: Clock;
  readonly #random: RandomBytes;
  readonly #pending = new Map<string, Pending>();
  #roundTripMs: number | undefined; // smoothed as in RFC 6298
  #deviationMs = 0;

  constructor(clock: Clock, random: RandomBytes) {
    this.#clock = clock;
    this.#random = random;
  }

  get size(): number {
    return this.#pending.size;
  }

  /** From when on the next query should not wait for a node. */
  get slowMs(): number {
    if (this.#roundTripMs === undefined) return FIRST_SLOW_MS;
    return clamp(this.#roundTripMs + 2 * this.#deviationMs, LEAST_SLOW_MS, MOST_SLOW_MS);
  }

  /** From when on no answer is awaited any more. */
  get timeoutMs(): number {
    if (this.#roundTripMs === undefined) return MOST_TIMEOUT_MS;
    return clamp(this.#roundTripMs + 6 * this.#deviationMs, LEAST_TIMEOUT_MS, MOST_TIMEOUT_MS);
  }

  /** The transaction id for a query that is sent now. Undefined when too many wait already; `handlers` is told so. */
  begin(to: PeerAddress, handlers: QueryHandlers): Uint8Array | undefined {
    if (this.#pending.size >= MOST_PENDING) {
      handlers.onFailure('too many');
      return undefined;
    }
    let id = this.#random(ID_BYTES);
    while (this.#pending.has(keyOf(id))) id = this.#random(ID_BYTES);
    const key = keyOf(id);
    const [slowMs, timeoutMs] = [this.slowMs, this.timeoutMs];
    const pending: Pending = {
      to: formatAddress(to),
      sentAt: this.#clock.now(),
      handlers,
      cancelTimer: this.#clock.after(slowMs, () => {
        pending.cancelTimer = this.#clock.after(timeoutMs - slowMs, () => {
          this.#pending.delete(key);
          handlers.onFailure('timeout');
        });
        handlers.onSlow?.();
      }),
    };
    this.#pending.set(key, pending);
    return id;
  }

  /** Hands an answer, or a refusal, to who waits for it. False when nobody does, or not from there. */
  settle(id: Uint8Array, from: PeerAddress, reply: Reply | undefined): boolean {
    const key = keyOf(id);
    const pending = this.#pending.get(key);
    if (pending?.to !== formatAddress(from)) return false;
    this.#pending.delete(key);
    pending.cancelTimer();
    this.#learn(this.#clock.now() - pending.sentAt);
    if (reply) pending.handlers.onReply(reply);
    else pending.handlers.onFailure('refused');
    return true;
  }

  /** Forgets all; no handler is called any more. */
  close(): void {
    for (const { cancelTimer } of this.#pending.values()) cancelTimer();
    this.#pending.clear();
  }

  #learn(tookMs: number): void {
    if (this.#roundTripMs === undefined) {
      this.#roundTripMs = tookMs;
      this.#deviationMs = tookMs / 2;
      return;
    }
    this.#deviationMs += (Math.abs(tookMs - this.#roundTripMs) - this.#deviationMs) / 4;
    this.#roundTripMs += (tookMs - this.#roundTripMs) / 8;
  }
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(Math.max(value, least), most);
}

function keyOf(id: Uint8Array): string {
  return Buffer.from(id).toString('latin1');
}
