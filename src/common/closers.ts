/** What is open and has to be closed, last opened first. (Node 20 has no `AsyncDisposableStack`.) */
export class Closers implements AsyncDisposable {
  readonly #closers: (() => unknown)[] = [];

  /** Closes `resource` with the rest; returns it. */
  use<T extends AsyncDisposable>(resource: T): T {
    this.#closers.push(() => resource[Symbol.asyncDispose]());
    return resource;
  }

  /** Calls `close` with the rest. */
  defer(close: () => unknown): void {
    this.#closers.push(close);
  }

  /** Closes everything, even when some of it fails. @throws the first error */
  async [Symbol.asyncDispose](): Promise<void> {
    const errors: unknown[] = [];
    for (let close = this.#closers.pop(); close; close = this.#closers.pop()) {
      try {
        await close();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  }
}
