/** Magnet links (BEP 9, 53): what names a torrent, and where its info dictionary may be had. */
import { decode, encode, type BencodeDictionary } from '../common/bencode.js';
import { MetainfoError } from '../common/errors.js';
import { canonicalIp } from '../common/ip.js';
import { decodeUtf8, escapeControl, quote } from '../common/text.js';
import type { Metainfo } from './metainfo.js';
import { readTrackers, readWebSeeds } from './urls.js';
import { Warnings } from './warnings.js';

/** A peer that a link names. The host is an IP address in its one spelling, or a name that is not looked up yet. */
export interface MagnetPeer {
  readonly host: string;
  readonly port: number;
}

/** Indexes of files, both included, from 0. */
export interface IndexRange {
  readonly first: number;
  readonly last: number;
}

/** What a magnet link says, checked. */
export interface Magnet {
  /** SHA-1 of the info dictionary, 20 bytes. */
  readonly infoHash: Uint8Array;
  /** What to call it until its metadata is here (`dn`); fit for a terminal, not for a path. */
  readonly name?: string;
  /** Announce URLs (`tr`), each a tier of its own. */
  readonly trackers: readonly (readonly string[])[];
  /** `x.pe` */
  readonly peers: readonly MagnetPeer[];
  /** `ws` */
  readonly webSeeds: readonly string[];
  /** The files that are wanted (`so`, BEP 53), as they were listed; missing when that is all of them. */
  readonly selectOnly?: readonly IndexRange[];
  /** What was odd but tolerated, a sentence each. */
  readonly warnings: readonly string[];
}

const MOST_LENGTH = 262_144;
const MOST_PARAMETERS = 4096;
const MOST_NAME = 255;
const MOST_PEERS = 200;
const MOST_RANGES = 10_000;
const MOST_INDEX = 2 ** 31 - 1;

const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
/** What begins an info hash of v2: it is a multihash, SHA-256 with 32 bytes (BEP 52). */
const SHA256_PREFIX = '1220';

/** Whether somebody meant this to be a magnet link. */
export function isMagnet(text: string): boolean {
  return /^\s*magnet:/i.test(text);
}

/**
 * Reads a magnet link. Links are typed, pasted and cut by hand, so what a download can do without is a warning when it
 * is wrong. `+` is a space in names only: no URL has a space, but many a passkey has a plus.
 * @throws {MetainfoError} when it is none, or names no v1 torrent, or several
 */
export function parseMagnet(text: string): Magnet {
  const parameters = parametersOf(text.trim());
  const valuesOf = (key: string): string[] => parameters.get(key) ?? [];
  const infoHash = infoHashOf(valuesOf('xt').map(textOf));
  const warnings = new Warnings();
  const name = valuesOf('dn').map(nameOf).find(Boolean);
  // As a torrent would say it, so that the same URLs are good.
  const torrent = decode(
    encode({ 'announce-list': valuesOf('tr').map((url) => [bytesOf(url)]), 'url-list': valuesOf('ws').map(bytesOf) }),
  ).value as BencodeDictionary;
  const selectOnly = rangesOf(valuesOf('so').map(textOf), warnings);
  return {
    infoHash,
    ...(name !== undefined && { name }),
    trackers: readTrackers(torrent, warnings),
    peers: peersOf(valuesOf('x.pe').map(textOf), warnings),
    webSeeds: readWebSeeds(torrent, 'url-list', warnings),
    ...(selectOnly && { selectOnly }),
    warnings: warnings.toList(),
  };
}

/** A bare info hash of v1 (40 hexadecimal digits, or 32 of base 32) as 20 bytes; undefined when `text` is none. */
export function parseInfoHash(text: string): Uint8Array | undefined {
  if (/^[0-9a-f]{40}$/i.test(text)) return Uint8Array.from(Buffer.from(text, 'hex'));
  return /^[a-z2-7]{32}$/i.test(text) ? ofBase32(text.toUpperCase()) : undefined;
}

/** The magnet link of a torrent: info hashes, name, trackers, web seeds. */
export function magnetOf(
  metainfo: Pick<Metainfo, 'infoHash' | 'infoHashV2' | 'name' | 'trackers' | 'webSeeds'>,
): string {
  const { infoHash, infoHashV2, name, trackers, webSeeds } = metainfo;
  const parameters = [
    `xt=urn:btih:${hexOf(infoHash)}`,
    ...(infoHashV2 ? [`xt=urn:btmh:${SHA256_PREFIX}${hexOf(infoHashV2)}`] : []),
    `dn=${escaped(name)}`,
    ...trackers.flat().map((url) => `tr=${escaped(url)}`),
    ...webSeeds.map((url) => `ws=${escaped(url)}`),
  ];
  return `magnet:?${parameters.join('&')}`;
}

// ── The link as a whole ─────────────────────────────────────────────────────────────────────────────────────────────

