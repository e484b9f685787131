import createDebug from 'debug';
import { Bitfield } from '../common/bitfield.js';
import { formatAddress, type PeerAddress } from '../common/address.js';
import { ProtocolError } from '../common/errors.js';
import { RateMeter } from '../common/rate.js';
import type { ExchangeSwarm } from './exchange-swarm.js';
import type { ExtensionHandshake } from './extension/handshake.js';
import { EXTENSION_ID, ExtensionLink, type ExtensionPeer } from './extension/link.js';
import { METADATA_EXTENSION } from './extension/metadata.js';
import { MetadataUpload } from './extension/metadata-upload.js';
import { BlockFetcher } from './fetcher.js';
import { encodeGreeting } from './greeting.js';
import { encodeHandshake, HandshakeReader, type Handshake } from './handshake.js';
import type { HandedOver, Said } from './resolving-connection.js';
import {
  CONNECT_TIMEOUT_MS,
  DEBTOR_TIMEOUT_MS,
  HANDSHAKE_TIMEOUT_MS,
  IDLE_TIMEOUT_MS,
  KEEP_ALIVE_MS,
} from './timeouts.js';
import { MOST_ASIDES, mostTalk, TalkLimit } from './talk-limit.js';
import type { LiveTransport, TransportEvents } from './transport.js';
import { UploadQueue } from './upload.js';
import {
  encodeHave,
  encodeMessage,
  MESSAGE,
  readUint16,
  readUint32,
  REQUEST_LENGTH,
  WireReader,
  writeRequest,
  type MessageSink,
} from './wire.js';

const log = createDebug('torrent-dl:peer');

const MOST_PENDING_HAVES = 64;
/** Blocks and metadata on their way are bounded for themselves, well below this. */
const MOST_UNSENT = 1.5 * 1024 * 1024;
/** aria2 sends a second one. */
const MOST_BITFIELDS = 32;

type Phase = 'connecting' | 'handshaking' | 'open' | 'closed';

/** One peer: its flags, what it has, what it owes us and what we owe it (BEP 3, 6, 10). */
export class PeerConnection implements TransportEvents, MessageSink, ExtensionPeer {
  readonly id: number;
  readonly have: Bitfield;
  /** What it owes us. */
  readonly fetcher: BlockFetcher;
  amChoking = true;
  amInterested = false;
  peerChoking = true;
  peerInterested = false;
  readonly connectedAtMs: number;
  readonly download: RateMeter;
  readonly upload: RateMeter;
  /** Its 20 bytes as latin1 text. */
  peerIdKey = '';
  /** Where it can be dialled, if it dialled us and said so. */
  listensAt: PeerAddress | undefined;
  /** Whether the handshake was ever completed. */
  wasOpen = false;
  client = '';
  supportsFast = false;
  transport!: LiveTransport;

  readonly #swarm: ExchangeSwarm;
  readonly #reader: WireReader;
  #uploads!: UploadQueue;
  readonly #link: ExtensionLink;
  #metadata: MetadataUpload | undefined;
  #phase: Phase = 'connecting';
  /** What the peer heard of us before this connection was handed over. */
  #said: Said = 'nothing';
  #now: number;
  #lastReceivedAt: number;
  #lastSentAt: number;
  /** Bytes in all, and of requests that we took; messages that get neither us nor the peer any further; limits of both. */
  #received = 0;
  #requested = 0;
  #asides = 0;
  readonly #talk: TalkLimit;
  readonly #asideTalk: TalkLimit;
  readonly #handshake = new HandshakeReader();
  /** Pieces that it has, and we lack and want. */
  #interesting = 0;
  /** It said whether it is interested; looked at once for all messages that came together. */
  #hasNewInterest = false;
  #pendingHaves: number[] = [];
  #bitfields = 0;

