import { DiskError, OutputClosedError } from '../common/errors.js';
import { wordsOfCode } from '../common/system-words.js';
import { escapeControl } from '../common/text.js';

/** What the system's error codes mean, as a stable code of ours and in words. */
const REASONS: Readonly<Record<string, readonly [code: string, words: string]>> = {
  ENOSPC: ['ERR_DISK_FULL', 'no space left on device'],
  EDQUOT: ['ERR_DISK_QUOTA', 'disk quota exceeded'],
  EFBIG: ['ERR_FILE_TOO_LARGE', 'the file would be larger than the disk or a limit (ulimit -f) allows'],
  EROFS: ['ERR_READ_ONLY', 'the file system is read-only'],
  EACCES: ['ERR_PERMISSION', 'permission denied'],
  EPERM: ['ERR_PERMISSION', 'permission denied'],
  EIO: ['ERR_DISK_IO', 'input/output error; the disk may be failing'],
  EMFILE: ['ERR_TOO_MANY_FILES', 'too many open files'],
  ENFILE: ['ERR_TOO_MANY_FILES', 'too many open files'],
  EISDIR: ['ERR_IN_THE_WAY', 'a folder is in the way'],
  ENOTDIR: ['ERR_IN_THE_WAY', 'it is not a folder'],
  EEXIST: ['ERR_IN_THE_WAY', 'something else is in the way'],
  ENXIO: ['ERR_IN_THE_WAY', 'a pipe, socket or device is in the way'],
  ELOOP: ['ERR_SYMLINK', 'a symbolic link is in the way, and links are not followed'],
  ENAMETOOLONG: ['ERR_NAME_TOO_LONG', 'the name is too long for this disk'],
  ENOENT: ['ERR_FILE_GONE', 'it is gone'],
  ESHORT: ['ERR_FILE_GONE', 'it is shorter than it was'],
};

/** What an error of `fs` looks like once it has crossed from one thread to another. */
export interface SystemError {
  readonly code?: string | undefined;
  readonly message: string;
}

/** An error that carries a system code, for what we find out ourselves. */
export function systemError(code: string, path: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: ${path}`), { code, path });
}

export function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}

/** `cannot <action> "<path>": <why>`; passes a `DiskError` on as it is. */
export function diskError(action: string, path: string, error: unknown): DiskError {
  if (error instanceof DiskError) return error;
  const { code, message } = error as SystemError;
  const [name, words] = REASONS[code ?? ''] ?? ['ERR_DISK', code === undefined ? message : wordsOfCode(code)];
  return new DiskError(name, `cannot ${action} ${quoted(path)}: ${words}`, { cause: error });
}

/** What the system says when the other end of a pipe or socket is gone; ours is then closed. */
const CLOSED = new Set(['EPIPE', 'ECONNRESET', 'ERR_STREAM_DESTROYED', 'ERR_STREAM_WRITE_AFTER_END']);

/** Why a stream takes no more; without an error it was closed. */
export function outputError(error?: Error): DiskError | OutputClosedError {
  if (error && !CLOSED.has(codeOf(error) ?? '')) return diskError('write', 'standard output', error);
  return new OutputClosedError('ERR_OUTPUT_CLOSED', 'the reader of the output went away', { cause: error });
}

/** A path fit for a terminal. */
export function quoted(path: string): string {
  return `"${escapeControl(path)}"`;
}
