/**
 * How long to wait after so many failures in a row (1 or more), in ms: doubles from `firstMs` to `maxMs`, give or take a
 * quarter, so that those who failed together do not come back together. `random` gives numbers from 0 to 1.
 */
export function backoffMs(failures: number, firstMs: number, maxMs: number, random: () => number): number {
  const delay = Math.min(maxMs, firstMs * 2 ** (failures - 1));
  return Math.round(delay * (0.75 + random() / 2));
}
