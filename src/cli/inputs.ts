/** What has to be read before a download can start: a torrent on standard input. */
import { addAbortSignal, type Readable } from 'node:stream';

import { hideSecrets, UsageError } from '../index.js';

/** No torrent is near that size; it bounds what an endless pipe can take of our memory. */
const MAX_TORRENT_LENGTH = 256 * 2 ** 20;

/** The torrent as the user named it, fit for a log: of a URL the server, of a magnet link the info hash. */
export function withoutSecrets(source: string): string {
  if (/^https?:/i.test(source)) return hideSecrets(source);
  const link = /^magnet:\?(.*)$/is.exec(source);
  if (!link) return source;
  return `magnet:?${new URLSearchParams(link[1])
    .getAll('xt')
    .map((topic) => `xt=${topic}`)
    .join('&')}`;
}

/** The whole of `stdin`. @throws {UsageError} when it is a terminal or too long */
export async function readTorrent(stdin: Readable & { isTTY?: boolean }, signal: AbortSignal): Promise<Uint8Array> {
  if (stdin.isTTY) {
    throw new UsageError(
      'ERR_STDIN_IS_TERMINAL',
      'standard input is a terminal; send a .torrent file into it, or name one',
    );
  }
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of addAbortSignal(signal, stdin) as AsyncIterable<Uint8Array>) {
    length += chunk.length;
    if (length > MAX_TORRENT_LENGTH) {
      throw new UsageError('ERR_STDIN_TOO_LONG', 'standard input is longer than any .torrent file (256 MiB)');
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
