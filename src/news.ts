import type { SourceStatus } from './tracker/source.js';

/** What has changed with trackers, DHT and the like, in lines for the user. */
export class SourceNews {
  readonly #told = new Map<string, string>();

  /** A line for each source that answered or failed since the last call, in another way than before. */
  read(sources: readonly SourceStatus[]): string[] {
    return sources.flatMap((source) => {
      const line = lineOf(source);
      if (line === undefined || this.#told.get(source.name) === line) return [];
      this.#told.set(source.name, line);
      return line;
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
