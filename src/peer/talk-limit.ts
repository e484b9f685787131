/** Haves of a million pieces, told one by one, fit in here twice. */
const MOST_AT_ONCE = 16 * 1024 * 1024;
/** The requests of a peer that takes 1 GB/s from us come to that. */
const MOST_PER_SECOND = 1024 * 1024;

/** Tells a peer that floods us with messages beside blocks: each is cheap, but without end they take all of a core. */
export class TalkLimit {
  /** Bytes over what the time so far allows. */
  #level = 0;
  #seen = 0;
  #at: number;

  constructor(nowMs: number) {
    this.#at = nowMs;
  }

  /** Whether a peer that has sent `total` bytes up to now, blocks not counted, is too much to listen to. */
  isExceeded(total: number, nowMs: number): boolean {
    const allowed = ((nowMs - this.#at) * MOST_PER_SECOND) / 1000;
    this.#level = Math.max(0, this.#level + total - this.#seen - allowed);
    this.#seen = total;
    this.#at = nowMs;
    return this.#level > MOST_AT_ONCE;
  }
}
