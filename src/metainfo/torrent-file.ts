import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { MetainfoError } from '../common/errors.js';
import { wordsOfCode } from '../common/system-words.js';

/** No torrent is near that size. */
const MOST_LENGTH = 256 * 1024 * 1024;
const READ_LENGTH = 65_536;
/** How often a pipe that has nothing yet is looked at. */
const LOOK_EVERY_MS = 50;

/**
 * The bytes of a `.torrent`, at most 256 MiB, out of a file or a pipe. A pipe without a writer is waited for, in a way that
 * `signal` can end: a read that blocks would keep the process from ending.
 * @throws {MetainfoError} when it cannot be read or is too long
 * @throws what `signal` was aborted with
 */
export async function readTorrentFile(path: string, signal?: AbortSignal): Promise<Uint8Array> {
  signal?.throwIfAborted();
  try {
    await using file = await open(path, constants.O_RDONLY | NONBLOCK);
    const stats = await file.stat();
    if (stats.isFile() && stats.size > MOST_LENGTH) throw tooLong(path);
    return await (stats.isFile() || stats.isDirectory() ? file.readFile() : readPipe(file, path, signal));
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof MetainfoError) throw error;
    const { code = String(error) } = error as NodeJS.ErrnoException;
    throw new MetainfoError('ERR_NO_TORRENT', `cannot read "${path}": ${REASONS[code] ?? wordsOfCode(code)}`, {
      cause: error,
    });
  }
}

/** Zero on Windows, which has no such flag. */
const NONBLOCK = (constants.O_NONBLOCK as number | undefined) ?? 0;

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  ENOTDIR: 'no such file',
  EISDIR: 'it is a folder',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
};

async function readPipe(file: FileHandle, path: string, signal: AbortSignal | undefined): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for (let length = 0; ;) {
    const buffer = new Uint8Array(READ_LENGTH);
    const count = await file.read(buffer).then(
      ({ bytesRead }) => bytesRead,
      (error: unknown) => {
        if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return undefined; // there is a writer, and nothing yet
        throw error;
      },
    );
    signal?.throwIfAborted();
    if (count === 0 && length > 0) return Buffer.concat(chunks);
    if (!count) {
      await sleep(LOOK_EVERY_MS, undefined, signal && { signal });
      continue;
    }
    length += count;
    if (length > MOST_LENGTH) throw tooLong(path);
    chunks.push(buffer.subarray(0, count));
  }
}

function tooLong(path: string): MetainfoError {
  return new MetainfoError('ERR_NO_TORRENT', `cannot read "${path}": it is longer than any .torrent file (256 MiB)`);
}
