import { HAVE_LENGTH } from './wire.js';

interface Allowance {
  readonly atOnce: number;
  readonly perSecond: number;
}

/** Bytes beside blocks, before there is metadata: that comes with them, and haves of a million pieces. */
export const MOST_TALK: Allowance = { atOnce: 16 * 1024 * 1024, perSecond: 1024 * 1024 };

/** … and then, beside requests that we take as well: haves of all pieces fit in twice. */
export function mostTalk(pieceCount: number): Allowance {
  return { atOnce: 1024 * 1024 + 2 * HAVE_LENGTH * pieceCount, perSecond: 1024 * 1024 };
}

/**
 * Messages that tell of no piece and ask for none, or for what is not given: rejects of all that we may have asked for fit
 * in twice, and a second of libtorrent 2.0, which asks 14,000 times a second for what is rejected.
 */
export const MOST_ASIDES: Allowance = { atOnce: 16_384, perSecond: 1024 };

/** Tells a peer that floods us with messages beside blocks: each is cheap, but without end they take all of a core. */
export class TalkLimit {
  readonly #most: Allowance;
  /** How much is over what the time so far allows. */
  #level = 0;
  #seen = 0;
  #at: number;

  constructor(most: Allowance, nowMs: number) {
    this.#most = most;
    this.#at = nowMs;
  }

  /** Whether a peer that has sent `total` up to now is too much to listen to. */
  isExceeded(total: number, nowMs: number): boolean {
    const allowed = ((nowMs - this.#at) * this.#most.perSecond) / 1000;
    this.#level = Math.max(0, this.#level + total - this.#seen - allowed);
    this.#seen = total;
    this.#at = nowMs;
    return this.#level > this.#most.atOnce;
  }
}