  constructor(id: number, swarm: ExchangeSwarm, nowMs: number) {
    this.id = id;
    this.#swarm = swarm;
    this.have = new Bitfield(swarm.metainfo.pieceCount);
    this.fetcher = new BlockFetcher(id, this.have, swarm, nowMs, (bytes) => this.#send(bytes));
    this.#reader = new WireReader(this.have.bytes.length, this.fetcher, this);
    const metadata = {
      name: METADATA_EXTENSION,
      id: EXTENSION_ID.ut_metadata,
      onMessage: (_: ExtensionPeer, payload: Uint8Array) => this.#onMetadata(payload),
    };
    this.#link = new ExtensionLink(this, [metadata, ...swarm.extensions], (bytes, onSent) => this.#send(bytes, onSent));
    this.connectedAtMs = this.#now = this.#lastReceivedAt = this.#lastSentAt = nowMs;
    this.#talk = new TalkLimit(mostTalk(swarm.metainfo.pieceCount), nowMs);
    this.#asideTalk = new TalkLimit(MOST_ASIDES, nowMs);
    this.download = new RateMeter(nowMs);
    this.upload = new RateMeter(nowMs);
  }

  /** Gives it its way to the peer; an accepted one is connected already. */
  attach(transport: LiveTransport): void {
    this.transport = transport;
    this.#uploads = new UploadQueue(
      this.#swarm.metainfo,
      this.#swarm.reader,
      transport,
      {
        onSent: (length) => {
          this.upload.add(length);
          this.#swarm.onUploaded(this, length);
        },
        onReadError: (error) => this.#swarm.onReadError(error),
      },
      this.#swarm.uploadLimit,
    );
    if (transport.isIncoming) this.#phase = 'handshaking';
  }

  /** Takes over a connection on which both sides may have said something already. */
  adopt({ transport, said, received }: HandedOver): void {
    this.attach(transport);
    this.#said = said;
    if (said !== 'nothing') this.#phase = 'handshaking';
    transport.events = this;
    if (received.length > 0) this.onBytes(received, received.length);
  }

  get address(): PeerAddress {
    return this.transport.address;
  }

  get isOpen(): boolean {
    return this.#phase === 'open';
  }

  /** What the peer can do beyond the protocol, once it said so (BEP 10). */
  get extensions(): ExtensionHandshake | undefined {
    return this.#link.handshake;
  }

  get isSeed(): boolean {
    return this.have.isFull;
  }

