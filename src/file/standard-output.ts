import { constants, createWriteStream, fstatSync, readFileSync, readlinkSync } from 'node:fs';
import type { Writable } from 'node:stream';
import { isatty } from 'node:tty';
import { DiskError, UsageError } from '../common/errors.js';

const STDOUT = 1;

/**
 * Standard output, for data. Into files and devices `process.stdout` would write on this thread, and of what a nearly full
 * disk takes in part it drops the rest; they get a stream that does neither.
 * @throws {UsageError} when it is a terminal
 * @throws {DiskError} when it is closed: all would be lost
 */
export function openStandardOutput(): Writable {
  if (isatty(STDOUT)) {
    throw new UsageError(
      'ERR_TERMINAL',
      'data is not written to a terminal: redirect standard output, or name a folder',
    );
  }
  refuseClosedOutput();
  const stats = fstatSync(STDOUT);
  if (stats.isFIFO() || stats.isSocket()) return process.stdout;
  return createWriteStream('', { fd: STDOUT, autoClose: false });
}

/** For who writes to standard output only after long work. @throws {DiskError} when it is closed */
export function refuseClosedOutput(): void {
  if (wasClosed()) throw new DiskError('ERR_STDOUT_CLOSED', 'cannot write to standard output: it is closed');
}

/** Node puts /dev/null in the place of a closed descriptor, open for both ways; who redirects opens it to write only. */
function wasClosed(): boolean {
  try {
    if (readlinkSync(`/proc/self/fd/${STDOUT}`) !== '/dev/null') return false;
    const [, flags = '0'] = /^flags:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${STDOUT}`, 'latin1')) ?? [];
    return (parseInt(flags, 8) & (constants.O_WRONLY | constants.O_RDWR)) === constants.O_RDWR;
  } catch {
    return false; // no Linux: nobody knows
  }
}
