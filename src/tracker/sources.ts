import { Closers } from '../common/closers.js';
import type { PeerSource, SourceStatus } from './source.js';

/** All ways of finding peers that a download uses, as one; the first added come first in `status` and `failures`. */
export class PeerSources implements PeerSource {
  readonly #sources: PeerSource[] = [];

  /** Asks `source` too, until it or all are closed. */
  add(source: PeerSource): void {
    this.#sources.push(source);
  }

  /** Closes those for which `isUnwanted` says so. */
  async drop(isUnwanted: (source: PeerSource) => boolean): Promise<void> {
    const unwanted = this.#sources.filter(isUnwanted);
    this.#sources.splice(0, Infinity, ...this.#sources.filter((source) => !unwanted.includes(source)));
    await closeAll(unwanted);
  }

  requestPeers(): void {
    for (const source of this.#sources) source.requestPeers();
  }

  completed(): void {
    for (const source of this.#sources) source.completed();
  }

  status(): readonly SourceStatus[] {
    return this.#sources.flatMap((source) => source.status());
  }

  failures(): readonly Error[] | undefined {
    const failures = this.#sources.map((source) => source.failures());
    return failures.every((errors) => errors !== undefined) ? failures.flat() : undefined;
  }

  /** Closes all at the same time. */
  async [Symbol.asyncDispose](): Promise<void> {
    await closeAll(this.#sources.splice(0));
  }
}

async function closeAll(sources: readonly PeerSource[]): Promise<void> {
  const closers = new Closers();
  const closing = sources.map((source) => source[Symbol.asyncDispose]());
  for (const promise of closing) closers.defer(() => promise);
  await closers[Symbol.asyncDispose]();
}
