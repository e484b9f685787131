/** Where a new `.torrent` goes: a file that was not there, or standard output. */
import { constants } from 'node:fs';
import { access, link, rename, rm, writeFile } from 'node:fs/promises';

import { DiskError, escapeControl, UsageError } from '../index.js';
import { wordsOf } from './system-words.js';

/** Says what stands in the way before the long work. @throws {UsageError} */
export async function checkTarget(out: string, isForced: boolean): Promise<void> {
  if (out === '-') {
    if (!process.stdout.isTTY) return;
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
 * Writes all of it or nothing: whoever reads the file meanwhile sees no half of a torrent.
 * @throws {UsageError} when a file is there, unless it `isForced` @throws {DiskError}
 */
export async function writeTorrent(out: string, bytes: Uint8Array, isForced: boolean): Promise<void> {
  if (out === '-') {
    process.stdout.write(bytes);
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
