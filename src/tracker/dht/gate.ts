/** Bounds what others can make us do, in counts per second. */
import type { Clock } from '../../common/clock.js';

export interface GateOptions {
  readonly perSource: number;
  readonly total: number;
}

/** Lets so much in each second, of one source and of all together. What it remembers is bounded by `total`. */
export class Gate {
  readonly #clock: Clock;
  readonly #options: GateOptions;
  readonly #bySource = new Map<string, number>();
  #sum = 0;
  #endsAt = 0;

  constructor(clock: Clock, options: GateOptions) {
    this.#clock = clock;
    this.#options = options;
  }

  /** Counts what is let in; what is not, counts nothing. */
  admits(source: string, cost = 1): boolean {
    const now = this.#clock.now();
    if (now >= this.#endsAt) {
      this.#endsAt = now + 1000;
      this.#sum = 0;
      this.#bySource.clear();
    }
    const ofSource = (this.#bySource.get(source) ?? 0) + cost;
    if (ofSource > this.#options.perSource || this.#sum + cost > this.#options.total) return false;
    this.#bySource.set(source, ofSource);
    this.#sum += cost;
    return true;
  }
}
