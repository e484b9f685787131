/** Whom a download talks to: the ways of finding peers, the addresses found, and the connections to them. */
import type { Notice } from './api.js';
import { formatAddress, type HostPort, type PeerAddress } from './common/address.js';
import { Closers } from './common/closers.js';
import type { NoSourceError } from './common/errors.js';
import { resolveHosts } from './common/lookup.js';
import { CLIENT } from './common/version.js';
import { openSources, type DiscoveryOptions } from './discovery.js';
import type { Magnet } from './metainfo/magnet.js';
import type { Metainfo } from './metainfo/metainfo.js';
import { isMagnetLink } from './metainfo/source.js';
import { AddressPool } from './peer/address-pool.js';
import type { PeersDiagnosis } from './diagnosis.js';
import type { PeerConnection } from './peer/connection.js';
import { PeerExchange } from './peer/extension/exchange.js';
import { PeerManager, type PeerManagerOptions } from './peer/manager.js';
import type { PeerNews } from './peer/peer-news.js';
import { MetadataResolver } from './peer/resolver.js';
import type { Session } from './session.js';
import { noMetadataError, type Asked } from './stall.js';
import type { SourceStatus, TransferTotals } from './tracker/source.js';
import { PeerSources } from './tracker/sources.js';

const DEFAULT_MAX_PEERS = 100;
/** Who brought a block so lately is at it. */
const SENDING_MS = 10_000;

/** Those options of a download that are about peers. */
export interface SwarmOptions extends DiscoveryOptions {
  /** Connections at once. Default 100. */
  readonly maxPeers?: number | undefined;
  /** Peers to try beside those that are found. */
  readonly peers?: readonly HostPort[] | undefined;
  /** A connection was made or lost, a peer banned. */
  readonly onPeer?: ((news: PeerNews) => void) | undefined;
}

/** What a swarm needs of its download. */
export interface SwarmContext {
  readonly session: Session;
  readonly peerId: Uint8Array;
  readonly options: SwarmOptions;
  /** Aborts when the download ends. */
  readonly signal: AbortSignal;
  readonly totals: () => TransferTotals;
  readonly onNotice: (level: Notice['level'], text: string) => void;
  /** Others hear as little of us as can be; see `Discovery`. */
  readonly isQuiet?: boolean;
}

/** What connections exchange pieces with, once the info dictionary is here. */
export type Exchange = Pick<
  PeerManagerOptions,
  | 'metainfo'
  | 'have'
  | 'settled'
  | 'picker'
  | 'assembler'
  | 'reader'
  | 'onPayload'
  | 'onBlock'
  | 'onUploaded'
  | 'onReadError'
>;

/** Looks for peers and keeps connections to them: first for the info dictionary of a magnet link, then for pieces. */
export class Swarm implements AsyncDisposable {
  readonly #context: SwarmContext;
  readonly #closers = new Closers();
  readonly #exchange = new PeerExchange((addresses) => this.add(addresses, 'PEX'));
  readonly #port: number;
  #pool = new AddressPool();
  #sources: PeerSources | undefined;
  #resolver: MetadataResolver | undefined;
  #peers: PeerManager | undefined;
  #isRefilling = false;
  /** Who is connected, as far as `onPeer` was told. */
  readonly #told = new Set<string>();

  constructor(context: SwarmContext) {
    this.#context = context;
    this.#port = context.session.listener.port;
  }

  /** Those that exchange pieces; undefined before `open`. */
  get peers(): PeerManager | undefined {
    return this.#peers;
  }

