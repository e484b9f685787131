/** Peers tell each other whom they are connected to (BEP 11, `ut_pex`). No I/O: bytes and times come in. */
import { formatAddress, type PeerAddress } from '../../common/address.js';
import { BencodeDictionary, decode, encode, type BencodeValue } from '../../common/bencode.js';
import { COMPACT_LENGTH, readCompactPeers } from '../../common/compact.js';
import { ProtocolError } from '../../common/errors.js';
import { bytesOfIp, canonicalIp, isLocalIp } from '../../common/ip.js';
import { isLoopback } from '../../common/url.js';

/** What is known of an added peer, in its byte of `added.f`. */
export const PEX_FLAG = { prefersEncryption: 0x01, isSeed: 0x02, supportsUtp: 0x04, isReachable: 0x10 } as const;

/** Entries added, and as many dropped, that a message may have; the first tells of all who are connected already. */
const MOST_ENTRIES = 50;
const MOST_ENTRIES_AT_FIRST = 200;
/** A message of 200 added and 200 dropped IPv6 peers has 7.5 KiB. */
const MOST_BYTES = 32_768;

/** BEP 11 wants a minute between messages. The first waits a moment, for whoever else is about to connect. */
const SEND_EVERY_MS = 60_000;
const FIRST_AFTER_MS = 1000;
/** With no news it is looked again after so long. */
const LOOK_AGAIN_MS = 1000;

/** Clocks differ, and so do clients. A message that comes sooner is ignored, and after so many the peer is flooding. */
const RECEIVE_EVERY_MS = 45_000;
const MOST_EARLY = 10;
/** Of one peer and in all; the pool of addresses has room for some thousands. */
const MOST_ACCEPTED = 1000;

type Family = keyof typeof COMPACT_LENGTH;

export interface PexPeer {
  readonly address: PeerAddress;
  /** Bits of `PEX_FLAG`; others may be set. */
  readonly flags: number;
}

export interface PexMessage {
  readonly added: readonly PexPeer[];
  readonly dropped: readonly PeerAddress[];
}

/** A peer that we are connected to, and can tell of. */
export interface ConnectedPeer {
  /** Where it can be dialled: where we dialled it, or the listening port that it told. */
  readonly address: PeerAddress;
  readonly isSeed: boolean;
  readonly supportsUtp?: boolean;
  readonly prefersEncryption?: boolean;
  /** We dialled it ourselves. */
  readonly isReachable?: boolean;
}

/**
 * Reads the payload of a `ut_pex` message, and no more than the first `most` entries of each kind. Leaves out addresses
 * that nobody can have: port 0, multicast. A missing list is an empty one, missing flags are 0.
 * @throws {ProtocolError} when it is not bencoded, a list is no string of whole entries, or it is far too long
 */
export function decodePex(payload: Uint8Array, most = MOST_ENTRIES): PexMessage {
  if (payload.length > MOST_BYTES) throw malformed(`has ${payload.length} bytes`);
  const message = dictionaryOf(payload);
  return { added: peersOf(message, 'added', most), dropped: peersOf(message, 'dropped', most).map(addressOf) };
}

/** The payload of a `ut_pex` message. Hosts that are no IP addresses are left out. */
export function encodePex(added: readonly PexPeer[], dropped: readonly PeerAddress[]): Uint8Array {
  const [ipv4, ipv6] = [
    added.filter(({ address }) => familyOf(address) === 'ipv4'),
    added.filter(({ address }) => familyOf(address) === 'ipv6'),
  ];
  return encode({
    added: compact(ipv4.map(addressOf)),
    'added.f': Uint8Array.from(ipv4, ({ flags }) => flags),
    added6: compact(ipv6.map(addressOf)),
    'added6.f': Uint8Array.from(ipv6, ({ flags }) => flags),
    dropped: compact(dropped.filter((address) => familyOf(address) === 'ipv4')),
    dropped6: compact(dropped.filter((address) => familyOf(address) === 'ipv6')),
  });
}

/** What one peer was told so far, and what it is told next. */
export class PexGossip {
  readonly #told = new Map<string, PeerAddress>();
  #nextAt: number;

  /** `nowMs` is when the peer said that it understands `ut_pex`. */
  constructor(nowMs: number) {
    this.#nextAt = nowMs + FIRST_AFTER_MS;
  }

  /** Whether `diff` may have something to say; costs nothing. */
  isDue(nowMs: number): boolean {
    return nowMs >= this.#nextAt;
  }

