import { formatAddress, type PeerAddress } from '../../common/address.js';
import type { Clock } from '../../common/clock.js';

/** Nodes that know us ask us within minutes, if they can. */
const PATIENCE_MS = 10 * 60_000;
const MOST_REMEMBERED = 10_000;

/**
 * Whether others can reach us unasked, found out by listening: a datagram from an address that we never sent anything to
 * came through. Behind a NAT or firewall none does, and then it is better to say so (BEP 43).
 */
export class Reachability {
  readonly #clock: Clock;
  readonly #startedAt: number;
  readonly #sentTo = new Set<string>();
  #wasReached = false;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#startedAt = clock.now();
  }

  /** True as long as there is hope. */
  get isReachable(): boolean {
    return this.#wasReached || this.#clock.now() - this.#startedAt < PATIENCE_MS;
  }

  sent(to: PeerAddress): void {
    if (this.#wasReached) return;
    const key = formatAddress(to);
    this.#sentTo.delete(key); // the latest are remembered longest
    this.#sentTo.add(key);
    for (const oldest of this.#sentTo) {
      if (this.#sentTo.size <= MOST_REMEMBERED) break;
      this.#sentTo.delete(oldest);
    }
  }

  received(from: PeerAddress): void {
    if (this.#wasReached || this.#sentTo.has(formatAddress(from))) return;
    this.#wasReached = true;
    this.#sentTo.clear();
  }
}
