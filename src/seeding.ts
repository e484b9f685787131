/** Whether a download seeds, and when it has seeded enough. */
import type { DownloadOptions } from './api.js';

export type SeedOptions = Pick<DownloadOptions, 'seed' | 'seedRatio' | 'seedTimeMs'>;

/** Whether to go on once all is complete; a limit to that implies it. */
export function wantsToSeed({ seed = false, seedRatio, seedTimeMs }: SeedOptions): boolean {
  return seed || seedRatio !== undefined || seedTimeMs !== undefined;
}

/** Whether a limit is reached, with `uploaded` bytes sent of data of `length` bytes, which was complete so long ago. */
export function hasSeededEnough(
  { seedRatio = Infinity, seedTimeMs = Infinity }: SeedOptions,
  uploaded: number,
  length: number,
  completeForMs: number,
): boolean {
  return uploaded >= seedRatio * length || completeForMs >= seedTimeMs;
}
