import { formatAddress, type PeerAddress } from '../common/address.js';
import { BencodeDictionary, BencodeError, decode } from '../common/bencode.js';
import { COMPACT_LENGTH, readCompactPeers } from '../common/compact.js';
import { TrackerError } from '../common/errors.js';
import { canonicalIp, ipOfBytes, isUnicast } from '../common/ip.js';
import { escapeControl } from '../common/text.js';
import type { AnnounceReply } from './announce.js';
import type { ScrapeCounts } from './scrape.js';

/** Addresses taken from one answer; we ask for 200. */
export const MAX_PEERS = 2000;
const MAX_TEXT_LENGTH = 200;
const MAX_TRACKER_ID_LENGTH = 512;

/** In seconds: what an interval is held within, and what stands in for a missing one. */
const INTERVAL = { least: 60, most: 3600, usual: 1800 };
/** A tracker may allow more than one announce a minute, but none more than six. */
const MIN_INTERVAL = { least: 10, usual: 60 };
const MAX_RETRY_SECONDS = 86_400;

/**
 * Reads a tracker's answer: peers compact (BEP 23, BEP 7) or as dictionaries (BEP 3); those that cannot be reached are
 * left out, and those that come twice.
 * @throws {TrackerError} when it is malformed or says why the tracker refuses (with `retry in`, BEP 31)
 */
export function parseAnnounceReply(bytes: Uint8Array): AnnounceReply {
  if (bytes.length === 0) throw malformed('the answer is empty');
  const reply = decodeReply(bytes);
  if (!reply) throw malformed(looksLikeHtml(bytes) ? 'the answer is HTML' : 'the answer is not a bencoded dictionary');
  const failure = failureOf(reply);
  if (failure) throw failure;
  const trackerId = reply.get('tracker id');
  return {
    peers: readPeers(reply),
    ...boundIntervals(numberOf(reply.get('interval')), numberOf(reply.get('min interval'))),
    complete: countOf(reply.get('complete')),
    incomplete: countOf(reply.get('incomplete')),
    trackerId: isBytes(trackerId) && trackerId.length <= MAX_TRACKER_ID_LENGTH ? trackerId.slice() : undefined,
    warning: readText(reply.get('warning message')),
    externalIp: externalIpOf(reply.get('external ip')),
  };
}

/**
 * The `files` of a scrape (BEP 48), one for each info hash asked for; undefined where the tracker knows nothing.
 * @throws {TrackerError} when the answer is malformed or a refusal
 */
export function parseScrapeReply(bytes: Uint8Array, infoHashes: readonly Uint8Array[]): (ScrapeCounts | undefined)[] {
  const reply = decodeReply(bytes);
  const files = reply?.get('files');
  const failure = reply && failureOf(reply);
  if (failure) throw failure;
  if (!(files instanceof BencodeDictionary)) throw malformed('the answer to "scrape" has no dictionary "files"');
  return infoHashes.map((infoHash) => {
    const file = files.get(Buffer.from(infoHash).toString('latin1'));
    if (!(file instanceof BencodeDictionary)) return undefined;
    const count = (key: string): number => countOf(file.get(key)) ?? 0;
    return { complete: count('complete'), downloaded: count('downloaded'), incomplete: count('incomplete') };
  });
}

/** Why the tracker refuses, if these bytes say so. */
export function parseFailure(bytes: Uint8Array): TrackerError | undefined {
  const reply = decodeReply(bytes);
  return reply && failureOf(reply);
}

function decodeReply(bytes: Uint8Array): BencodeDictionary | undefined {
  try {
    const { value } = decode(bytes); // what follows the dictionary does no harm: some add a line's end
    return value instanceof BencodeDictionary ? value : undefined;
  } catch (error) {
    if (error instanceof BencodeError) return undefined;
    throw error;
  }
}

function failureOf(reply: BencodeDictionary): TrackerError | undefined {
  const reason = reply.get('failure reason');
  if (reason === undefined) return undefined;
  const text = readText(reason) ?? 'no reason given';
  return new TrackerError('ERR_TRACKER_REFUSED', `refused: ${text}`, {
    retryInSeconds: retryIn(reply.get('retry in')),
  });
}

