import createDebug from 'debug';
import { formatAddress, type PeerAddress } from '../common/address.js';
import type { Bitfield } from '../common/bitfield.js';
import type { Bucket } from '../common/bucket.js';
import type { Metainfo } from '../metainfo/metainfo.js';
import type { PieceAssembler } from '../piece/assembler.js';
import type { PiecePicker } from '../piece/picker.js';
import { AddressPool } from './address-pool.js';
import { Choker, slotsWithin } from './choker.js';
import { PeerConnection } from './connection.js';
import { DialPace } from './dial-pace.js';
import { hedge } from './endgame.js';
import type { ExchangeSwarm } from './exchange-swarm.js';
import type { PeerExchange } from './extension/exchange.js';
import type { Extension } from './extension/link.js';
import type { BlockFetcher } from './fetcher.js';
import { clientName, type Handshake } from './handshake.js';
import type { HandedOver } from './resolving-connection.js';
import { hasPlaceFor } from './places.js';
import { Senders } from './senders.js';
import { acceptTcp, addressOf, dialTcp } from './transport.js';
import { dialAddressOf, isConnectedTo, replaces, twinOf } from './twins.js';
import type { PeerNews } from './peer-news.js';
import type { BlockReader } from './upload.js';
import type { IncomingPeer } from './listener.js';

const log = createDebug('torrent-dl:peer');

const TICK_MS = 100;
const RECHOKE_MS = 10_000;
const NEED_PEERS_MS = 5000;
const TURNOVER_MS = 10_000;
const EXCHANGE_MS = 1000;
/** A connection may be of no use to either side for so long when others wait for its place. */
const USELESS_AFTER_MS = 60_000;
/** … or so long without giving us anything, though it has what we lack. */
const MEAN_AFTER_MS = 180_000;

export interface PeerManagerOptions {
  readonly metainfo: Metainfo;
  readonly peerId: Uint8Array;
  /** The pieces that we have to give; owned by the download. */
  readonly have: Bitfield;
  /** Pieces that need not be fetched: we have them, or nobody wants them. Owned by the download. Default: `have`. */
  readonly settled?: Bitfield;
  readonly picker: PiecePicker;
  readonly assembler: PieceAssembler;
  readonly reader: BlockReader;
  readonly port: number;
  readonly clientName: string;
  readonly maxPeers: number;
  /** The addresses that are known already. */
  readonly pool?: AddressPool | undefined;
  /** The UDP port of our DHT node, if we have one. */
  readonly dhtPort?: number | undefined;
  /** What all connections together may receive and send; missing when there is no limit. */
  readonly downloadLimit?: Bucket | undefined;
  readonly uploadLimit?: Bucket | undefined;
  /** Tells peers of peers; missing when that is not wanted. */
  readonly exchange?: PeerExchange | undefined;
  /** Payload bytes came, of which so many were of no use. */
  readonly onPayload: (received: number, wasted: number) => void;
  /** A block is whole that was wanted. */
  readonly onBlock: () => void;
  readonly onUploaded: (length: number) => void;
  readonly onReadError: (error: unknown) => void;
  readonly onBanned: (address: PeerAddress) => void;
  /** Missing when nobody wants to know. */
  readonly onPeer?: ((news: PeerNews) => void) | undefined;
  /** All known addresses are in use or waiting, and there is room for more. */
  readonly onNeedPeers: () => void;
  /** A DHT node of a peer (BEP 5). */
  readonly onDhtNode?: (address: PeerAddress) => void;
}

/** All connections of one download: dials, accepts, chokes, and drops who is of no use. */
export class PeerManager implements ExchangeSwarm, AsyncDisposable {
  readonly metainfo: Metainfo;
  readonly peerId: Uint8Array;
  readonly have: Bitfield;
  readonly settled: Bitfield;
  readonly assembler: PieceAssembler;
  readonly reader: BlockReader;
  readonly port: number;
  readonly clientName: string;
  readonly dhtPort: number | undefined;
  readonly extensions: readonly Extension[];
  readonly connections = new Set<PeerConnection>();
  readonly pool: AddressPool;
  readonly downloadLimit: Bucket | undefined;
  readonly uploadLimit: Bucket | undefined;
  readonly #options: PeerManagerOptions;
  readonly #picker: PiecePicker;
  readonly #choker: Choker;
  readonly #timer: NodeJS.Timeout;
  readonly #senders = new Senders();
  readonly #pace: DialPace;
  #nextId = 1;
  #lastTickAt: number;
  #rechokeAt = 0;
  #needPeersAt = 0;
  #turnoverAt = 0;
  #exchangeAt = 0;
  #isClosed = false;

