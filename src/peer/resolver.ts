/** Stage 3, before there is metadata: addresses → info dictionary (BEP 9). */
import createDebug from 'debug';
import { formatAddress, type PeerAddress } from '../common/address.js';
import type { AddressPool } from './address-pool.js';
import { DialPace } from './dial-pace.js';
import type { ExtensionHandshake } from './extension/handshake.js';
import type { Extension } from './extension/link.js';
import { MetadataAssembler, type MetadataProgress } from './extension/metadata-assembler.js';
import { encodeMetadataRequest, METADATA_EXTENSION } from './extension/metadata.js';
import { clientName, type Handshake } from './handshake.js';
import type { IncomingPeer } from './listener.js';
import type { PeerNews } from './peer-news.js';
import { ResolvingConnection, type HandedOver, type ResolvingSwarm } from './resolving-connection.js';
import { hasPlaceFor } from './places.js';
import { acceptTcp, addressOf, dialTcp } from './transport.js';
import { dialAddressOf, isConnectedTo, replaces, twinOf } from './twins.js';

const log = createDebug('torrent-dl:peer');

const TICK_MS = 100;
const NEED_PEERS_MS = 5000;
const TURNOVER_MS = 2000;
/** With all places taken, a peer keeps its own for so long without metadata to offer, or without sending any. */
const USELESS_AFTER_MS = 10_000;
const STALLED_AFTER_MS = 30_000;

export interface MetadataResolverOptions {
  readonly infoHash: Uint8Array;
  readonly peerId: Uint8Array;
  readonly pool: AddressPool;
  /** Our listening port, for the extension handshake. */
  readonly port: number;
  readonly clientName: string;
  readonly maxPeers: number;
  /** The UDP port of our DHT node, if we have one. */
  readonly dhtPort?: number | undefined;
  /** What we understand beside metadata, such as `ut_pex`. */
  readonly extensions?: readonly Extension[];
  readonly signal?: AbortSignal;
  /** All known addresses are in use or waiting, and there is room for more. */
  readonly onNeedPeers: () => void;
  /** A DHT node of a peer (BEP 5). */
  readonly onDhtNode?: (address: PeerAddress) => void;
  /** Missing when nobody wants to know. */
  readonly onPeer?: ((news: PeerNews) => void) | undefined;
  /** This peer sent wrong metadata. */
  readonly onBanned: (address: PeerAddress) => void;
}

/**
 * Fetches the info dictionary of an info hash from the peers of its swarm. Its connections are not lost when it is done:
 * `release()` gives them to a `PeerManager`.
 */
export class MetadataResolver implements ResolvingSwarm, AsyncDisposable {
  /** The info dictionary's bytes, verified. Rejects when it is aborted or closed before. */
  readonly done: Promise<Uint8Array>;
  readonly infoHash: Uint8Array;
  readonly peerId: Uint8Array;
  readonly port: number;
  readonly clientName: string;
  readonly dhtPort: number | undefined;
  readonly extensions: readonly Extension[];
  readonly pool: AddressPool;
  readonly connections = new Set<ResolvingConnection>();
  readonly #options: MetadataResolverOptions;
  readonly #assembler: MetadataAssembler;
  readonly #pace: DialPace;
  readonly #timer: NodeJS.Timeout;
  #nextId = 1;
  #lastTickAt: number;
  #needPeersAt = 0;
  #turnoverAt = 0;
  #isClosed = false;
  #resolve!: (metadata: Uint8Array) => void;
  #reject!: (error: unknown) => void;

