/** Buckets of a second each; the rate is the mean over those that are past. */
const BUCKETS = 5;
const BUCKET_MS = 1000;

/** Bytes per second over the last few seconds. Adding costs one addition; the clock is read when the rate is. */
export class RateMeter {
  readonly #startedAtMs: number;
  readonly #past: number[] = [];
  #bucketAtMs: number;
  #bytes = 0;

  constructor(nowMs: number) {
    this.#startedAtMs = this.#bucketAtMs = nowMs;
  }

  add(bytes: number): void {
    this.#bytes += bytes;
  }

  /** Should be asked at least once a second, so that bytes fall in the right bucket. */
  perSecond(nowMs: number): number {
    const elapsed = nowMs - this.#bucketAtMs;
    if (elapsed >= BUCKET_MS) this.#roll(elapsed);
    const current = nowMs - this.#bucketAtMs;
    const ms = Math.min(this.#past.length * BUCKET_MS + current, nowMs - this.#startedAtMs);
    const bytes = this.#past.reduce((sum, bucket) => sum + bucket, this.#bytes);
    return ms > 0 ? (bytes * 1000) / ms : 0;
  }

  /** Spreads what was added since over the buckets that have passed. */
  #roll(elapsedMs: number): void {
    const passed = Math.floor(elapsedMs / BUCKET_MS);
    const share = this.#bytes / passed;
    for (let n = 0; n < Math.min(passed, BUCKETS); n++) this.#past.push(share);
    this.#past.splice(0, this.#past.length - BUCKETS);
    this.#bytes = 0;
    this.#bucketAtMs += passed * BUCKET_MS;
  }
}