/** Escaped values by key, in their order. Keys are in lower case and without what numbers them (`tr.1`). */
function parametersOf(link: string): Map<string, string[]> {
  if (!isMagnet(link)) throw notValid('ERR_MAGNET', `${quote(link, 20)} does not begin with "magnet:?"`);
  if (link.length > MOST_LENGTH) throw notValid('ERR_MAGNET', `it is longer than ${MOST_LENGTH} characters`);
  const query = /^magnet:\/{0,2}\?([^#]*)/i.exec(link)?.[1];
  if (query === undefined) throw notValid('ERR_MAGNET', 'there is no "?" behind "magnet:"');
  const parameters = new Map<string, string[]>();
  for (const parameter of query.split('&', MOST_PARAMETERS)) {
    const equals = parameter.indexOf('=');
    if (equals < 1) continue;
    // A link that was copied out of the source of a web page has `&amp;` between its parameters.
    const key = textOf(parameter.slice(0, equals))
      .toLowerCase()
      .replace(/^amp;/, '')
      .replace(/\.\d+$/, '');
    const values = parameters.get(key);
    if (values) values.push(parameter.slice(equals + 1));
    else parameters.set(key, [parameter.slice(equals + 1)]);
  }
  return parameters;
}

/** The bytes of an escaped value. A `%` that begins no escape stands for itself. */
function bytesOf(value: string): Uint8Array {
  if (!value.includes('%')) return Buffer.from(value);
  return Buffer.concat(
    value
      .split(/((?:%[0-9a-f]{2})+)/i)
      .map((part, at) => (at % 2 === 1 ? Buffer.from(part.replaceAll('%', ''), 'hex') : Buffer.from(part))),
  );
}

function textOf(value: string): string {
  const bytes = bytesOf(value);
  return decodeUtf8(bytes) ?? Buffer.from(bytes).toString('utf8');
}

/** Lone surrogates, which no URI can have, become U+FFFD. */
function escaped(text: string): string {
  return encodeURIComponent(Buffer.from(text).toString());
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

function notValid(code: string, what: string): MetainfoError {
  return new MetainfoError(code, `not a valid magnet link: ${what}`);
}

// ── Its values ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** The one v1 torrent that the topics (`xt`) name; those of other networks are passed over. */
function infoHashOf(topics: readonly string[]): Uint8Array {
  const names = topics.flatMap((topic) => /^urn:btih:(.*)$/is.exec(topic)?.[1] ?? []);
  const found = new Map<string, Uint8Array>();
  for (const name of names) {
    const infoHash = parseInfoHash(name);
    if (infoHash) found.set(hexOf(infoHash), infoHash);
  }
  const [first] = found.values();
  if (first && found.size === 1) return first;
  if (first) throw notValid('ERR_MAGNET', `it names ${found.size} torrents`);
  if (names[0] !== undefined) {
    throw notValid('ERR_INFO_HASH', `${quote(names[0], 64)} is no info hash (40 hexadecimal digits, or 32 of base 32)`);
  }
  if (topics.some((topic) => /^urn:btmh:/i.test(topic))) {
    throw notValid('ERR_V2_ONLY', 'it is for BitTorrent v2 alone (BEP 52), which is not supported; ask for a hybrid');
  }
  throw notValid('ERR_INFO_HASH', 'it has no info hash ("xt=urn:btih:…")');
}

function ofBase32(digits: string): Uint8Array {
  const bytes = new Uint8Array(Math.floor((digits.length * 5) / 8));
  let [bits, count, at] = [0, 0, 0];
  for (const digit of digits) {
    bits = ((bits << 5) | BASE32.indexOf(digit)) & 0xfff; // no more than 7 bits are left over
    count += 5;
    if (count < 8) continue;
    count -= 8;
    bytes[at++] = bits >> count;
  }
  return bytes;
}

function nameOf(value: string): string {
  const text = escapeControl(textOf(value.replaceAll('+', ' '))).trim();
  return Array.from(text.slice(0, 2 * MOST_NAME))
    .slice(0, MOST_NAME)
    .join('');
}

function peersOf(values: readonly string[], warnings: Warnings): MagnetPeer[] {
  const peers = new Map<string, MagnetPeer>();
  for (const value of values) {
    const peer = peerOf(value.trim());
    if (!peer) warnings.add(`ignored peer: ${quote(value, 100)} is no "host:port"`, 'peers');
    else if (peers.size < MOST_PEERS) peers.set(`${peer.host} ${peer.port}`, peer);
    else warnings.add(`only the first ${MOST_PEERS} peers of the link are used`, 'peers beyond that');
  }
  return [...peers.values()];
}

function peerOf(text: string): MagnetPeer | undefined {
  const [, ipv6, name, digits] =
    /^(?:\[([0-9a-f:.]{2,45})\]|([a-z0-9_](?:[a-z0-9_.-]{0,252})?)):(\d{1,5})$/i.exec(text) ?? [];
  const port = Number(digits);
  if (digits === undefined || port < 1 || port > 65_535) return undefined;
  const host = ipv6 === undefined ? (canonicalIp(name!) ?? name!.toLowerCase()) : canonicalIp(ipv6);
  if (host === undefined || (/^[\d.]+$/.test(host) && canonicalIp(host) === undefined)) return undefined;
  return { host, port };
}

/** `0,2,4-8`. When nothing in it makes sense, that is as if it were missing. */
function rangesOf(values: readonly string[], warnings: Warnings): IndexRange[] | undefined {
  const parts = values.flatMap((value) => value.split(',', MOST_RANGES)).slice(0, MOST_RANGES);
  const ranges = parts.flatMap((part) => {
    const [, first, last = first] = /^\s*(\d{1,10})(?:-(\d{1,10}))?\s*$/.exec(part) ?? [];
    const range = { first: Number(first), last: Number(last) };
    if (first !== undefined && range.first <= range.last && range.last <= MOST_INDEX) return [range];
    warnings.add(`ignored: ${quote(part, 40)} does not say which files to select`, 'selections');
    return [];
  });
  return ranges.length > 0 ? ranges : undefined;
}
