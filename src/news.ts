import type { SourceStatus } from './tracker/source.js';

/** What has changed with trackers, DHT and the like. */
export class SourceNews {
  readonly #told = new Map<string, string>();

  /** Each source that answered or failed since the last call, in another way than before; with a line for the user. */
  read(sources: readonly SourceStatus[]): { readonly status: SourceStatus; readonly line: string }[] {
    return sources.flatMap((status) => {
      const line = lineOf(status);
      if (line === undefined || this.#told.get(status.name) === line) return [];
      this.#told.set(status.name, line);
      return { status, line };
    });
  }
}

function lineOf({ name, state, peers, seeds, message }: SourceStatus): string | undefined {
  if (state === 'failed') return `${name}: ${message ?? 'failed'}`;
  if (state !== 'working' || peers === undefined) return undefined;
  const known = seeds === undefined ? '' : ` (it knows of ${counted(seeds, 'seed')})`;
  return `${name}: ${counted(peers, 'peer')}${known}`;
}

/** `1 peer`, `2 peers`. */
export function counted(count: number, noun: string): string {
  return count === 1 ? `1 ${noun}` : `${count} ${noun}s`;
}
