/** In which order trackers are tried (BEP 12): tier by tier, in each one the tracker that worked last comes first. */
export class Tiers<T> implements Iterable<T> {
  readonly #tiers: T[][];

  /** Shuffles each tier by `random`, numbers from 0 to below 1. */
  constructor(tiers: readonly (readonly T[])[], random: () => number) {
    this.#tiers = tiers.map((tier) => shuffled(tier, random));
  }

  /** Moves a tracker that works to the front of its tier. */
  promote(tracker: T): void {
    for (const tier of this.#tiers) {
      const index = tier.indexOf(tracker);
      if (index > 0) tier.unshift(...tier.splice(index, 1));
    }
  }

  /** All in the order of this moment, whatever is promoted meanwhile. */
  [Symbol.iterator](): Iterator<T> {
    return this.#tiers.flat().values();
  }
}

/** Fisher and Yates. */
function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const result = [...items];
  for (let last = result.length - 1; last > 0; last--) {
    const chosen = Math.floor(random() * (last + 1));
    [result[last], result[chosen]] = [result[chosen]!, result[last]!];
  }
  return result;
}
