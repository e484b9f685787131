import createDebug from 'debug';
import { formatAddress, type PeerAddress } from '../common/address.js';
import { ProtocolError } from '../common/errors.js';
import { encodeExtensionHandshake, type ExtensionHandshake } from './extension/handshake.js';
import { EXTENSION_ID, ExtensionLink, type Extension, type ExtensionPeer } from './extension/link.js';
import { METADATA_EXTENSION } from './extension/metadata.js';
import { decodeHandshake, encodeHandshake, type Handshake } from './handshake.js';
import { Recorder, type RecorderEvents } from './recorder.js';
import { CONNECT_TIMEOUT_MS, HANDSHAKE_TIMEOUT_MS, IDLE_TIMEOUT_MS, KEEP_ALIVE_MS } from './timeouts.js';
import { MOST_TALK, TalkLimit } from './talk-limit.js';
import type { LiveTransport, TransportEvents } from './transport.js';
import { MOST_QUEUED_REQUESTS } from './upload.js';
import { encodeExtended, encodeMessage, encodePort, MESSAGE, readUint16 } from './wire.js';

const log = createDebug('torrent-dl:peer');

/** What a connection needs to know of a torrent without metadata, and whom it tells what happens. */
export interface ResolvingSwarm {
  readonly infoHash: Uint8Array;
  readonly peerId: Uint8Array;
  readonly port: number;
  readonly clientName: string;
  /** The UDP port of our DHT node, if we have one. */
  readonly dhtPort: number | undefined;
  /** What we understand beside metadata. */
  readonly extensions: readonly Extension[];
  /** The peer said who it is; a reason to hang up, or undefined. */
  onHandshake: (connection: ResolvingConnection, handshake: Handshake) => string | undefined;
  /** The peer said what it can do. */
  onExtensions: (connection: ResolvingConnection, extensions: ExtensionHandshake) => void;
  onMetadata: (connection: ResolvingConnection, payload: Uint8Array) => void;
  /** The port of the peer's DHT node (BEP 5). */
  onDhtPort: (connection: ResolvingConnection, port: number) => void;
  onClose: (connection: ResolvingConnection, reason: string) => void;
}

/** How much we have said: nothing; the handshake; also what follows it (BEP 6 have none, BEP 10 handshake). */
export type Said = 'nothing' | 'handshake' | 'greeting';

/** A connection that is handed over, with all that its peer said so far. */
export interface HandedOver {
  readonly transport: LiveTransport;
  readonly said: Said;
  /** The peer's handshake and messages, as far as they came. */
  readonly received: Uint8Array;
}

/**
 * A peer of a torrent whose metadata is not here yet: asks for that, and keeps what else the peer says for the
 * `PeerConnection` that takes over.
 */
export class ResolvingConnection implements TransportEvents, RecorderEvents, ExtensionPeer {
  readonly id: number;
  readonly connectedAtMs: number;
  /** When it last was of use; when it was opened, if never. */
  usefulAtMs: number;
  isUseful = false;
  peerIdKey = '';
  listensAt: PeerAddress | undefined;
  transport!: LiveTransport;
  readonly #swarm: ResolvingSwarm;
  readonly #recorder = new Recorder(this);
  readonly #link: ExtensionLink;
  #phase: 'connecting' | 'handshaking' | 'open' | 'closed' = 'connecting';
  #said: Said = 'nothing';
  #lastReceivedAt: number;
  #lastSentAt: number;
  #received = 0;
  readonly #talk: TalkLimit;

  constructor(id: number, swarm: ResolvingSwarm, nowMs: number) {
    this.id = id;
    this.#swarm = swarm;
    const metadata = {
      name: METADATA_EXTENSION,
      id: EXTENSION_ID.ut_metadata,
      onMessage: (_: ExtensionPeer, payload: Uint8Array) => swarm.onMetadata(this, payload),
    };
    this.#link = new ExtensionLink(this, [metadata, ...swarm.extensions], (bytes, onSent) => this.#send(bytes, onSent));
    this.#talk = new TalkLimit(MOST_TALK, nowMs);
    this.connectedAtMs = this.usefulAtMs = this.#lastReceivedAt = this.#lastSentAt = nowMs;
  }

  /** Gives it its way to the peer; an accepted one is connected already. */
  attach(transport: LiveTransport): void {
    this.transport = transport;
    if (transport.isIncoming) this.#phase = 'handshaking';
  }

  get address(): PeerAddress {
    return this.transport.address;
  }

  get isOpen(): boolean {
    return this.#phase === 'open';
  }

  get extensions(): ExtensionHandshake | undefined {
    return this.#link.handshake;
  }

  sendExtended(name: string, payload: Uint8Array, onSent?: () => void): void {
    this.#link.send(name, payload, onSent);
  }