  /**
   * The payload that brings the peer up to date with `current` (by any key that stays the same), or undefined when it is
   * too early or there is no news. At most 50 peers added and 50 dropped; the rest comes a minute later. Nobody is told
   * of himself, nor of addresses in networks that he is not in.
   */
  diff(
    current: ReadonlyMap<string, ConnectedPeer>,
    nowMs: number,
    to: { readonly address: PeerAddress; readonly listensAt?: PeerAddress | undefined },
  ): Uint8Array | undefined {
    if (!this.isDue(nowMs)) return undefined;
    const itself = formatAddress(to.listensAt ?? to.address);
    const added: PexPeer[] = [];
    for (const [key, peer] of current) {
      if (added.length === MOST_ENTRIES) break;
      const { address } = peer;
      if (this.#told.has(key) || formatAddress(address) === itself) continue;
      if (!mayTell(address.host, to.address.host)) continue;
      this.#told.set(key, address);
      added.push({ address, flags: flagsOf(peer) });
    }
    const dropped = [...this.#told].filter(([key]) => !current.has(key)).slice(0, MOST_ENTRIES);
    for (const [key] of dropped) this.#told.delete(key);
    const isNews = added.length > 0 || dropped.length > 0; // µTorrent takes a message without any for an error
    this.#nextAt = nowMs + (isNews ? SEND_EVERY_MS : LOOK_AGAIN_MS);
    return isNews
      ? encodePex(
          added,
          dropped.map(([, address]) => address),
        )
      : undefined;
  }
}

/** What one peer tells us, as far as it may. */
export class PexInbox {
  readonly #host: string;
  #acceptedAt = -Infinity;
  #early = 0;
  #accepted = 0;

  /** `host` is the peer's own IP address. */
  constructor(host: string) {
    this.#host = host;
  }

  /**
   * The peers that a message adds; none when it comes too soon after another. At most 1000 from one peer, and no
   * addresses of networks that the peer is not in, lest strangers have us dial our own machines.
   * @throws {ProtocolError} when it is malformed, or one of a flood
   */
  receive(payload: Uint8Array, nowMs: number): readonly PexPeer[] {
    if (nowMs - this.#acceptedAt < RECEIVE_EVERY_MS) {
      if (++this.#early > MOST_EARLY) throw new ProtocolError('ERR_PEX', 'a flood of peer exchange messages');
      return [];
    }
    const { added } = decodePex(payload, this.#acceptedAt < 0 ? MOST_ENTRIES_AT_FIRST : MOST_ENTRIES);
    const usable = added
      .filter(({ address }) => mayTell(address.host, this.#host))
      .slice(0, MOST_ACCEPTED - this.#accepted);
    this.#accepted += usable.length;
    this.#acceptedAt = nowMs;
    this.#early = 0;
    return usable;
  }
}

function dictionaryOf(payload: Uint8Array): BencodeDictionary {
  let value: BencodeValue;
  try {
    ({ value } = decode(payload));
  } catch (error) {
    throw malformed('is not bencoded', error);
  }
  if (value instanceof BencodeDictionary) return value;
  throw malformed('is no dictionary');
}

/** Both families' entries, at most `most` in all; when there are more, neither crowds out the other. */
function peersOf(message: BencodeDictionary, key: 'added' | 'dropped', most: number): PexPeer[] {
  const ipv6 = entriesOf(message, `${key}6`, 'ipv6', most);
  const ipv4 = entriesOf(message, key, 'ipv4', most - Math.min(ipv6.length, most / 2));
  return [...ipv4, ...ipv6].slice(0, most);
}

function entriesOf(message: BencodeDictionary, key: string, family: Family, most: number): PexPeer[] {
  const bytes = bytesOf(message, key);
  const flags = message.get(`${key}.f`);
  const length = COMPACT_LENGTH[family];
  if (bytes.length % length !== 0) throw malformed(`has "${key}" with ${bytes.length} bytes`);
  return Array.from({ length: Math.min(bytes.length / length, most) }, (_, index) =>
    readCompactPeers(bytes.subarray(index * length, (index + 1) * length), family).map((address) => ({
      address,
      flags: flags instanceof Uint8Array ? (flags[index] ?? 0) : 0,
    })),
  ).flat();
}

function bytesOf(message: BencodeDictionary, key: string): Uint8Array {
  const value = message.get(key) ?? new Uint8Array();
  if (value instanceof Uint8Array) return value;
  throw malformed(`has "${key}" that is no string`);
}

function malformed(what: string, cause?: unknown): ProtocolError {
  return new ProtocolError('ERR_PEX', `a peer exchange message ${what}`, { cause });
}

function flagsOf({ isSeed, supportsUtp, prefersEncryption, isReachable }: ConnectedPeer): number {
  return (
    (isSeed ? PEX_FLAG.isSeed : 0) |
    (supportsUtp ? PEX_FLAG.supportsUtp : 0) |
    (prefersEncryption ? PEX_FLAG.prefersEncryption : 0) |
    (isReachable ? PEX_FLAG.isReachable : 0)
  );
}

/** Whether an address means something to the other end: those of this machine here only, local ones in local networks. */
function mayTell(host: string, otherEnd: string): boolean {
  return closeness(host) <= closeness(otherEnd);
}

function closeness(host: string): number {
  const ip = canonicalIp(host) ?? host;
  if (isLoopback(ip)) return 2;
  return isLocalIp(ip) ? 1 : 0;
}

function addressOf({ address }: { readonly address: PeerAddress }): PeerAddress {
  return address;
}

function familyOf({ host }: PeerAddress): Family | undefined {
  const ip = canonicalIp(host);
  if (ip === undefined) return undefined;
  return ip.includes(':') ? 'ipv6' : 'ipv4';
}

/** Addresses of one family as `readCompactPeers` reads them. */
function compact(addresses: readonly PeerAddress[]): Uint8Array {
  return Uint8Array.from(
    addresses.flatMap(({ host, port }) => [...(bytesOfIp(host) ?? []), (port >> 8) & 0xff, port & 0xff]),
  );
}
