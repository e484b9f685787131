/** The datagrams of local service discovery (BEP 14): `BT-SEARCH` in the manner of HTTP over multicast. */
import { bug } from '../common/errors.js';

/** What fits a network packet for sure (BEP 14), bytes. */
const MOST_BYTES = 1400;
const LONGEST_COOKIE = 64;
const MOST_INFO_HASHES = 20;

const START_LINE = /^BT-SEARCH \* HTTP\/1\.\d$/i;
const HEADER = /^([!-9;-~]+):[ \t]*(.*)$/;

/** Somebody shares these torrents; where from is known by the datagram's sender. */
export interface LsdSearch {
  /** Where it listens for peers. */
  readonly port: number;
  /** 40 hex digits in lower case each; of a v2 torrent, the first 20 of its 32 bytes. */
  readonly infoHashes: readonly string[];
  /** Any text by which the sender knows his own datagrams again. */
  readonly cookie?: string;
}

/** A datagram for the multicast group `host` (`239.192.152.143:6771`); at most 20 info hashes fit. */
export function formatLsdSearch(host: string, { port, infoHashes, cookie }: LsdSearch): Uint8Array {
  if (infoHashes.length > MOST_INFO_HASHES) bug(`${infoHashes.length} info hashes in a datagram`);
  const lines = [
    'BT-SEARCH * HTTP/1.1',
    `Host: ${host}`,
    `Port: ${port}`,
    ...infoHashes.map((infoHash) => `Infohash: ${infoHash}`),
    ...(cookie === undefined ? [] : [`cookie: ${cookie}`]),
  ];
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n\r\n`, 'latin1');
}

/**
 * Reads a datagram, whatever its bytes are; undefined when it is no search, or one without a port or any info hash.
 * Unknown headers mean nothing, of one that comes twice the first counts, and what is no info hash is left out.
 */
export function parseLsdSearch(bytes: Uint8Array): LsdSearch | undefined {
  if (bytes.length > MOST_BYTES) return undefined;
  const [start = '', ...lines] = Buffer.from(bytes).toString('latin1').split(/\r?\n/);
  if (!START_LINE.test(start)) return undefined;
  const infoHashes = new Set<string>();
  let port: number | undefined;
  let cookie: string | undefined;
  for (const line of lines) {
    const [, name = '', value = ''] = HEADER.exec(line.trimEnd()) ?? [];
    switch (name.toLowerCase()) {
      case 'port':
        port ??= portOf(value);
        break;
      case 'infohash':
        if (/^[0-9a-f]{40}$/i.test(value) && infoHashes.size < MOST_INFO_HASHES) infoHashes.add(value.toLowerCase());
        break;
      case 'cookie':
        if (value.length <= LONGEST_COOKIE) cookie ??= value;
    }
  }
  if (port === undefined || infoHashes.size === 0) return undefined;
  return { port, infoHashes: [...infoHashes], ...(cookie !== undefined && { cookie }) };
}

function portOf(text: string): number | undefined {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  return port > 0 && port <= 65_535 ? port : undefined;
}
