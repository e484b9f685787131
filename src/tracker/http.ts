import { isIP } from 'node:net';
import { TrackerError } from '../common/errors.js';
import { HttpError, httpGet, mayBeProxied, type HttpAnswer } from '../common/http.js';
import { hostOf } from '../common/url.js';
import type { AnnounceReply, AnnounceRequest } from './announce.js';
import type { Family } from './families.js';
import { parseAnnounceReply, parseFailure } from './response.js';

/** Some thousands of peers fit many times; inflated, too. */
const MAX_REPLY_LENGTH = 2 * 1024 * 1024;

interface TrackerLimits {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly family?: Family | undefined;
  readonly mayBeLocal?: boolean | undefined;
}

/** How trackers' URLs end; a torrent can name whatever it likes, and a GET may do harm in the local network. */
const ANNOUNCE_PATH = /\/announce[^/]*$/i;

/** Announces over HTTP or HTTPS (BEP 3, 7, 23). */
export async function announceOverHttp(request: AnnounceRequest, limits: TrackerLimits): Promise<AnnounceReply> {
  const mayBeLocal = request.isChosen === true || ANNOUNCE_PATH.test(request.url.pathname);
  return parseAnnounceReply(await askOverHttp(announceUrl(request), { ...limits, mayBeLocal }));
}

/** Whether a tracker can be asked over a family of our choice: not when it is given by address, nor through a proxy. */
export function hasFamilies(url: URL): boolean {
  return isIP(hostOf(url)) === 0 && !mayBeProxied(url);
}

/**
 * The body of a tracker's answer.
 * @throws {TrackerError} when there is none in time, or its status is one of failure; with the tracker's own reason, if any
 */
export async function askOverHttp(url: URL, limits: TrackerLimits): Promise<Uint8Array> {
  const answer = await get(url, limits);
  if (answer.status === 200) return answer.body;
  // many trackers say why in the usual way below a status of 400 or 500
  throw parseFailure(answer.body) ?? refusal(answer);
}

async function get(url: URL, limits: TrackerLimits): Promise<HttpAnswer> {
  try {
    return await httpGet(url, { maxLength: MAX_REPLY_LENGTH, ...limits });
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    const code = error.code === 'ERR_HTTP_HOST' ? 'ERR_TRACKER_HOST' : 'ERR_TRACKER_UNREACHABLE';
    throw new TrackerError(code, error.message, { cause: error });
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
  return withQuery(request.url, parameters);
}

/** `url` with more parameters, which are encoded already, after those that it has. */
export function withQuery(url: URL, parameters: readonly string[]): URL {
  const bare = new URL(url);
  bare.hash = '';
  const separator = /[?&]$/.test(bare.href) ? '' : bare.href.includes('?') ? '&' : '?';
  return new URL(bare.href + separator + parameters.join('&'));
}

/** Bytes as `%XX`, but letters, digits and `-._~` as themselves. */
export function percentEncode(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => {
    const character = String.fromCharCode(byte);
    return /[\w.~-]/.test(character) ? character : `%${byte.toString(16).padStart(2, '0').toUpperCase()}`;
  }).join('');
}