  /** Bytes per second, from it and to it. */
  downloadPerSecond(): number {
    return this.download.perSecond(this.#now);
  }

  uploadPerSecond(): number {
    return this.upload.perSecond(this.#now);
  }

  // ── From the transport ────────────────────────────────────────────────────────────────────────────────────────────

  onConnect(): void {
    this.#now = performance.now();
    this.#phase = 'handshaking';
    this.#lastReceivedAt = this.#now;
    this.#sendHandshake();
  }

  onBytes(chunk: Uint8Array, length: number): void {
    if (this.#phase === 'closed') return;
    this.#now = this.#lastReceivedAt = this.fetcher.nowMs = performance.now();
    this.download.add(length);
    this.#received += length;
    try {
      const from = this.#phase === 'open' ? 0 : this.#readHandshake(chunk, length);
      if (from < length) this.#reader.push(chunk, from, length);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.close(error.message);
      return;
    }
    if (this.fetcher.takeNews()) this.#fill();
    this.#tellInterest();
    // Whoever makes us talk and does not listen would fill our memory.
    if (this.transport.unsentLength > MOST_UNSENT) return this.close('it does not read');
    this.#uploads.pump(); // once for all requests that came together
  }

  onClose(reason: string): void {
    this.close(reason);
  }

  /** Hangs up and gives back what the peer owed. */
  close(reason: string): void {
    if (this.#phase === 'closed') return;
    this.#phase = 'closed';
    this.#reader.stop();
    this.transport.close();
    this.#uploads.clear();
    this.fetcher.close();
    if (log.enabled) log('%s closed: %s', formatAddress(this.address), reason);
    this.#swarm.onClose(this, reason);
  }

  /** Looks at every time-out; called a few times a second. */
  tick(nowMs: number): void {
    this.#now = this.fetcher.nowMs = nowMs;
    const silence = nowMs - this.#lastReceivedAt;
    if (this.#phase === 'connecting' && silence > CONNECT_TIMEOUT_MS) return this.close('no connection');
    if (this.#phase === 'handshaking' && nowMs - this.connectedAtMs > CONNECT_TIMEOUT_MS + HANDSHAKE_TIMEOUT_MS) {
      return this.close('no handshake');
    }
    if (this.#phase !== 'open') return;
    const isDebtor = this.fetcher.isSnubbed && !this.peerChoking;
    if (silence > (isDebtor ? DEBTOR_TIMEOUT_MS : IDLE_TIMEOUT_MS)) return this.close('silent');
    const isFlood = this.#talk.isExceeded(this.#received - this.#requested - this.fetcher.blockBytes, nowMs);
    if (this.#asideTalk.isExceeded(this.#asides, nowMs) || isFlood) return this.close('a flood of messages');
    this.#flushHaves();
    if (nowMs - this.#lastSentAt > KEEP_ALIVE_MS) this.#send(new Uint8Array(4));
    if (this.fetcher.tick() && log.enabled) log('%s is snubbed', formatAddress(this.address));
    this.#fill();
  }

  // ── What the download tells the peer ──────────────────────────────────────────────────────────────────────────────

  /** We have a piece more. `have` goes to those who lack it, several at a time. */
  sendHave(index: number): void {
    if (this.#phase !== 'open') return;
    if (this.have.has(index)) {
      this.#interesting--;
      this.#updateInterest();
      return;
    }
    this.#pendingHaves.push(index);
    if (this.#pendingHaves.length >= MOST_PENDING_HAVES) this.#flushHaves();
  }

  /** Sends an extended message by its name; nothing when the peer does not know it. */
  sendExtended(name: string, payload: Uint8Array, onSent?: () => void): void {
    this.#link.send(name, payload, onSent);
  }

  setChoking(choking: boolean): void {
    if (this.amChoking === choking || this.#phase !== 'open') return;
    this.amChoking = choking;
    this.#send(encodeMessage(choking ? MESSAGE.choke : MESSAGE.unchoke));
    if (!choking) return;
    const rejects = this.#uploads.clear();
    if (this.supportsFast && rejects.length > 0) this.#send(rejects);
  }

  // ── From the wire ─────────────────────────────────────────────────────────────────────────────────────────────────

  onMessage(id: number, payload: Uint8Array): void {
    if (id !== MESSAGE.have && id !== MESSAGE.request) this.#asides++;
    switch (id) {
      case MESSAGE.choke:
        this.peerChoking = true;
        return this.fetcher.onChoke();
      case MESSAGE.unchoke:
        this.peerChoking = false;
        return this.#fill();
      case MESSAGE.interested:
      case MESSAGE.notInterested:
        this.peerInterested = id === MESSAGE.interested;
        this.#hasNewInterest = true;
        return;
      case MESSAGE.have:
        return this.#onHave(readUint32(payload, 0));
      case MESSAGE.bitfield:
        if (!Bitfield.isValid(payload, this.have.length))
          throw new ProtocolError('ERR_WIRE', 'a bitfield with spare bits');
        return this.#setHaves(() => this.have.load(payload));
      case MESSAGE.haveAll:
      case MESSAGE.haveNone:
        // BEP 6 wants them first; libtorrent sends its extended handshake before them.
        return id === MESSAGE.haveAll ? this.#setHaves(() => this.have.fill()) : undefined;
      case MESSAGE.request:
        return this.#onRequest(readUint32(payload, 0), readUint32(payload, 4), readUint32(payload, 8));
      case MESSAGE.cancel:
        return this.#onCancel(readUint32(payload, 0), readUint32(payload, 4), readUint32(payload, 8));
      case MESSAGE.rejectRequest:
        return this.fetcher.onReject(readUint32(payload, 0), readUint32(payload, 4));
      case MESSAGE.extended:
        return this.#onExtended(payload[0]!, payload.subarray(1));
      case MESSAGE.port:
        return this.#swarm.onDhtPort(this, readUint16(payload, 0));
      default: // suggest, allowed fast and what we do not know are of no use to us
    }
  }

  // ── Handshake ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #sendHandshake(): void {
    const { metainfo, peerId, dhtPort } = this.#swarm;
    if (this.#said !== 'nothing') return;
    this.#send(encodeHandshake({ infoHash: metainfo.infoHash, peerId, supportsDht: dhtPort !== undefined }));
  }

  /** Takes in the peer's handshake; returns where in `chunk` the messages begin. */
  #readHandshake(chunk: Uint8Array, length: number): number {
    const from = this.#handshake.push(chunk, length);
    const { handshake } = this.#handshake;
    if (!handshake) return from;
    if (Buffer.compare(handshake.infoHash, this.#swarm.metainfo.infoHash) !== 0) {
      throw new ProtocolError('ERR_HANDSHAKE', 'the peer serves another torrent');
    }
    if (this.transport.isIncoming) this.#sendHandshake(); // also to ourselves, or the other end would not know
    const refusal = this.#swarm.onHandshake(this, handshake);
    if (refusal !== undefined) throw new ProtocolError('ERR_HANDSHAKE', refusal);
    this.#open(handshake);
    return from;
  }

  #open(handshake: Handshake): void {
    this.#phase = 'open';
    this.wasOpen = true;
    this.supportsFast = handshake.supportsFast;
    const { messageIds } = this.#link;
    this.#send(encodeGreeting(this.#swarm, { handshake, said: this.#said, messageIds, yourIp: this.address.host }));
    if (log.enabled) log('%s open', formatAddress(this.address));
  }

  // ── Extensions (BEP 10) ───────────────────────────────────────────────────────────────────────────────────────────

  #onExtended(id: number, payload: Uint8Array): void {
    const hello = this.#link.receive(id, payload);
    if (!hello) return;
    if (hello.requestQueueLength !== undefined) this.fetcher.pipeline.limitTo(hello.requestQueueLength);
    if (hello.client !== undefined) this.client = hello.client;
    if (hello.port !== undefined) this.#swarm.onPort(this, hello.port);
  }

  #onMetadata(payload: Uint8Array): void {
    this.#metadata ??= new MetadataUpload(this.#swarm.metainfo.infoBytes, (answer, onSent) =>
      this.sendExtended(METADATA_EXTENSION, answer, onSent),
    );
    this.#metadata.onMessage(payload);
  }

  // ── What the peer has, and whether we want it ─────────────────────────────────────────────────────────────────────

  #onHave(index: number): void {
    if (index >= this.have.length) throw new ProtocolError('ERR_WIRE', `have ${index} of ${this.have.length} pieces`);
    if (this.have.has(index)) return;
    this.have.add(index);
    this.#swarm.onHave(this, index);
    if (!this.#swarm.settled.has(index)) this.#interesting++;
    this.#updateInterest();
  }

  /** aria2 sends a second bitfield in mid-stream, so this may come at any time. */
  #setHaves(change: () => void): void {
    if (++this.#bitfields > MOST_BITFIELDS) throw new ProtocolError('ERR_WIRE', 'a flood of bitfields');
    this.#swarm.onHavesGone(this);
    change();
    this.#swarm.onHaves(this);
    this.#interesting = this.have.countWithout(this.#swarm.settled);
    this.#updateInterest();
  }

  #updateInterest(): void {
    const isInteresting = this.#interesting > 0;
    if (isInteresting !== this.amInterested) {
      this.amInterested = isInteresting;
      this.#send(encodeMessage(isInteresting ? MESSAGE.interested : MESSAGE.notInterested));
    }
    if (isInteresting && !this.peerChoking) this.#fill();
  }

  #fill(): void {
    if (this.#phase === 'open' && !this.peerChoking && this.amInterested) this.fetcher.fill();
  }

  // ── Uploads: what we owe the peer ─────────────────────────────────────────────────────────────────────────────────

  #onRequest(index: number, begin: number, length: number): void {
    // Some ask right behind their interest; a choke of ours that they have not heard of yet would be for ever.
    if (this.amChoking && this.peerInterested) this.#tellInterest();
    const isServed = !this.amChoking && index < this.have.length && this.#swarm.have.has(index);
    if (isServed && this.#uploads.add(index, begin, length)) {
      this.#requested += REQUEST_LENGTH;
      return;
    }
    this.#asides++;
    this.#reject(index, begin, length);
  }

  #onCancel(index: number, begin: number, length: number): void {
    if (this.#uploads.cancel(index, begin, length)) this.#reject(index, begin, length);
  }

  #tellInterest(): void {
    if (!this.#hasNewInterest) return;
    this.#hasNewInterest = false;
    this.#swarm.onInterest(this);
  }

  #reject(index: number, begin: number, length: number): void {
    if (!this.supportsFast) return;
    const reject = new Uint8Array(REQUEST_LENGTH);
    writeRequest(reject, 0, MESSAGE.rejectRequest, index, begin, length);
    this.#send(reject);
  }

  // ── Sending ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #flushHaves(): void {
    if (this.#pendingHaves.length === 0) return;
    const haves = this.#pendingHaves;
    this.#pendingHaves = [];
    this.#send(Buffer.concat(haves.map(encodeHave)));
  }

  #send(bytes: Uint8Array, onSent?: () => void): void {
    if (this.#phase === 'closed') return;
    this.#lastSentAt = this.#now;
    this.transport.write(bytes, onSent);
  }
}
