/** Opens what finds peers for one torrent: stage 2 as its privacy and the user's options allow. */
import type { HostPort, PeerAddress } from './common/address.js';
import type { Session } from './session.js';
import { Announcer } from './tracker/announcer.js';
import { DhtSource } from './tracker/dht/dht-source.js';
import type { TransferTotals } from './tracker/source.js';
import type { PeerSources } from './tracker/sources.js';

export interface DiscoveryOptions {
  /** Announce URLs to ask before the torrent's own. */
  readonly trackers?: readonly string[];
  /** Whether the torrent's own trackers are asked. Default true. */
  readonly useTorrentTrackers?: boolean;
  /** The DHT (BEP 5). Default true; never for private torrents (BEP 27), like PEX and LSD. */
  readonly dht?: boolean;
  /** UDP port for the DHT and for UDP trackers. Default: the same number as the TCP port if it is free, else any. */
  readonly dhtPort?: number;
  /** Nodes to enter the DHT by. Default: the well-known public ones. */
  readonly dhtBootstrap?: readonly HostPort[];
  /** Peers tell of peers (BEP 11). Default true. */
  readonly pex?: boolean;
  /** Peers in the local network (BEP 14). Default true. */
  readonly lsd?: boolean;
  /** Where the DHT's table is kept between runs. Default: the user's cache folder. */
  readonly cacheFolder?: string;
}

/** The torrent to find peers for, and who hears of them. */
export interface Discovery {
  readonly infoHash: Uint8Array;
  readonly peerId: Uint8Array;
  /** The torrent's own trackers, by tier. */
  readonly trackers: readonly (readonly string[])[];
  /** Not known before the info dictionary is here; until then a torrent is taken to be public. */
  readonly isPrivate: boolean;
  readonly port: () => number;
  readonly totals: () => TransferTotals;
  /** `source` is fit for the user's eyes. */
  readonly onPeers: (addresses: readonly PeerAddress[], source: string) => void;
  /** A private torrent has another tracker: the peers of the one before are to be dropped. */
  readonly onSwitch: () => void;
  readonly onExternalIp: (ip: string) => void;
  readonly onNotice: (text: string) => void;
  /** Nodes of the DHT and the local network are not told of us. */
  readonly isQuiet?: boolean | undefined;
}

/** Begins to look for peers at once, by `sources`. @throws {UsageError} when the UDP port cannot be had */
export async function openSources(
  sources: PeerSources,
  session: Session,
  discovery: Discovery,
  options: DiscoveryOptions,
): Promise<void> {
  const { infoHash, isPrivate, port, onPeers, isQuiet = false } = discovery;
  const { trackers = [], useTorrentTrackers = true, dht = true, lsd = true } = options;
  const tiers = [...trackers.map((url) => [url]), ...(useTorrentTrackers ? discovery.trackers : [])];
  if (tiers.length > 0) {
    const needsUdp = tiers.flat().some((url) => /^udp:/i.test(url));
    const udp = needsUdp ? await session.udp() : undefined;
    sources.add(Announcer.open({ ...discovery, ...(udp && { udp }), tiers, chosen: trackers }));
  }
  if (isPrivate) return;
  const node = dht ? await session.dht() : undefined;
  if (node) sources.add(DhtSource.open(node, { infoHash, port: isQuiet ? () => 0 : port, onPeers }));
  if (lsd && !isQuiet) sources.add((await session.lsd()).find({ infoHash, port, onPeers }));
}
