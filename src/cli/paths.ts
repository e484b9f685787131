/** Paths as the user would write them. */
import path from 'node:path';

/**
 * Where a file of a torrent is, seen from the current folder: `name` below `out`. In a stream (`-`) it has its name only.
 * It never begins with `-`, so that no program takes it for an option.
 */
export function pathOf(name: string, out = '.'): string {
  const whole = out === '-' ? name : path.join(out, name);
  return whole.startsWith('-') ? `./${whole}` : whole;
}
