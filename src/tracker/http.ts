import { TrackerError } from '../common/errors.js';
import { HttpError, httpGet, type HttpAnswer } from '../common/http.js';
import type { Announce, AnnounceRequest } from './announce.js';
import { parseAnnounceReply, parseFailure } from './response.js';

/** Some thousands of peers fit many times; inflated, too. */
const MAX_REPLY_LENGTH = 2 * 1024 * 1024;

/** Announces over HTTP or HTTPS (BEP 3, 7, 23). */
export const announceOverHttp: Announce = async (request, { timeoutMs, signal }) => {
  const answer = await ask(announceUrl(request), timeoutMs, signal);
  if (answer.status === 200) return parseAnnounceReply(answer.body);
  // many trackers say why in the usual way below a status of 400 or 500
  throw parseFailure(answer.body) ?? refusal(answer);
};

async function ask(url: URL, timeoutMs: number, signal: AbortSignal): Promise<HttpAnswer> {
  try {
    return await httpGet(url, { maxLength: MAX_REPLY_LENGTH, timeoutMs, signal });
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    throw new TrackerError('ERR_TRACKER_UNREACHABLE', error.message, { cause: error });
  }
}

function refusal({ status, headers }: HttpAnswer): TrackerError {
  const retryAfter = headers['retry-after'];
  const retryInSeconds =
    typeof retryAfter === 'string' && /^\d{1,5}$/.test(retryAfter) ? Number(retryAfter) : undefined;
  return new TrackerError('ERR_TRACKER_HTTP_STATUS', `HTTP status ${status}`, { retryInSeconds });
}

/**
 * The URL of an announce. Its query is put together from bytes, as text, for every helper takes bytes for UTF-8; and after
 * what the URL has already, which may be a passkey.
 */
export function announceUrl(request: AnnounceRequest): URL {
  const { infoHash, peerId, key, port, totals, event, numWant, trackerId } = request;
  const parameters = [
    `info_hash=${percentEncode(infoHash)}`,
    `peer_id=${percentEncode(peerId)}`,
    `port=${port}`,
    `uploaded=${totals.uploaded}`,
    `downloaded=${totals.downloaded}`,
    `left=${totals.left}`,
    'compact=1',
    'no_peer_id=1',
    `key=${key}`,
    `numwant=${numWant}`,
  ];
  if (event) parameters.push(`event=${event}`);
  if (trackerId) parameters.push(`trackerid=${percentEncode(trackerId)}`);
  const url = new URL(request.url);
  url.hash = '';
  const separator = /[?&]$/.test(url.href) ? '' : url.href.includes('?') ? '&' : '?';
  return new URL(url.href + separator + parameters.join('&'));
}

/** Bytes as `%XX`, but letters, digits and `-._~` as themselves. */
function percentEncode(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => {
    const character = String.fromCharCode(byte);
    return /[\w.~-]/.test(character) ? character : `%${byte.toString(16).padStart(2, '0').toUpperCase()}`;
  }).join('');
}