  get connectedPeers(): number {
    return (this.#peers ?? this.#resolver)?.openCount ?? 0;
  }

  get knownPeers(): number {
    return this.#pool.known;
  }

  get bannedPeers(): number {
    return this.#pool.banned;
  }

  sources(): readonly SourceStatus[] {
    return this.#sources?.status() ?? [];
  }

  /** Why sources found nobody. */
  failures(): readonly Error[] {
    return this.#sources?.failures() ?? [];
  }

  /** Whom it has asked, and how many are there. */
  asked(): Asked {
    const { connectedPeers, knownPeers, bannedPeers } = this;
    return { connectedPeers, knownPeers, bannedPeers, sources: this.sources() };
  }

  /** Why the info dictionary of a magnet link is not here after `limitMs`. */
  noMetadata(limitMs: number): NoSourceError {
    const holders = this.#resolver?.offers ?? 0;
    return noMetadataError(limitMs, { stats: this.asked(), holders, failures: this.failures() });
  }

  /** `source` is fit for the user's eyes. */
  add(addresses: readonly PeerAddress[], source: string): void {
    const swarm = this.#peers ?? this.#resolver;
    if (swarm) swarm.add(addresses, source);
    else this.#pool.add(addresses, source);
  }

  /** Peers that the user or his link names. */
  async addNamed(peers: readonly HostPort[]): Promise<void> {
    const warn = (text: string): void => this.#context.onNotice('warning', text);
    this.add(await resolveHosts(peers, warn, this.#context.signal), 'user');
  }

  /** The info dictionary of a magnet link, out of peers (BEP 9). @throws the signal's reason */
  async fetchInfo({ infoHash, ...magnet }: Magnet): Promise<Uint8Array> {
    const { exchange, ...options } = await this.#connectionOptions(false);
    const resolver = new MetadataResolver({
      ...options,
      infoHash,
      pool: this.#pool,
      extensions: exchange ? [exchange] : [],
      signal: this.#context.signal,
    });
    this.#resolver = this.#closers.use(resolver);
    this.#closers.defer(this.#context.session.listener.serve(infoHash, (peer) => resolver.accept(peer)));
    await this.#openSources({ infoHash, ...magnet });
    resolver.add([], 'user'); // begins with those that are known
    return await resolver.done;
  }

  /** The torrent is private after all (BEP 27): whoever was found without its trackers is forgotten. */
  async leavePublic(): Promise<void> {
    await this.#sources?.[Symbol.asyncDispose]();
    await this.#resolver?.[Symbol.asyncDispose]();
    this.#sources = this.#resolver = undefined;
    this.#pool = new AddressPool();
    const { peers } = this.#context.options;
    if (peers) await this.addNamed(peers);
  }

  /** Looks for peers, unless that was begun to get the info dictionary, and exchanges pieces with them. */
  async open(exchange: Exchange): Promise<void> {
    // Trackers are asked first: their answers take longest. And when one half fails, the other is not left half open.
    const opening = [this.#openSources(exchange.metainfo), this.#openPeers(exchange)];
    await Promise.allSettled(opening);
    await Promise.all(opening);
  }

  /** Connects to those that are known, and goes on with those that gave the info dictionary. */
  async #openPeers(exchange: Exchange): Promise<void> {
    const { metainfo } = exchange;
    const options = await this.#connectionOptions(metainfo.isPrivate);
    const { downloadLimit, uploadLimit } = this.#context.session;
    const peers = new PeerManager({ ...options, ...exchange, downloadLimit, uploadLimit, pool: this.#pool });
    this.#peers = this.#closers.use(peers);
    this.#closers.defer(this.#context.session.listener.serve(metainfo.infoHash, (peer) => peers.accept(peer)));
    for (const peer of this.#resolver?.release() ?? []) peers.adopt(peer);
    peers.add([], 'user');
  }

  async #openSources(torrent: Magnet | Metainfo): Promise<void> {
    const { session, peerId, totals, onNotice, options, isQuiet } = this.#context;
    if (this.#sources) return;
    this.#sources = new PeerSources(); // at once: those that are open are closed when the next cannot be
    await openSources(
      this.#sources,
      session,
      {
        infoHash: torrent.infoHash,
        peerId,
        trackers: torrent.trackers,
        isPrivate: !isMagnetLink(torrent) && torrent.isPrivate,
        port: () => this.#port,
        totals,
        onPeers: (addresses, source) => this.add(addresses, source),
        onSwitch: () => this.#peers?.leaveSwarm(),
        onExternalIp: (host) => this.#pool.markSelf({ host, port: this.#port }),
        onNotice: (text) => onNotice('info', text),
        isQuiet,
      },
      options,
    );
  }

  /** Tells trackers that all of the torrent was fetched. */
  completed(): void {
    this.#sources?.completed();
  }

  /** There is room for a piece again, of which peers that wait learn from nobody else: one look at them for many pieces. */
  refill(): void {
    if (this.#isRefilling) return;
    this.#isRefilling = true;
    queueMicrotask(() => {
      this.#isRefilling = false;
      const now = performance.now();
      for (const peer of this.#peers?.connections ?? []) {
        if (peer.fetcher.requests.size === 0 && !peer.peerChoking) peer.tick(now);
      }
    });
  }

  /** What is known of the peers; `isHolder` tells who has what is missing. */
  diagnose(isHolder: (peer: PeerConnection) => boolean): PeersDiagnosis {
    const open = [...(this.#peers?.connections ?? [])].filter((peer) => peer.isOpen);
    const holders = open.filter(isHolder);
    const offers = this.#resolver && !this.#peers ? this.#resolver.offers : 0;
    const choking = holders.filter((peer) => peer.peerChoking).length;
    const sinceMs = performance.now() - SENDING_MS;
    const sends = ({ peerChoking, fetcher }: PeerConnection): boolean =>
      !peerChoking && fetcher.isUseful && fetcher.lastBlockAtMs > sinceMs;
    const sending = holders.filter(sends).length;
    return {
      known: this.knownPeers,
      banned: this.bannedPeers,
      connected: this.connectedPeers,
      lacking: this.connectedPeers - holders.length - offers,
      choking,
      sending,
      silent: holders.length - choking - sending + offers,
      unreached: this.#pool.outcomes(),
    };
  }

  /** First the sources: trackers hear of the end while peers are there. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#sources) this.#closers.use(this.#sources);
    await this.#closers[Symbol.asyncDispose]();
  }

  /** What connections are made with, before and after the info dictionary is here. */
  async #connectionOptions(isPrivate: boolean) {
    const { session, peerId, options } = this.#context;
    const { dht: wantsDht = true, pex = true, maxPeers = DEFAULT_MAX_PEERS } = options;
    const dht = wantsDht && !isPrivate ? await session.dht() : undefined;
    return {
      peerId,
      port: this.#port,
      clientName: CLIENT,
      maxPeers,
      dhtPort: dht && (await session.udp())?.port,
      exchange: pex && !isPrivate ? this.#exchange : undefined,
      onNeedPeers: () => this.#sources?.requestPeers(),
      onDhtNode: (address: PeerAddress) => dht?.addNode(address),
      onBanned: (address: PeerAddress) => this.#onBanned(address),
      onPeer: options.onPeer && ((news: PeerNews) => this.#onPeer(news)),
    };
  }

  #onBanned(address: PeerAddress): void {
    const reason = 'it sent wrong data';
    this.#context.onNotice('warning', `banned ${formatAddress(address)}: ${reason}`);
    this.#context.options.onPeer?.({ event: 'ban', address, reason });
  }

  /** Those who go on after the info dictionary came are connected once to the user. */
  #onPeer(news: PeerNews): void {
    const key = formatAddress(news.address);
    if (news.event === 'connect' && this.#told.has(key)) return;
    if (news.event === 'connect') this.#told.add(key);
    else this.#told.delete(key);
    this.#context.options.onPeer?.(news);
  }
}
