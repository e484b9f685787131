import type { PeerAddress } from './address.js';
import { ipOfBytes, isUnicast } from './ip.js';

/** Bytes of one compact peer: an address and a port, big-endian. */
export const COMPACT_LENGTH = { ipv4: 6, ipv6: 18 } as const;

/**
 * Compact peers, 6 bytes each for IPv4 (BEP 23) and 18 for IPv6 (BEP 7). Leaves out those that cannot be reached (port 0,
 * multicast, unspecified) and what follows the last whole entry.
 */
export function readCompactPeers(bytes: Uint8Array, family: 'ipv4' | 'ipv6'): PeerAddress[] {
  const length = COMPACT_LENGTH[family];
  const peers: PeerAddress[] = [];
  for (let end = length; end <= bytes.length; end += length) {
    const host = ipOfBytes(bytes.subarray(end - length, end - 2));
    const port = (bytes[end - 2]! << 8) | bytes[end - 1]!;
    if (port !== 0 && isUnicast(host)) peers.push({ host, port });
  }
  return peers;
}
