/**
 * New connections per second, and at once after a pause: a burst of SYNs fills home routers' tables. One that succeeds
 * is not counted, so many peers that answer are connected at once.
 */
const DIALS_PER_SECOND = 30;
const MOST_DIALS_AT_ONCE = 40;
const MOST_HALF_OPEN = 40;

/** How fast peers are dialled. Times are ms on any monotonic clock. */
export class DialPace {
  #allowance = MOST_DIALS_AT_ONCE;
  #atMs: number;

  constructor(nowMs: number) {
    this.#atMs = nowMs;
  }

  /** Time has passed. */
  tick(nowMs: number): void {
    const elapsedSeconds = (nowMs - this.#atMs) / 1000;
    this.#atMs = nowMs;
    this.#allowance = Math.min(MOST_DIALS_AT_ONCE, this.#allowance + elapsedSeconds * DIALS_PER_SECOND);
  }

  /** Whether one more may be dialled beside so many that have not answered yet. */
  mayDial(halfOpen: number): boolean {
    return halfOpen < MOST_HALF_OPEN && this.#allowance >= 1;
  }

  dialled(): void {
    this.#allowance--;
  }

  succeeded(): void {
    this.#allowance = Math.min(MOST_DIALS_AT_ONCE, this.#allowance + 1);
  }
}
