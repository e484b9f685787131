/** Nodes by id and address, as they stand in messages (BEP 5, BEP 32), and who counts as one for a limit. */
import { formatAddress, type PeerAddress } from '../../common/address.js';
import { COMPACT_LENGTH } from '../../common/compact.js';
import { bytesOfIp, ipOfBytes, isLocalIp, isUnicast } from '../../common/ip.js';

export type Family = keyof typeof COMPACT_LENGTH;

export const ID_LENGTH = 20;

/** A node of the DHT: its id, 20 bytes, and where it listens. */
export interface Contact {
  readonly id: Uint8Array;
  readonly address: PeerAddress;
}

export function familyOf(host: string): Family {
  return host.includes(':') ? 'ipv6' : 'ipv4';
}

/** An address and a port, 6 or 18 bytes; undefined when the host is no IP address. */
export function compactAddress({ host, port }: PeerAddress): Uint8Array | undefined {
  const ip = bytesOfIp(host);
  return ip && Uint8Array.of(...ip, port >> 8, port & 0xff);
}

/** Compact node info: 26 bytes each for IPv4 (BEP 5), 38 for IPv6 (BEP 32). */
export function compactContacts(contacts: readonly Contact[]): Uint8Array {
  return Buffer.concat(contacts.flatMap(({ id, address }) => [id, compactAddress(address) ?? new Uint8Array()]));
}

/**
 * Reads compact node info, `most` of them at most; leaves out those that cannot be reached and what follows the last
 * whole one.
 */
export function readContacts(bytes: Uint8Array, family: Family, most: number): Contact[] {
  const length = ID_LENGTH + COMPACT_LENGTH[family];
  const contacts: Contact[] = [];
  for (let at = 0; at + length <= bytes.length && contacts.length < most; at += length) {
    const host = ipOfBytes(bytes.subarray(at + ID_LENGTH, at + length - 2));
    const port = (bytes[at + length - 2]! << 8) | bytes[at + length - 1]!;
    if (port === 0 || !isUnicast(host) || familyOf(host) !== family) continue;
    contacts.push({ id: bytes.slice(at, at + ID_LENGTH), address: { host, port } });
  }
  return contacts;
}

/** What `isLocalIp` said lately: it takes microseconds, and each answer names hosts that we have met before. */
const KNOWN_HOSTS = new Map<string, boolean>();
const MOST_KNOWN_HOSTS = 4096;

/** `isLocalIp`, faster for hosts that come again and again. */
export function isLocalHost(host: string): boolean {
  let isLocal = KNOWN_HOSTS.get(host);
  if (isLocal === undefined) {
    if (KNOWN_HOSTS.size >= MOST_KNOWN_HOSTS) KNOWN_HOSTS.clear();
    isLocal = isLocalIp(host);
    KNOWN_HOSTS.set(host, isLocal);
  }
  return isLocal;
}

/** The network that an address lies in, most likely in one hand: a /24 of IPv4, a /64 of IPv6. */
export function subnetOf(host: string): string {
  if (familyOf(host) === 'ipv4') return host.slice(0, host.lastIndexOf('.'));
  return Buffer.from(bytesOfIp(host)?.subarray(0, 8) ?? []).toString('hex');
}

/** Whom a limit is for: a host, a /64 of IPv6, and in the own network each program, for there many share a host. */
export function sourceOf(address: PeerAddress): string {
  if (isLocalHost(address.host)) return formatAddress(address);
  return familyOf(address.host) === 'ipv4' ? address.host : subnetOf(address.host);
}
