import { systemClock, type Clock } from './clock.js';

/** Those in line are looked at that often at most: often enough to be smooth, seldom enough to cost nothing. */
const TURN_MS = 25;
/** What nobody uses for longer than that is lost, or idle time would end in a burst. */
const MOST_SAVED_MS = 100;
/** What those in line are owed by a timer that is late: so much of it at once, for more would be a burst. */
const MOST_LATE_MS = 250;
/** What was missed beyond that, or taken in vain long ago, is made up for by so much of the rate, which nobody notices. */
const SHARE_TO_MAKE_UP = 0.04;
const MOST_TO_MAKE_UP_MS = 5000;

/** Somebody who waits for bytes to come free. */
export interface Waiter {
  /** It is its turn, to take about so many bytes; it has left the line. `nowMs` is of the bucket's clock. */
  onTurn: (bytes: number, nowMs: number) => void;
}

/**
 * A token bucket that many share: so many bytes per second for all of them together. Whoever finds it empty waits in
 * line, and what comes free is split among those who wait:
 *
 *     ask ──► bytes ──────────────────► take
 *      └─0──► in line ──► onTurn ──► take, and wait again
 *
 * More may be taken than there is, for a block cannot be split: that is paid off before anybody has another turn. So even
 * a limit below a block per second holds over time.
 */
export class Bucket {
  readonly perSecond: number;
  readonly #clock: Clock;
  readonly #line = new Set<Waiter>();
  /** Bytes that may be taken now; below 0 what is to be paid off. */
  #level = 0;
  #filledAt: number;
  /** Bytes to be made up for. */
  #lost = 0;
  /** Since when those in line wait for the next turns, and when these are due; meaningless while nobody is in line. */
  #waitingSince = 0;
  #turnsAt = 0;
  #disarm: (() => void) | undefined;

  constructor(perSecond: number, clock: Clock = systemClock) {
    this.perSecond = perSecond;
    this.#clock = clock;
    this.#filledAt = clock.now();
  }

  /** Bytes that `waiter` may take now, or 0: then it is in line. Nobody overtakes those in line. */
  ask(waiter: Waiter): number {
    if (this.#line.size === 0) {
      this.#fill();
      this.#level = Math.min(this.#level, this.#mostSaved);
      if (this.#level > 0) return this.#level;
    }
    this.wait(waiter);
    return 0;
  }

  /** Goes to the end of the line; who is in it already keeps its place. */
  wait(waiter: Waiter): void {
    this.#line.add(waiter);
    this.#arm();
  }

  isInLine(waiter: Waiter): boolean {
    return this.#line.has(waiter);
  }

  leave(waiter: Waiter): void {
    if (!this.#line.delete(waiter) || this.#line.size > 0) return;
    this.#disarm?.();
    this.#disarm = undefined;
  }

  take(bytes: number): void {
    this.#level -= bytes;
  }

  /** What was just taken will not come to pass. */
  giveBack(bytes: number): void {
    this.#level = Math.min(this.#level + bytes, Math.max(this.#level, this.#mostSaved));
    // The next turns may be sooner now. They are never put off, or who gives back often would keep all others waiting.
    if (this.#disarm && this.#nextTurns() < this.#turnsAt) this.#schedule();
  }

  /** The same of what was taken long ago: bit by bit, for all of it at once would be a burst. */
  makeUpFor(bytes: number): void {
    this.#lost = Math.min(this.#lost + bytes, (this.perSecond * MOST_TO_MAKE_UP_MS) / 1000);
  }

  get #mostSaved(): number {
    return (this.perSecond * MOST_SAVED_MS) / 1000;
  }

  #fill(): void {
    const now = this.#clock.now();
    const free = (this.perSecond * (now - this.#filledAt)) / 1000;
    const madeUp = Math.min(this.#lost, free * SHARE_TO_MAKE_UP);
    this.#lost -= madeUp;
    const level = this.#level + free + madeUp;
    this.#level = Math.min(level, (this.perSecond * MOST_LATE_MS) / 1000);
    if (this.#line.size > 0) this.makeUpFor(level - this.#level);
    this.#filledAt = now;
  }

  /** Sees to it that there will be turns. */
  #arm(): void {
    if (this.#disarm) return;
    this.#waitingSince = this.#clock.now();
    this.#schedule();
  }

  #schedule(): void {
    this.#disarm?.();
    this.#turnsAt = this.#nextTurns();
    this.#disarm = this.#clock.after(Math.max(0, this.#turnsAt - this.#clock.now()), () => this.#giveTurns());
  }

  /** Turns begin once there is something to take, and not before somebody has waited for a moment. */
  #nextTurns(): number {
    const paidOffMs = Math.ceil((-this.#level * 1000) / this.perSecond) + 1;
    return Math.max(this.#waitingSince + TURN_MS, this.#filledAt + paidOffMs);
  }

  #giveTurns(): void {
    this.#disarm = undefined;
    this.#fill();
    const share = this.#level / this.#line.size;
    for (const waiter of [...this.#line]) {
      if (this.#level <= 0) break;
      if (this.#line.delete(waiter)) waiter.onTurn(share, this.#filledAt); // which may put it in line again, at the end
    }
    this.#level = Math.min(this.#level, this.#mostSaved);
    if (this.#line.size > 0) this.#arm();
  }
}
