import { COMPACT_LENGTH, readCompactPeers } from '../common/compact.js';
import { TrackerError } from '../common/errors.js';
import type { AnnounceReply, AnnounceRequest } from './announce.js';
import { MAX_PEERS, boundIntervals, readText, uniquePeers } from './response.js';
import type { ScrapeCounts } from './scrape.js';

/** What a packet is about (BEP 15). */
export const ACTION = { connect: 0, announce: 1, scrape: 2, error: 3 } as const;
export type Action = (typeof ACTION)[keyof typeof ACTION];

/** Info hashes in one scrape: that many fit a datagram. */
export const MAX_SCRAPED = 74;

const PROTOCOL_ID = 0x41727101980n;
const EVENTS = { completed: 1, started: 2, stopped: 3 } as const;
const ANNOUNCE_LENGTH = 98;
const ANNOUNCE_REPLY_LENGTH = 20;
const SCRAPE_LENGTH = 12;
/** BEP 41: an option of path and query. */
const URL_DATA = 2;
const MAX_OPTION_LENGTH = 255;

/** The first bytes of every answer; undefined when these cannot be one, however short they are. */
export function readHeader(bytes: Uint8Array): { action: number; transactionId: number } | undefined {
  if (bytes.length < 8 || bytes[0] !== 0 || bytes[1] !== 0 || bytes[2] !== 0 || bytes[3]! > ACTION.error)
    return undefined;
  const view = viewOf(bytes);
  return { action: view.getUint32(0), transactionId: view.getUint32(4) };
}

/** Asks for a connection id, 16 bytes. */
export function encodeConnect(transactionId: number): Uint8Array {
  return withHeader(16, PROTOCOL_ID, ACTION.connect, transactionId);
}

/** @throws {TrackerError} when it is too short */
export function readConnect(bytes: Uint8Array): bigint {
  if (bytes.length < 16) throw malformed('the answer to "connect" is too short');
  return viewOf(bytes).getBigUint64(8);
}

/**
 * Announces, in 98 bytes and the URL's path and query after them (BEP 41), where passkeys may stand:
 *
 *     0 connection id   8 action   12 transaction id   16 info hash   36 peer id   56 downloaded   64 left
 *     72 uploaded   80 event   84 our address: 0, as we come from it   88 key   92 numwant   96 port   98 options
 */
export function encodeAnnounce(connectionId: bigint, transactionId: number, request: AnnounceRequest): Uint8Array {
  const { infoHash, peerId, totals, event, key, numWant, port, url } = request;
  const options = encodeUrlData(url.pathname + url.search);
  const packet = withHeader(ANNOUNCE_LENGTH + options.length, connectionId, ACTION.announce, transactionId);
  const view = viewOf(packet);
  packet.set(infoHash, 16);
  packet.set(peerId, 36);
  view.setBigUint64(56, BigInt(totals.downloaded));
  view.setBigUint64(64, BigInt(totals.left));
  view.setBigUint64(72, BigInt(totals.uploaded));
  view.setUint32(80, event ? EVENTS[event] : 0);
  view.setUint32(88, parseInt(key, 16));
  view.setUint32(92, numWant);
  view.setUint16(96, port);
  packet.set(options, ANNOUNCE_LENGTH);
  return packet;
}

/** As many options as the text needs, each with its length in a byte. */
function encodeUrlData(text: string): Uint8Array {
  const data = Buffer.from(text, 'latin1'); // a URL's `href` is ASCII
  const options: Uint8Array[] = [];
  for (let at = 0; at < data.length; at += MAX_OPTION_LENGTH) {
    const part = data.subarray(at, at + MAX_OPTION_LENGTH);
    options.push(Uint8Array.of(URL_DATA, part.length), part);
  }
  return Buffer.concat(options);
}

/**
 * Reads the answer to an announce; its peers are of the family that it came over.
 * @throws {TrackerError} when its length cannot be
 */
export function readAnnounce(bytes: Uint8Array, family: 'ipv4' | 'ipv6'): AnnounceReply {
  const length = COMPACT_LENGTH[family];
  if (bytes.length < ANNOUNCE_REPLY_LENGTH) throw malformed('the answer to "announce" is too short');
  const peers = bytes.subarray(ANNOUNCE_REPLY_LENGTH);
  if (peers.length % length !== 0) throw malformed(`the length of the peers is not a multiple of ${length}`);
  const view = viewOf(bytes);
  return {
    peers: uniquePeers(readCompactPeers(peers.subarray(0, MAX_PEERS * length), family)),
    ...boundIntervals(view.getUint32(8)),
    incomplete: view.getUint32(12),
    complete: view.getUint32(16),
    trackerId: undefined,
    warning: undefined,
    externalIp: undefined,
  };
}

/** Asks for the counts of up to 74 torrents. */
export function encodeScrape(
  connectionId: bigint,
  transactionId: number,
  infoHashes: readonly Uint8Array[],
): Uint8Array {
  const packet = withHeader(16 + 20 * infoHashes.length, connectionId, ACTION.scrape, transactionId);
  infoHashes.forEach((infoHash, index) => {
    packet.set(infoHash, 16 + 20 * index);
  });
  return packet;
}

/** The counts of so many torrents, in the order of the question. @throws {TrackerError} when some are missing */
export function readScrape(bytes: Uint8Array, count: number): ScrapeCounts[] {
  if (bytes.length < 8 + SCRAPE_LENGTH * count) throw malformed('the answer to "scrape" is too short');
  const view = viewOf(bytes);
  return Array.from({ length: count }, (_, index) => {
    const at = 8 + SCRAPE_LENGTH * index;
    return {
      complete: view.getUint32(at),
      downloaded: view.getUint32(at + 4),
      incomplete: view.getUint32(at + 8),
    };
  });
}

/** Why the tracker refuses. */
export function readError(bytes: Uint8Array): TrackerError {
  const text = readText(bytes.subarray(8)) ?? 'no reason given';
  return new TrackerError('ERR_TRACKER_REFUSED', `refused: ${text}`);
}

function withHeader(length: number, connectionId: bigint, action: Action, transactionId: number): Uint8Array {
  const packet = new Uint8Array(length);
  const view = viewOf(packet);
  view.setBigUint64(0, connectionId);
  view.setUint32(8, action);
  view.setUint32(12, transactionId);
  return packet;
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}

function malformed(reason: string): TrackerError {
  return new TrackerError('ERR_TRACKER_MALFORMED', reason);
}
