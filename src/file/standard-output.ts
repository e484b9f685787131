import { createWriteStream, fstatSync } from 'node:fs';
import type { Writable } from 'node:stream';
import { isatty } from 'node:tty';
import { UsageError } from '../common/errors.js';

const STDOUT = 1;

/**
 * Standard output, for data. Into files and devices `process.stdout` would write on this thread, and of what a nearly full
 * disk takes in part it drops the rest; they get a stream that does neither.
 * @throws {UsageError} when it is a terminal
 */
export function openStandardOutput(): Writable {
  if (isatty(STDOUT)) {
    throw new UsageError(
      'ERR_TERMINAL',
      'data is not written to a terminal: redirect standard output, or name a folder',
    );
  }
  const stats = fstatSync(STDOUT);
  if (stats.isFIFO() || stats.isSocket()) return process.stdout;
  return createWriteStream('', { fd: STDOUT, autoClose: false });
}
