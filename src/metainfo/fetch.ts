import { existsSync } from 'node:fs';
import { MetainfoError, NoSourceError } from '../common/errors.js';
import { HttpError, httpGet } from '../common/http.js';
import { hideSecrets } from '../common/url.js';
import { decodeMetainfo } from './decode.js';

/** Torrents of a million pieces have 20 MiB. */
const MAX_LENGTH = 64 * 1024 * 1024;
const TIMEOUT_MS = 60_000;

/** What somebody means by an operand. */
export type SourceKind = 'magnet' | 'url' | 'info-hash' | 'path';

/**
 * What to take a text for: a magnet link, an http(s) URL, a bare info hash (v1, 40 hex or 32 base32 digits), else a path.
 * A file whose name looks like an info hash is a file.
 */
export function kindOfSource(text: string, exists: (path: string) => boolean = existsSync): SourceKind {
  const word = text.trim(); // what was copied out of a page often has blanks round it
  if (/^magnet:/i.test(word)) return 'magnet';
  if (/^https?:\/\//i.test(word)) return 'url';
  return /^(?:[0-9a-f]{40}|[a-z2-7]{32})$/i.test(word) && !exists(text) ? 'info-hash' : 'path';
}

/**
 * Gets the bytes of a `.torrent` of at most 64 MiB by its URL. No message shows more of that than scheme, host and port,
 * for the rest may be a passkey.
 * @throws {NoSourceError} when nobody answers in time, or the server is in trouble
 * @throws {MetainfoError} when it is no http(s) URL, the server has no such torrent, or what it has is none
 * @throws what `signal` was aborted with
 */
export async function fetchTorrent(
  url: URL,
  { signal, timeoutMs = TIMEOUT_MS }: { readonly signal?: AbortSignal | undefined; readonly timeoutMs?: number } = {},
): Promise<Uint8Array> {
  const what = `cannot fetch the torrent from ${hideSecrets(url.href)}`;
  if (!/^https?:$/.test(url.protocol)) {
    throw new MetainfoError('ERR_TORRENT_URL', `${what}: only http and https URLs are understood`);
  }
  signal?.throwIfAborted();
  const { status, body } = await httpGet(url, {
    maxLength: MAX_LENGTH,
    timeoutMs,
    ...(signal && { signal }),
  }).catch((error: unknown) => {
    signal?.throwIfAborted();
    throw error instanceof HttpError ? failure(what, error) : error;
  });
  if (status !== 200) throw refusal(what, status);
  if (!beginsLikeTorrent(body)) throw notTorrent(what, body);
  return body;
}

function failure(what: string, error: HttpError): Error {
  if (error.code === 'ERR_HTTP_TOO_LARGE') {
    return new MetainfoError('ERR_NO_TORRENT', `${what}: the answer is larger than 64 MiB`, { cause: error });
  }
  return new NoSourceError('ERR_TORRENT_UNREACHABLE', `${what}: ${error.message}`, [error]);
}

/** What the server may get over is worth another try; what it says no to is not. */
function refusal(what: string, status: number): Error {
  const message = `${what}: HTTP status ${status}${MEANINGS[status] ?? ''}`;
  const isPassing = status >= 500 || status === 408 || status === 429;
  return isPassing
    ? new NoSourceError('ERR_TORRENT_UNREACHABLE', message)
    : new MetainfoError('ERR_NO_TORRENT', message);
}

const MEANINGS: Readonly<Record<number, string>> = {
  401: ' (it wants a login)',
  403: ' (forbidden)',
  404: ' (not found)',
  410: ' (gone)',
  429: ' (too many requests)',
};

function beginsLikeTorrent([first, second = 0]: Uint8Array): boolean {
  return first === 0x64 && second >= 0x30 && second <= 0x39; // a dictionary with a key
}

/** The decoder knows what people get in a torrent's place: web pages, archives, magnet links. */
function notTorrent(what: string, body: Uint8Array): Error {
  try {
    decodeMetainfo(body);
  } catch (error) {
    if (error instanceof MetainfoError)
      return new MetainfoError(error.code, `${what}: ${error.message}`, { cause: error });
    throw error;
  }
  return new MetainfoError('ERR_NOT_A_TORRENT', `${what}: not a valid torrent`);
}