  constructor(options: MetadataResolverOptions) {
    const { infoHash, signal } = options;
    this.#options = options;
    this.infoHash = infoHash;
    this.peerId = options.peerId;
    this.port = options.port;
    this.clientName = options.clientName;
    this.dhtPort = options.dhtPort;
    this.extensions = options.extensions ?? [];
    this.pool = options.pool;
    this.#lastTickAt = performance.now();
    this.#pace = new DialPace(this.#lastTickAt);
    this.#assembler = new MetadataAssembler(infoHash, (ids) => this.#ban(ids));
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.done.catch(() => undefined); // nobody has to wait for it
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    signal?.addEventListener('abort', this.#onAbort, { once: true });
    if (signal?.aborted) this.#onAbort();
  }

  /** Peers that speak to us, and among them those that offer metadata. */
  get openCount(): number {
    return [...this.connections].filter((connection) => connection.isOpen).length;
  }

  get offers(): number {
    return this.#assembler.offers;
  }

  /** How much of the metadata is here; undefined until some of it was asked for. */
  get progress(): MetadataProgress | undefined {
    return this.#assembler.progress;
  }

  /** Takes addresses in; dials some at once. */
  add(addresses: readonly PeerAddress[], source: string): void {
    if (this.#isClosed) return;
    this.pool.add(addresses, source);
    this.#dial(performance.now());
  }

  /** Takes over a peer that dialled us. */
  accept({ socket, received }: IncomingPeer): void {
    const address = addressOf(socket);
    const places = { maxPeers: this.#options.maxPeers, mayDial: true }; // whom, is still to be found
    const isWelcome = hasPlaceFor(address.host, this.connections, places) && !this.pool.isBanned(address);
    if (this.#isClosed || !isWelcome) {
      socket.destroy();
      return;
    }
    const connection = this.#create();
    connection.attach(acceptTcp(socket, connection));
    connection.onBytes(received, received.length);
  }

  /** Gives all connections away, those too that are being made, and ends. For `PeerManager.adopt`. */
  release(): HandedOver[] {
    const released = [...this.connections].map((connection) => connection.release());
    this.connections.clear();
    this.#end();
    return released;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#end();
    for (const connection of [...this.connections]) connection.close('we are leaving');
    return Promise.resolve();
  }

  readonly #onAbort = (): void => {
    this.#reject(this.#options.signal?.reason);
    void this[Symbol.asyncDispose]();
  };

  #end(): void {
    this.#isClosed = true;
    clearInterval(this.#timer);
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    this.#reject(new DOMException('the search for metadata was stopped', 'AbortError'));
  }

  // ── From the connections (ResolvingSwarm) ─────────────────────────────────────────────────────────────────────────

  onHandshake(connection: ResolvingConnection, { peerId }: Handshake): string | undefined {
    if (Buffer.compare(peerId, this.peerId) === 0) {
      if (!connection.transport.isIncoming) this.pool.markSelf(connection.address);
      return 'that is ourselves';
    }
    const key = Buffer.from(peerId).toString('latin1');
    const twin = twinOf(connection, key, this.connections);
    if (twin) {
      if (!replaces(connection, twin, { ours: this.peerId, theirs: peerId }, this.#lastTickAt))
        return 'connected already';
      twin.close('the same peer has dialled us');
    }
    connection.peerIdKey = key;
    const { address, transport } = connection;
    this.#options.onPeer?.({
      event: 'connect',
      address,
      isIncoming: transport.isIncoming,
      client: clientName(peerId),
    });
    if (!connection.transport.isIncoming) {
      this.pool.connected(connection.address);
      this.#pace.succeeded();
      this.#dial(this.#lastTickAt);
    }
    return undefined;
  }

  onExtensions(connection: ResolvingConnection, { port, metadataSize, messageIds }: ExtensionHandshake): void {
    if (port !== undefined && connection.transport.isIncoming) this.#listensAt(connection, port);
    if (metadataSize === undefined || !messageIds.has(METADATA_EXTENSION)) {
      this.#assembler.remove(connection.id);
      return;
    }
    this.#assembler.offer(connection.id, metadataSize, performance.now());
    this.#request(connection, performance.now());
  }

  onMetadata(connection: ResolvingConnection, payload: Uint8Array): void {
    const now = performance.now();
    const isNews = this.#assembler.onMessage(connection.id, payload, now);
    if (isNews) {
      connection.usefulAtMs = now;
      connection.isUseful = true;
    }
    const { metadata } = this.#assembler;
    if (metadata) this.#resolve(metadata);
    else this.#request(connection, now);
  }

  onDhtPort(connection: ResolvingConnection, port: number): void {
    if (port > 0) this.#options.onDhtNode?.({ host: connection.address.host, port });
  }

  onClose(connection: ResolvingConnection, reason: string): void {
    if (!this.connections.delete(connection)) return;
    this.#assembler.remove(connection.id);
    if (connection.peerIdKey !== '' && !this.#isClosed) {
      this.#options.onPeer?.({ event: 'disconnect', address: connection.address, reason });
    }
    const address = dialAddressOf(connection);
    if (!address || isConnectedTo(address, this.connections)) return;
    const now = performance.now();
    if (connection.peerIdKey === '') this.pool.failed(address, now, reason);
    else this.pool.disconnected(address, now, { wasUseful: connection.isUseful });
  }

  #listensAt(connection: ResolvingConnection, port: number): void {
    const address = { host: connection.address.host, port };
    this.pool.add([address], 'peer');
    this.pool.connected(address);
    connection.listensAt = address;
  }

  #ban(ids: readonly number[]): void {
    for (const connection of [...this.connections]) {
      if (!ids.includes(connection.id)) continue;
      log('banned %s: wrong metadata', formatAddress(connection.address));
      this.pool.ban(connection.address);
      this.#options.onBanned(connection.address);
      connection.close('it sent wrong metadata');
    }
  }

