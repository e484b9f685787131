/** What has to be read before a download can start: a torrent on standard input, lists of torrents. */
import { createReadStream } from 'node:fs';
import { addAbortSignal, type Readable } from 'node:stream';

import { escapeControl, hideSecrets, UsageError } from '../index.js';

/** No torrent is near that size; it bounds what an endless pipe can take of our memory. */
const MAX_TORRENT_LENGTH = 256 * 2 ** 20;
const MAX_LIST_LENGTH = 16 * 2 ** 20;

/** The torrent as the user named it, fit for a log: of a URL the server, of a magnet link the info hashes. */
export function withoutSecrets(source: string): string {
  const text = source.trim(); // as the library takes it
  if (/^https?:/i.test(text)) return hideSecrets(text);
  if (!/^magnet:/i.test(text)) return source;
  const topics = [...new URLSearchParams(text.replace(/^[^?]*/, ''))]
    .filter(([key, value]) => /^(?:amp;)?xt(?:\.\d+)?$/i.test(key) && /^urn:[a-z0-9]+:[a-z0-9]+$/i.test(value))
    .map(([, topic]) => `xt=${topic}`);
  return `magnet:?${topics.join('&')}`;
}

/** The whole of `stdin`. @throws {UsageError} when it is a terminal or too long */
export async function readTorrent(stdin: Readable & { isTTY?: boolean }, signal: AbortSignal): Promise<Uint8Array> {
  if (stdin.isTTY) {
    throw new UsageError(
      'ERR_STDIN_IS_TERMINAL',
      'standard input is a terminal; send a .torrent file into it, or name one',
    );
  }
  const bytes = await readAll(stdin, MAX_TORRENT_LENGTH, signal);
  if (bytes) return bytes;
  throw new UsageError('ERR_STDIN_TOO_LONG', 'standard input is longer than any .torrent file (256 MiB)');
}

/**
 * The torrents that a list names, one a line; `-` is standard input. Blank lines and those that begin with `#` are passed
 * over. @throws {UsageError} when it cannot be read, or names nothing
 */
export async function readList(file: string, signal: AbortSignal): Promise<string[]> {
  const name = file === '-' ? 'standard input' : `"${escapeControl(file)}"`;
  const bytes = await readAll(file === '-' ? process.stdin : createReadStream(file), MAX_LIST_LENGTH, signal).catch(
    (error: unknown) => {
      signal.throwIfAborted();
      const { code } = error as NodeJS.ErrnoException;
      const why = code === 'ENOENT' ? 'no such file' : code === 'EISDIR' ? 'it is a folder' : String(code);
      throw new UsageError('ERR_INPUT_FILE', `cannot read the list ${name}: ${why}`, { cause: error });
    },
  );
  if (!bytes) throw new UsageError('ERR_INPUT_FILE', `the list ${name} is longer than 16 MiB`);
  const lines = bytes
    .toString('utf8')
    .replace(/^\ufeff/, '')
    .split(/\r?\n/);
  const sources = lines.map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#'));
  if (sources.includes('-'))
    throw new UsageError('ERR_INPUT_FILE', `the list ${name} names "-", which cannot be read here`);
  if (sources.length === 0) throw new UsageError('ERR_INPUT_FILE', `the list ${name} names no torrent`);
  return sources;
}

/** Undefined when there is more than `most` bytes. */
async function readAll(input: Readable, most: number, signal: AbortSignal): Promise<Buffer | undefined> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of addAbortSignal(signal, input) as AsyncIterable<Uint8Array>) {
    length += chunk.length;
    if (length > most) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
