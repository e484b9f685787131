/** Where a new `.torrent` goes: a file that was not there, or standard output. */
import { constants } from 'node:fs';
import { access, link, rename, rm, writeFile } from 'node:fs/promises';

import { DiskError, escapeControl, openStandardOutput, outputError, refuseClosedOutput, UsageError } from '../index.js';
import { wordsOf } from './system-words.js';

/** Says what stands in the way before the long work. @throws {UsageError} {DiskError} */
export async function checkTarget(out: string, isForced: boolean): Promise<void> {
  if (out === '-') {
    if (!process.stdout.isTTY) {
      refuseClosedOutput();
      return;
    }
    const what = 'standard output is a terminal, and a torrent is not text; name a file or send it into a pipe';
    throw new UsageError('ERR_STDOUT_IS_TERMINAL', what);
  }
  if (isForced) return;
  const isThere = await access(out, constants.F_OK).then(
    () => true,
    () => false,
  );
  if (isThere) throw isThereError(out);
}

/**
 * Writes all of it or, to a file, nothing: whoever reads that meanwhile sees no half of a torrent.
 * @throws {UsageError} when a file is there, unless it `isForced`
 * @throws {DiskError} {OutputClosedError}
 */
export async function writeTorrent(out: string, bytes: Uint8Array, isForced: boolean): Promise<void> {
  if (out === '-') {
    await writeOut(bytes);
    return;
  }
  const draft = `${out}.${process.pid}.new`;
  try {
    await writeFile(draft, bytes, { flag: 'wx' });
    if (isForced) await rename(draft, out);
    else await link(draft, out); // fails where a file is, even one that came a moment ago
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') throw isThereError(out);
    const why = REASONS[code ?? ''] ?? wordsOf(error as Error);
    throw new DiskError('ERR_WRITE', `cannot write "${escapeControl(out)}": ${why}`, { cause: error });
  } finally {
    await rm(draft, { force: true }).catch(() => undefined); // the first error is the one to tell
  }
}

/** Only what has been taken may be told of as done. */
async function writeOut(bytes: Uint8Array): Promise<void> {
  const stream = openStandardOutput();
  stream.on('error', () => undefined); // the callback has it, too
  await new Promise<void>((resolve, reject) => {
    stream.write(bytes, (error) => (error ? reject(outputError(error)) : resolve()));
  });
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EISDIR: 'it is a folder',
  ENOENT: 'there is no such folder',
  ENOSPC: 'no space left on device',
  ENOTDIR: 'there is no such folder',
  EROFS: 'read-only file system',
};

function isThereError(out: string): UsageError {
  return new UsageError('ERR_EXISTS', `"${escapeControl(out)}" is there already; --force writes over it`);
}