  constructor(options: PeerManagerOptions) {
    this.#options = options;
    this.metainfo = options.metainfo;
    this.peerId = options.peerId;
    this.have = options.have;
    this.settled = options.settled ?? options.have;
    this.assembler = options.assembler;
    this.reader = options.reader;
    this.port = options.port;
    this.clientName = options.clientName;
    this.dhtPort = options.dhtPort;
    this.extensions = options.exchange ? [options.exchange] : [];
    this.downloadLimit = options.downloadLimit;
    this.uploadLimit = options.uploadLimit;
    this.#choker = new Choker({ slots: slotsWithin(options.uploadLimit?.perSecond) });
    this.#picker = options.picker;
    this.#lastTickAt = performance.now();
    this.#pace = new DialPace(this.#lastTickAt);
    this.pool = options.pool ?? new AddressPool();
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  get openCount(): number {
    let count = 0;
    for (const connection of this.connections) if (connection.isOpen) count++;
    return count;
  }

  get seedCount(): number {
    let count = 0;
    for (const connection of this.connections) if (connection.isOpen && connection.isSeed) count++;
    return count;
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
    const places = { maxPeers: this.#options.maxPeers, mayDial: this.pool.waiting > 0 };
    const isWelcome = hasPlaceFor(address.host, this.connections, places) && !this.pool.isBanned(address);
    if (this.#isClosed || !isWelcome) {
      socket.destroy();
      return;
    }
    const connection = this.#create();
    connection.attach(acceptTcp(socket, connection));
    connection.onBytes(received, received.length);
  }

  /** Takes over a connection from a `MetadataResolver`, with what its peer has said so far. */
  adopt(peer: HandedOver): void {
    if (this.#isClosed) peer.transport.close();
    else this.#create().adopt(peer);
  }

  /** A piece was verified. */
  broadcastHave(index: number): void {
    for (const connection of this.connections) connection.sendHave(index);
  }

  /** These senders brought wrong bytes: they are out, and stay out. */
  ban(ids: readonly number[]): void {
    for (const id of ids) {
      const sender = this.#senders.take(id);
      if (!sender) continue;
      log('banned %s', formatAddress(sender));
      this.pool.ban(sender);
      this.#options.onBanned(sender);
    }
    for (const connection of [...this.connections]) {
      if (ids.includes(connection.id) || this.pool.isBanned(connection.address)) connection.close('banned');
    }
  }

  /** Drops everybody and forgets where they are: a private torrent has another tracker (BEP 27). */
  leaveSwarm(): void {
    for (const connection of [...this.connections]) connection.close('found by another tracker');
    this.pool.clear();
  }

  /** Nothing is missing any more: seeds have nothing to gain from each other. */
  dropSeeds(): void {
    for (const connection of [...this.connections]) if (connection.isSeed) connection.close('both are seeds');
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#timer);
    for (const connection of [...this.connections]) connection.close('we are leaving');
    return Promise.resolve();
  }

  // ── From the connections (ExchangeSwarm) ──────────────────────────────────────────────────────────────────────────────────

  onHandshake(connection: PeerConnection, handshake: Handshake): string | undefined {
    if (Buffer.compare(handshake.peerId, this.peerId) === 0) {
      if (!connection.transport.isIncoming) this.pool.markSelf(connection.address);
      return 'that is ourselves';
    }
    const key = Buffer.from(handshake.peerId).toString('latin1');
    const twin = twinOf(connection, key, this.connections);
    if (twin) {
      const ids = { ours: this.peerId, theirs: handshake.peerId };
      if (!replaces(connection, twin, ids, this.#lastTickAt)) return 'connected already';
      twin.close('the same peer has dialled us');
    }
    connection.peerIdKey = key;
    connection.client = clientName(handshake.peerId);
    this.#senders.add(connection.id, connection.address);
    const { address, client, transport } = connection;
    this.#options.onPeer?.({ event: 'connect', address, isIncoming: transport.isIncoming, client });
    if (!connection.transport.isIncoming) {
      this.pool.connected(connection.address);
      this.#pace.succeeded();
      this.#dial(this.#lastTickAt);
    }
    return undefined;
  }

  onHavesGone(connection: PeerConnection): void {
    this.#picker.removePeer(connection.have);
  }

  onHaves(connection: PeerConnection): void {
    this.#picker.addPeer(connection.have);
    if (this.settled.isFull && connection.isSeed) connection.close('both are seeds');
  }

  onHave(connection: PeerConnection, index: number): void {
    this.#picker.addHave(index, connection.have);
    if (this.settled.isFull && connection.isSeed) connection.close('both are seeds');
  }

  onInterest(connection: PeerConnection): void {
    if (!connection.peerInterested || !connection.amChoking) return;
    if (this.#choker.mayUnchoke(this.#candidates())) connection.setChoking(false);
  }

  onPort(connection: PeerConnection, port: number): void {
    if (!connection.transport.isIncoming || port === 0) return;
    const address = { host: connection.address.host, port };
    this.pool.add([address], 'peer');
    this.pool.connected(address);
    connection.listensAt = address;
  }

  onDhtPort(connection: PeerConnection, port: number): void {
    if (port > 0) this.#options.onDhtNode?.({ host: connection.address.host, port });
  }

  onDuplicate(fetcher: BlockFetcher, block: number): void {
    for (const other of this.connections) if (other.fetcher !== fetcher) other.fetcher.cancel(block);
  }

  onStarving(fetcher: BlockFetcher, most: number, out: number[]): void {
    const others = Array.from(this.connections, (connection) => connection.fetcher);
    hedge(fetcher, others, this.assembler, most, out);
  }

  onPayload(received: number, wasted: number): void {
    this.#options.onPayload(received, wasted);
  }

  onBlock(): void {
    this.#options.onBlock();
  }

  onUploaded(_connection: PeerConnection, length: number): void {
    this.#options.onUploaded(length);
  }

  onReadError(error: unknown): void {
    this.#options.onReadError(error);
  }

  onClose(connection: PeerConnection, reason: string): void {
    if (!this.connections.delete(connection)) return;
    this.#picker.removePeer(connection.have);
    this.#senders.left(connection.id, connection.fetcher.isUseful, () => this.#ids());
    const isTold = connection.wasOpen && !this.#isClosed;
    if (isTold) this.#options.onPeer?.({ event: 'disconnect', address: connection.address, reason });
    const address = dialAddressOf(connection);
    if (!address || this.#isClosed || isConnectedTo(address, this.connections)) return;
    const now = performance.now();
    if (connection.wasOpen) this.pool.disconnected(address, now, { wasUseful: connection.fetcher.isUseful });
    else this.pool.failed(address, now, reason);
  }

  #ids(): Set<number> {
    return new Set(Array.from(this.connections, (connection) => connection.id));
  }

  // ── Dialling, choking, turnover ───────────────────────────────────────────────────────────────────────────────────

  #create(): PeerConnection {
    const connection = new PeerConnection(this.#nextId++, this, performance.now());
    this.connections.add(connection);
    this.#picker.addPeer(connection.have);
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

  #tick(): void {
    const now = performance.now();
    this.#lastTickAt = now;
    this.#pace.tick(now);
    this.assembler.tick();
    for (const connection of [...this.connections]) connection.tick(now);
    if (now >= this.#rechokeAt) this.#rechoke(now);
    if (now >= this.#turnoverAt) this.#turnOver(now);
    if (now >= this.#exchangeAt) this.#tell(now);
    this.#dial(now);
    const isShort = this.connections.size < this.#options.maxPeers && this.pool.nextDueAt > now;
    if (isShort && now >= this.#needPeersAt) {
      this.#needPeersAt = now + NEED_PEERS_MS;
      this.#options.onNeedPeers();
    }
  }

  #tell(now: number): void {
    this.#exchangeAt = now + EXCHANGE_MS;
    this.#options.exchange?.tell(this.connections);
  }

  #rechoke(now: number): void {
    this.#rechokeAt = now + RECHOKE_MS;
    const unchoked = new Set(this.#choker.rechoke(this.#candidates(), now));
    for (const connection of this.connections) connection.setChoking(!unchoked.has(connection.id));
  }

  #candidates() {
    return [...this.connections]
      .filter((connection) => connection.isOpen)
      .map((connection) => ({
        id: connection.id,
        isUnchoked: !connection.amChoking,
        peerInterested: connection.peerInterested,
        downloadPerSecond: connection.downloadPerSecond(),
        uploadPerSecond: connection.uploadPerSecond(),
        isSnubbed: connection.fetcher.isSnubbed,
        connectedAtMs: connection.connectedAtMs,
        weAreSeeding: this.settled.isFull,
      }));
  }

  /** With all places taken, one that is of no use makes room for an address that was not tried yet. */
  #turnOver(now: number): void {
    this.#turnoverAt = now + TURNOVER_MS;
    if (this.connections.size < this.#options.maxPeers || this.pool.nextDueAt > now) return;
    for (const connection of this.connections) {
      const isUseless = !connection.amInterested && !connection.peerInterested;
      const idleMs = now - connection.fetcher.lastBlockAtMs;
      const isMean = connection.amInterested && idleMs > MEAN_AFTER_MS && !connection.fetcher.isInLine;
      if (isMean || ((isUseless || connection.fetcher.isSnubbed) && idleMs > USELESS_AFTER_MS)) {
        connection.close('of no use');
        return;
      }
    }
  }
}
