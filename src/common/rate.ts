/** The rate is that of the last so many ms, or since the reading before if that is longer ago. */
const WINDOW_MS = 5000;
/** Readings closer together than this share a sample. */
const SAMPLE_MS = 250;
/** The first bytes are not taken for a rate before so much time has passed. */
const LEAST_ELAPSED_MS = 1000;
/** Those of the window, and one on either side of it. */
const SAMPLES = WINDOW_MS / SAMPLE_MS + 2;

/**
 * A moving rate over about 5 s. `add` is one addition, for it is called for every read of a socket; samples are taken
 * when the rate is asked for, so nobody has to wind it. Exactly 0 once nothing came for the whole window.
 */
export class RateMeter {
  #total = 0;
  // A ring of (time, total) samples; the oldest is the start of what is measured.
  readonly #times = new Float64Array(SAMPLES);
  readonly #totals = new Float64Array(SAMPLES);
  #oldest = 0;
  #newest = 0;

  /** `now` is in ms on any monotonic clock, the same for all calls. */
  constructor(now: number) {
    this.#times[0] = now;
  }

  add(bytes: number): void {
    this.#total += bytes;
  }

  /** Bytes per second up to `now`. */
  perSecond(now: number): number {
    if (now - this.#times[this.#newest]! >= SAMPLE_MS) {
      this.#newest = next(this.#newest);
      this.#times[this.#newest] = now;
      this.#totals[this.#newest] = this.#total;
      while (this.#oldest !== this.#newest && now - this.#times[next(this.#oldest)]! >= WINDOW_MS) {
        this.#oldest = next(this.#oldest);
      }
    }
    const elapsed = Math.max(now - this.#times[this.#oldest]!, LEAST_ELAPSED_MS);
    return ((this.#total - this.#totals[this.#oldest]!) * 1000) / elapsed;
  }
}

function next(sample: number): number {
  return sample + 1 === SAMPLES ? 0 : sample + 1;
}