/** BEP 31: minutes, or `never`. */
function retryIn(value: unknown): number | undefined {
  const text = isBytes(value) ? readText(value) : undefined;
  if (text === 'never') return Infinity;
  const minutes = text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : numberOf(value);
  return minutes === undefined || minutes < 0 ? undefined : Math.min(minutes * 60, MAX_RETRY_SECONDS);
}

/** Intervals as we keep them, in ms, from those that the tracker states, in seconds: anything that is not positive is none. */
export function boundIntervals(
  interval: number | undefined,
  minInterval?: number,
): { intervalMs: number; minIntervalMs: number } {
  const stated = positive(interval);
  const kept = Math.min(Math.max(stated ?? INTERVAL.usual, INTERVAL.least), INTERVAL.most);
  const least = positive(minInterval) ?? Math.min(stated ?? Infinity, MIN_INTERVAL.usual);
  const keptLeast = Math.min(Math.max(least, MIN_INTERVAL.least), kept);
  return { intervalMs: kept * 1000, minIntervalMs: keptLeast * 1000 };
}

function readPeers(reply: BencodeDictionary): PeerAddress[] {
  return uniquePeers([...peersOf(reply.get('peers')), ...compactOf(reply.get('peers6'), 'ipv6', 'peers6')]);
}

/** Each address once, and not more than some thousand. */
export function uniquePeers(addresses: readonly PeerAddress[]): PeerAddress[] {
  const unique = new Map(addresses.map((address) => [formatAddress(address), address]));
  return [...unique.values()].slice(0, MAX_PEERS);
}

function peersOf(value: unknown): PeerAddress[] {
  if (!Array.isArray(value)) return compactOf(value, 'ipv4', 'peers');
  return value
    .slice(0, MAX_PEERS)
    .flatMap((entry: unknown) => (entry instanceof BencodeDictionary ? addressOf(entry) : []));
}

/** A peer as a dictionary: one that is not an address and a port is left out; host names, too, for they cost look-ups. */
function addressOf(entry: BencodeDictionary): PeerAddress | [] {
  const ip = entry.get('ip');
  const port = numberOf(entry.get('port')) ?? 0;
  const host = isBytes(ip) && ip.length <= 45 ? canonicalIp(Buffer.from(ip).toString('latin1')) : undefined;
  if (host === undefined || !isUnicast(host) || port < 1 || port > 65_535) return [];
  return { host, port };
}

function compactOf(value: unknown, family: 'ipv4' | 'ipv6', key: string): PeerAddress[] {
  if (value === undefined) return [];
  const length = COMPACT_LENGTH[family];
  if (!isBytes(value)) throw malformed(`"${key}" is neither a string nor a list`);
  if (value.length % length !== 0) throw malformed(`the length of "${key}" is not a multiple of ${length}`);
  return readCompactPeers(value.subarray(0, MAX_PEERS * length), family);
}

function externalIpOf(value: unknown): string | undefined {
  return isBytes(value) && (value.length === 4 || value.length === 16) ? ipOfBytes(value) : undefined;
}

function isBytes(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array;
}

/** An integer as a number, rounded where it is huge. */
function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' || typeof value === 'bigint' ? Number(value) : undefined;
}

function positive(number: number | undefined): number | undefined {
  return number !== undefined && number > 0 ? number : undefined;
}

function countOf(value: unknown): number | undefined {
  const number = numberOf(value);
  return number !== undefined && number >= 0 && number <= Number.MAX_SAFE_INTEGER ? number : undefined;
}

/** Foreign text, cut short and fit for a terminal; undefined when there is none. */
export function readText(value: unknown): string | undefined {
  if (!isBytes(value)) return undefined;
  const text = Buffer.from(value.subarray(0, 4 * MAX_TEXT_LENGTH))
    .toString('utf8')
    .trim()
    .slice(0, MAX_TEXT_LENGTH);
  return text === '' ? undefined : escapeControl(text);
}

function looksLikeHtml(bytes: Uint8Array): boolean {
  return /^\s*<(?:!doctype|html|head|body|\?xml)/i.test(Buffer.from(bytes.subarray(0, 100)).toString('latin1'));
}

function malformed(reason: string): TrackerError {
  return new TrackerError('ERR_TRACKER_MALFORMED', reason);
}
