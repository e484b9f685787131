const WINDOW_MS = 10_000;
const MAX_IN_WINDOW = 5;

/** Bounds how often one host is asked, under however many URLs a torrent names it. */
export class Pace {
  readonly #asked = new Map<string, readonly number[]>(); // host → when, in ms, the last few times

  note(host: string, now: number): void {
    this.#asked.set(host, [...(this.#asked.get(host) ?? []), now].slice(-MAX_IN_WINDOW));
  }

  /** From when on `host` may be asked again. */
  readyAt(host: string): number {
    const asked = this.#asked.get(host) ?? [];
    return asked.length < MAX_IN_WINDOW ? 0 : asked[0]! + WINDOW_MS;
  }
}