  /** Hangs up. */
  close(reason: string): void {
    if (this.#phase === 'closed') return;
    this.#phase = 'closed';
    this.#recorder.stop();
    this.transport.close();
    if (log.enabled) log('%s closed: %s', formatAddress(this.address), reason);
    this.#swarm.onClose(this, reason);
  }

  /** Gives the connection away; nothing is heard of it any more. */
  release(): HandedOver {
    this.#phase = 'closed';
    this.#recorder.stop();
    return { transport: this.transport, said: this.#said, received: this.#recorder.recorded };
  }

  /** Looks at every time-out; called a few times a second. */
  tick(nowMs: number): void {
    const silence = nowMs - this.#lastReceivedAt;
    if (this.#phase === 'connecting' && silence > CONNECT_TIMEOUT_MS) return this.close('no connection');
    if (this.#phase === 'handshaking' && nowMs - this.connectedAtMs > CONNECT_TIMEOUT_MS + HANDSHAKE_TIMEOUT_MS) {
      return this.close('no handshake');
    }
    if (this.#phase !== 'open') return;
    if (silence > IDLE_TIMEOUT_MS) return this.close('silent');
    if (this.#talk.isExceeded(this.#received, nowMs)) return this.close('a flood of messages');
    if (nowMs - this.#lastSentAt > KEEP_ALIVE_MS) this.#send(new Uint8Array(4));
  }

  // ── From the transport and its recorder ───────────────────────────────────────────────────────────────────────────

  onConnect(): void {
    this.#phase = 'handshaking';
    this.#lastReceivedAt = performance.now();
    this.#sendHandshake();
  }

  onBytes(chunk: Uint8Array, length: number): void {
    if (this.#phase === 'closed') return;
    this.#lastReceivedAt = performance.now();
    this.#received += length;
    try {
      this.#recorder.push(chunk, length);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.close(error.message);
    }
  }

  onClose(reason: string): void {
    this.close(reason);
  }

  onHandshake(bytes: Uint8Array): void {
    const handshake = decodeHandshake(bytes);
    if (Buffer.compare(handshake.infoHash, this.#swarm.infoHash) !== 0) {
      throw new ProtocolError('ERR_HANDSHAKE', 'the peer serves another torrent');
    }
    if (this.transport.isIncoming) this.#sendHandshake(); // also to ourselves, or the other end would not know
    const refusal = this.#swarm.onHandshake(this, handshake);
    if (refusal !== undefined) throw new ProtocolError('ERR_HANDSHAKE', refusal);
    this.#open(handshake);
  }

  onMessage(id: number, payload: Uint8Array): boolean {
    if (id === MESSAGE.piece) throw new ProtocolError('ERR_WIRE', 'the peer sends what nobody asked for');
    if (id === MESSAGE.port && payload.length === 2) this.#swarm.onDhtPort(this, readUint16(payload, 0));
    if (id !== MESSAGE.extended) return true;
    const [extendedId] = payload;
    if (extendedId === undefined) throw new ProtocolError('ERR_WIRE', 'the peer sent an extended message of 0 bytes');
    const extensions = this.#link.receive(extendedId, payload.subarray(1));
    if (extensions) this.#swarm.onExtensions(this, extensions);
    return extensions !== undefined; // all others were for now, or for nobody
  }

  // ── Sending ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #sendHandshake(): void {
    const { infoHash, peerId, dhtPort } = this.#swarm;
    this.#said = 'handshake';
    this.#send(encodeHandshake({ infoHash, peerId, supportsDht: dhtPort !== undefined }));
  }

  #open({ supportsFast, supportsExtensions, supportsDht }: Handshake): void {
    const { port, clientName, dhtPort } = this.#swarm;
    this.#phase = 'open';
    this.#said = 'greeting';
    this.usefulAtMs = this.#lastReceivedAt;
    this.transport.cork();
    if (supportsFast) this.#send(encodeMessage(MESSAGE.haveNone));
    if (supportsExtensions) {
      const hello = encodeExtensionHandshake({
        messageIds: this.#link.messageIds,
        port,
        client: clientName,
        yourIp: this.address.host,
        requestQueueLength: MOST_QUEUED_REQUESTS,
      });
      this.#send(encodeExtended(0, hello));
    }
    if (supportsDht && dhtPort !== undefined) this.#send(encodePort(dhtPort));
    this.transport.uncork();
    if (log.enabled) log('%s open, without metadata', formatAddress(this.address));
  }

  #send(bytes: Uint8Array, onSent?: () => void): void {
    if (this.#phase === 'closed') return;
    this.#lastSentAt = performance.now();
    this.transport.write(bytes, onSent);
  }
}
