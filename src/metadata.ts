/** A magnet link → its `.torrent`, without downloading what that describes (BEP 9). */
import bencode from 'bencode';
import { randomBytes } from 'node:crypto';
import type { Notice } from './api.js';
import { formatAddress, type HostPort, type PeerAddress } from './common/address.js';
import { Closers } from './common/closers.js';
import { NoSourceError, UsageError } from './common/errors.js';
import { resolveHosts } from './common/lookup.js';
import { CLIENT } from './common/version.js';
import { openSources, type DiscoveryOptions } from './discovery.js';
import type { Magnet } from './metainfo/magnet.js';
import type { Metainfo } from './metainfo/metainfo.js';
import { isMagnetLink, readSource } from './metainfo/source.js';
import { AddressPool } from './peer/address-pool.js';
import { PeerExchange } from './peer/extension/exchange.js';
import { createPeerId } from './peer/handshake.js';
import { MetadataResolver } from './peer/resolver.js';
import { metainfoOf } from './resolve.js';
import { Session } from './session.js';
import { formatSeconds } from './stall.js';
import type { PeerSources } from './tracker/sources.js';

const DEFAULT_MAX_PEERS = 100;
/** What trackers are told to be left while the size is not known: as others do, one block. */
const TOTALS = { uploaded: 0, downloaded: 0, left: 16_384 };

export interface ResolveOptions extends DiscoveryOptions {
  /** TCP port for incoming peers. Default: a free one of 6881–6889, else any. */
  readonly port?: number | undefined;
  /** Connections at once. Default 100. */
  readonly maxPeers?: number | undefined;
  /** Peers to try beside those that are found. */
  readonly peers?: readonly HostPort[] | undefined;
  /** Give up after so long. Default: never. */
  readonly metadataTimeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onNotice?: ((notice: Notice) => void) | undefined;
}

export interface ResolvedMagnet {
  /** The bytes of a `.torrent`: the info dictionary as it came, with the link's trackers (BEP 12) and web seeds. */
  readonly torrent: Uint8Array;
  readonly metainfo: Metainfo;
}

/**
 * Asks peers for what a magnet link or a bare info hash stands for; closes all that it opened before it is done.
 * @throws {UsageError} when `source` is a torrent already, or a port cannot be had
 * @throws {MetainfoError} when the link or what it stands for is not valid
 * @throws {NoSourceError} when the time is over @throws the signal's reason
 */
export async function resolveMagnet(source: string | Magnet, options: ResolveOptions = {}): Promise<ResolvedMagnet> {
  const magnet = typeof source === 'string' ? await readSource(source, options.signal) : source;
  if (!isMagnetLink(magnet)) {
    throw new UsageError('ERR_NOT_A_MAGNET_LINK', 'that is a torrent already, and no magnet link or info hash');
  }
  for (const text of magnet.warnings) options.onNotice?.({ level: 'warning', text });
  const metainfo = metainfoOf(await fetchInfo(magnet, options), magnet);
  for (const text of metainfo.warnings) options.onNotice?.({ level: 'warning', text });
  return { torrent: torrentOf(metainfo), metainfo };
}

/** The verified bytes of the info dictionary. */
async function fetchInfo(magnet: Magnet, options: ResolveOptions): Promise<Uint8Array> {
  const { maxPeers = DEFAULT_MAX_PEERS, dht: wantsDht = true, pex = true, signal, metadataTimeoutMs } = options;
  const note = (level: Notice['level'], text: string): void => options.onNotice?.({ level, text });
  const stop = new AbortController();
  const pool = new AddressPool();
  const peerId = createPeerId(randomBytes);
  let sources = undefined as PeerSources | undefined;
  signal?.throwIfAborted();

  await using closers = new Closers();
  const session = closers.use(await Session.open(options));
  const { port } = session.listener;
  const dht = wantsDht ? await session.dht() : undefined;
  const exchange = new PeerExchange((addresses) => resolver.add(addresses, 'PEX'));
  const resolver: MetadataResolver = closers.use(
    new MetadataResolver({
      ...{ infoHash: magnet.infoHash, peerId, pool, port, maxPeers, clientName: CLIENT, signal: stop.signal },
      dhtPort: dht && (await session.udp())?.port,
      extensions: pex ? [exchange] : [],
      onNeedPeers: () => sources?.requestPeers(),
      onDhtNode: (address) => dht?.addNode(address),
      onBanned: (address) => note('warning', `banned ${formatAddress(address)}: it sent wrong data`),
    }),
  );
  const onAbort = (): void => stop.abort(signal?.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  closers.defer(() => signal?.removeEventListener('abort', onAbort));
  if (signal?.aborted) onAbort();
  const giveUp = (): void => stop.abort(noMetadata(metadataTimeoutMs!, resolver, sources));
  const timer = metadataTimeoutMs === undefined ? undefined : setTimeout(giveUp, metadataTimeoutMs);
  closers.defer(() => clearTimeout(timer));
  closers.defer(session.listener.serve(magnet.infoHash, (peer) => resolver.accept(peer)));
  const named = [...(options.peers ?? []), ...magnet.peers];
  const onLookupFailed = (text: string): void => note('warning', text);
  void resolveHosts(named, onLookupFailed).then((found) => resolver.add(found, 'user'));
  sources = await openSources(
    session,
    {
      ...{ infoHash: magnet.infoHash, peerId, trackers: magnet.trackers, isPrivate: false },
      port: () => port,
      totals: () => TOTALS,
      onPeers: (addresses: readonly PeerAddress[], from: string) => resolver.add(addresses, from),
      onSwitch: () => undefined, // private torrents have that, and nobody knows yet whether it is one
      onExternalIp: (host) => pool.markSelf({ host, port }),
      onNotice: (text) => note('info', text),
    },
    options,
  );
  closers.use(sources);
  return await resolver.done;
}

function noMetadata(timeoutMs: number, resolver: MetadataResolver, sources: PeerSources | undefined): NoSourceError {
  const { openCount, offers } = resolver;
  const isAsked = (sources?.status().length ?? 0) > 0;
  const who =
    offers > 0
      ? `${offers} peer(s) have it and did not send it`
      : openCount > 0
        ? `none of ${openCount} connected peers has it`
        : isAsked
          ? 'no peer could be reached'
          : 'there is nobody to ask for peers';
  const text = `no metadata for the magnet link within ${formatSeconds(timeoutMs)}: ${who}`;
  return new NoSourceError('ERR_NO_METADATA', text, sources?.failures() ?? []);
}

/** The info dictionary goes in byte for byte: encoded anew, it could have another info hash. */
function torrentOf({ infoBytes, trackers, webSeeds }: Metainfo): Uint8Array {
  const tiers = trackers.filter((tier) => tier.length > 0);
  const entries: [key: string, value: Uint8Array | undefined][] = [
    ['announce', tiers[0] && bencode.encode(tiers[0][0])],
    ['announce-list', tiers.flat().length > 1 ? bencode.encode(tiers) : undefined],
    ['info', infoBytes],
    ['url-list', webSeeds.length > 0 ? bencode.encode(webSeeds) : undefined],
  ];
  const parts = entries.flatMap(([key, value]) => (value ? [bencode.encode(key), value] : []));
  return Buffer.concat([Buffer.from('d'), ...parts, Buffer.from('e')]);
}