  // ── Dialling, asking, turnover ────────────────────────────────────────────────────────────────────────────────────

  #create(): ResolvingConnection {
    const connection = new ResolvingConnection(this.#nextId++, this, performance.now());
    this.connections.add(connection);
    return connection;
  }

  #dial(now: number): void {
    let halfOpen = 0;
    for (const connection of this.connections) if (!connection.isOpen) halfOpen++;
    while (this.connections.size < this.#options.maxPeers && this.#pace.mayDial(halfOpen)) {
      const address = this.pool.next(now);
      if (!address) return;
      halfOpen++;
      this.#pace.dialled();
      const connection = this.#create();
      connection.attach(dialTcp(address, connection));
    }
  }

  #request(connection: ResolvingConnection, now: number): void {
    for (const piece of this.#assembler.request(connection.id, now)) {
      connection.sendExtended(METADATA_EXTENSION, encodeMetadataRequest(piece));
    }
  }

  #tick(): void {
    const now = performance.now();
    this.#lastTickAt = now;
    this.#pace.tick(now);
    for (const connection of [...this.connections]) connection.tick(now);
    if (this.#assembler.metadata) return; // the connections wait for whoever takes them over
    this.#assembler.tick(now);
    for (const connection of this.connections) this.#request(connection, now);
    if (now >= this.#turnoverAt) this.#turnOver(now);
    this.#dial(now);
    const isShort = this.connections.size < this.#options.maxPeers && this.pool.nextDueAt > now;
    if (isShort && now >= this.#needPeersAt) {
      this.#needPeersAt = now + NEED_PEERS_MS;
      this.#options.onNeedPeers();
    }
  }

  /** With all places taken, those who are of no use for long make room for addresses that are due. */
  #turnOver(now: number): void {
    this.#turnoverAt = now + TURNOVER_MS;
    if (this.connections.size < this.#options.maxPeers || this.pool.nextDueAt > now) return;
    for (const connection of [...this.connections]) {
      const most = this.#assembler.isOffering(connection.id) ? STALLED_AFTER_MS : USELESS_AFTER_MS;
      if (connection.isOpen && now - connection.usefulAtMs > most) connection.close('it has no metadata');
    }
  }
}
