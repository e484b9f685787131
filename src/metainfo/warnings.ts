/** Warnings of one kind that are told in full. */
const MOST_LISTED = 10;

/** Collects what is odd but tolerated. However much of it a torrent has, the list stays short. */
export class Warnings {
  readonly #kinds = new Map<string, { count: number; readonly texts: string[] }>();

  /** `kind` says, in the plural, what the warnings of its kind that are not listed are about: `and 7 more renamed files`. */
  add(text: string, kind: string): void {
    const known = this.#kinds.get(kind) ?? { count: 0, texts: [] };
    this.#kinds.set(kind, known);
    known.count++;
    if (known.texts.length < MOST_LISTED) known.texts.push(text);
  }

  toList(): string[] {
    return [...this.#kinds].flatMap(([kind, { count, texts }]) =>
      count > texts.length ? [...texts, `and ${count - texts.length} more ${kind}`] : texts,
    );
  }
}
