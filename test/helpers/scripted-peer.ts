/** A peer that does what the test says: honest, or one of the kinds that break downloaders. */
import bencode from 'bencode';
import { once } from 'node:events';
import net from 'node:net';
import { decodeMetainfo } from '../../src/metainfo/decode.js';
import { contentFiles, type MadeTorrent } from './torrent.js';

const BLOCK = 16_384;

/** What a scripted peer does with a request. */
export type Behaviour =
  | 'honest'
  /** Flips a byte in every block. */
  | 'corrupt'
  /** Flips a byte in every fourth block only. */
  | 'corrupt-some'
  /** Unchokes, takes requests, sends nothing. */
  | 'stall'
  /** Begins a block and stops in the middle of it. */
  | 'stall-in-block'
  /** Sends a byte now and then. */
  | 'trickle'
  /** Hangs up after each block. */
  | 'disconnect'
  | 'never-unchoke'
  /** Says reject to every request (BEP 6). */
  | 'reject';

/** What a scripted peer does when it is asked for metadata (BEP 9). */
export type MetadataBehaviour =
  | 'honest'
  /** Flips a byte of each piece. */
  | 'lie'
  /** Flips a byte of the first piece only. */
  | 'lie-once'
  /** Says reject to every request. */
  | 'refuse'
  /** Answers nothing. */
  | 'stall'
  /** Claims a byte more than there is, and sends it. */
  | 'wrong-size'
  /** Claims one size in its handshake and another in its pieces. */
  | 'two-sizes'
  /** Claims 2^31 - 1 bytes. */
  | 'huge-size'
  /** Sends pieces that are too short. */
  | 'short'
  /** Sends pieces without end that nobody asked for. */
  | 'flood'
  /** Hangs up after its first piece. */
  | 'disconnect'
  /** Speaks the extension protocol and has no metadata. */
  | 'none';

export interface ScriptedPeerOptions {
  readonly behaviour?: Behaviour;
  readonly host?: string;
  /** Bytes per second over all connections. */
  readonly rate?: number;
  /** Indexes of the pieces it has; all by default. */
  readonly pieces?: readonly number[];
  /** What it says after its handshake, in place of a bitfield. */
  readonly greeting?: Uint8Array;
  /** Speaks the extension protocol (BEP 10), and serves metadata in this way. */
  readonly metadata?: MetadataBehaviour;
  /** The port of its DHT node (BEP 5), which it tells. */
  readonly dhtPort?: number;
}

/** Serves a torrent on loopback in the way it was told. */
export class ScriptedPeer implements AsyncDisposable {
  readonly address: { host: string; port: number };
  /** Connections that completed a handshake. */
  connections = 0;
  /** Blocks asked for, blocks sent whole, and payload bytes. */
  requests = 0;
  blocks = 0;
  sent = 0;
  /** Metadata pieces asked for. */
  metadataRequests = 0;
  /** What the other end said: its handshakes, and the messages behind them. */
  readonly handshakes: Buffer[] = [];
  readonly messages: Buffer[] = [];
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #converse: (socket: net.Socket, isDialled: boolean) => void;

  private constructor(server: net.Server, torrent: MadeTorrent, options: ScriptedPeerOptions) {
    this.#server = server;
    this.address = { host: options.host ?? '127.0.0.1', port: (server.address() as net.AddressInfo).port };
    const data = dataOf(torrent);
    const info = Buffer.from(decodeMetainfo(torrent.bytes).infoBytes);
    this.#converse = (socket, isDialled) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
      socket.on('error', () => undefined);
      new Conversation(socket, torrent, data, info, options, this, this.#timers, isDialled);
    };
    server.on('connection', (socket) => this.#converse(socket, false));
  }

  /** Dials a downloader from a port of its own. */
  dial(port: number, host = '127.0.0.1'): void {
    this.#converse(net.connect({ port, host, localAddress: this.address.host }), true);
  }

  /** Whether it talks to anybody, or dials. */
  get isConnected(): boolean {
    return this.#sockets.size > 0;
  }

  /** Sends bytes to everybody. */
  sendAll(bytes: Uint8Array): void {
    for (const socket of this.#sockets) socket.write(bytes);
  }

  /** Hangs up on everybody. */
  hangUp(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  static async open(torrent: MadeTorrent, options: ScriptedPeerOptions = {}): Promise<ScriptedPeer> {
    const server = net.createServer({ noDelay: true }).listen(0, options.host ?? '127.0.0.1');
    await once(server, 'listening');
    return new ScriptedPeer(server, torrent, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    for (const socket of this.#sockets) socket.destroy();
    const closed = once(this.#server, 'close');
    this.#server.close();
    await closed;
  }
}

/** The bytes of each torrent, once for all its peers. */
const DATA = new WeakMap<MadeTorrent, Buffer>();

function dataOf(torrent: MadeTorrent): Buffer {
  const data = DATA.get(torrent) ?? Buffer.concat(contentFiles(torrent).map((file) => file.data));
  DATA.set(torrent, data);
  return data;
}

class Conversation {
  /** The id by which the other end knows `ut_metadata`. */
  #metadataId = 0;
  #input = Buffer.alloc(0);
  #isOpen = false;
  #isStuck = false;
  #queue: { index: number; begin: number; length: number }[] = [];
  #allowance = 0;

  constructor(
    readonly socket: net.Socket,
    readonly torrent: MadeTorrent,
    readonly data: Buffer,
    readonly info: Buffer,
    readonly options: ScriptedPeerOptions,
    readonly peer: ScriptedPeer,
    timers: Set<NodeJS.Timeout>,
    readonly isDialled: boolean,
  ) {
    if (isDialled) this.#hello();
    socket.on('data', (chunk) => {
      this.#input = Buffer.concat([this.#input, chunk]);
      this.#read();
    });
    const isPaced = options.rate !== undefined || options.behaviour === 'trickle';
    if (!isPaced) return;
    const timer = setInterval(() => this.#pace(), 20);
    timers.add(timer);
    socket.on('close', () => {
      clearInterval(timer);
      timers.delete(timer);
    });
  }

  #read(): void {
    if (!this.#isOpen) {
      if (this.#input.length < 68) return;
      this.peer.handshakes.push(Buffer.from(this.#input.subarray(0, 68)));
      this.#input = this.#input.subarray(68);
      this.#isOpen = true;
      this.peer.connections++;
      if (!this.isDialled) this.#hello();
      if (this.options.metadata) this.#sendExtensions(this.options.metadata);
      const { dhtPort } = this.options;
      if (dhtPort !== undefined) this.socket.write(message(9, Uint8Array.of(dhtPort >> 8, dhtPort & 0xff)));
    }
    while (this.#input.length >= 4 && this.#input.length >= 4 + this.#input.readUInt32BE(0)) {
      const length = this.#input.readUInt32BE(0);
      if (length > 0) this.#onMessage(this.#input.subarray(4, 4 + length));
      this.#input = this.#input.subarray(4 + length);
    }
  }

  #hello(): void {
    const handshake = Buffer.alloc(68);
    handshake[0] = 19;
    handshake.write('BitTorrent protocol', 1);
    handshake[27] = 4; // fast extension
    if (this.options.dhtPort !== undefined) handshake[27] |= 1;
    if (this.options.metadata) handshake[25] = 0x10;
    this.torrent.infoHash.copy(handshake, 28);
    handshake.write('-SC0001-', 48);
    handshake.write(String(this.peer.address.port).padStart(12, '0'), 56);
    const bitfield = Buffer.alloc(Math.ceil(this.torrent.pieceCount / 8));
    const pieces = this.options.pieces ?? Array.from({ length: this.torrent.pieceCount }, (_, index) => index);
    for (const index of pieces) bitfield[index >> 3]! |= 0x80 >> (index & 7);
    this.socket.write(Buffer.concat([handshake, this.options.greeting ?? message(5, bitfield)]));
  }

  #onMessage(bytes: Buffer): void {
    this.peer.messages.push(Buffer.from(bytes));
    if (bytes[0] === 20 && this.options.metadata) this.#onExtended(bytes[1]!, bytes.subarray(2), this.options.metadata);
    if (bytes[0] === 2 && this.options.behaviour !== 'never-unchoke') this.socket.write(message(1));
    if (bytes[0] === 8) {
      const [index, begin] = [bytes.readUInt32BE(1), bytes.readUInt32BE(5)];
      this.#queue = this.#queue.filter((request) => request.index !== index || request.begin !== begin);
    }
    if (bytes[0] !== 6) return;
    this.peer.requests++;
    if (this.options.behaviour === 'reject') {
      this.socket.write(message(16, bytes.subarray(1)));
      return;
    }
    this.#queue.push({ index: bytes.readUInt32BE(1), begin: bytes.readUInt32BE(5), length: bytes.readUInt32BE(9) });
    if (this.options.rate === undefined) this.#serve(Infinity);
  }

  #sendExtensions(behaviour: MetadataBehaviour): void {
    const size = this.info.length;
    const claim = behaviour === 'huge-size' ? 2 ** 31 - 1 : size + (behaviour === 'wrong-size' ? 1 : 0);
    const hello = {
      m: { ut_metadata: 7 },
      p: this.peer.address.port,
      ...(behaviour !== 'none' && { metadata_size: claim }),
    };
    this.#sendExtended(0, bencode.encode(hello));
  }

  #onExtended(id: number, payload: Buffer, behaviour: MetadataBehaviour): void {
    if (id === 0) {
      const { m } = bencode.decode(payload) as { m?: { ut_metadata?: number } };
      this.#metadataId = m?.ut_metadata ?? 0;
      return;
    }
    const request = bencode.decode(payload) as { msg_type: number; piece: number };
    if (id !== 7 || request.msg_type !== 0) return;
    this.peer.metadataRequests++;
    if (behaviour === 'stall') return;
    if (behaviour === 'refuse')
      this.#sendExtended(this.#metadataId, bencode.encode({ msg_type: 2, piece: request.piece }));
    else this.#sendMetadata(request.piece, behaviour);
    if (behaviour === 'flood') for (let piece = 0; piece < 100; piece++) this.#sendMetadata(1000 + piece, behaviour);
    if (behaviour === 'disconnect') this.socket.end();
  }

  #sendMetadata(piece: number, behaviour: MetadataBehaviour): void {
    const { info } = this;
    const whole = behaviour === 'wrong-size' ? Buffer.concat([info, Buffer.alloc(1)]) : info;
    const bytes = Buffer.from(whole.subarray(piece * BLOCK, (piece + 1) * BLOCK));
    if (behaviour === 'lie' || (behaviour === 'lie-once' && piece === 0)) bytes[0]! ^= 0xff;
    const total = whole.length + (behaviour === 'two-sizes' ? 1 : 0);
    const head = bencode.encode({ msg_type: 1, piece, total_size: total });
    this.#sendExtended(this.#metadataId, Buffer.concat([head, behaviour === 'short' ? bytes.subarray(1) : bytes]));
  }

  #sendExtended(id: number, payload: Uint8Array): void {
    this.socket.write(message(20, Buffer.concat([Uint8Array.of(id), payload])));
  }

  #pace(): void {
    this.#allowance = Math.min(this.#allowance + (this.options.rate ?? 0) / 50, (this.options.rate ?? 0) / 10 + BLOCK);
    this.#serve(this.#allowance);
  }

  #serve(most: number): void {
    const { behaviour } = this.options;
    if (behaviour === 'stall' || behaviour === 'never-unchoke' || this.#isStuck) return;
    let left = most;
    while (this.#queue[0] && this.#queue[0].length <= left) {
      const { index, begin, length } = this.#queue.shift()!;
      left -= length;
      this.#allowance -= length;
      const at = index * this.torrent.pieceLength + begin;
      const block = Buffer.from(this.data.subarray(at, at + length));
      if (behaviour === 'corrupt' || (behaviour === 'corrupt-some' && (begin / BLOCK) % 4 === 0)) block[0]! ^= 0xff;
      const head = Buffer.alloc(8);
      head.writeUInt32BE(index, 0);
      head.writeUInt32BE(begin, 4);
      const bytes = message(7, Buffer.concat([head, block]));
      if (behaviour === 'stall-in-block') {
        this.socket.write(bytes.subarray(0, 1000));
        this.#isStuck = true; // another thousand bytes for each request would be a whole block some time
        return;
      }
      this.socket.write(bytes);
      this.peer.blocks++;
      this.peer.sent += length;
      if (behaviour === 'disconnect') return void this.socket.end();
    }
    if (behaviour === 'trickle' && this.#queue.length > 0) this.#trickle();
  }

  /** The first block's head, then a byte of it at each call. */
  #trickle(): void {
    const { index, begin, length } = this.#queue[0]!;
    if (this.peer.sent === 0) {
      const head = Buffer.alloc(13);
      head.writeUInt32BE(9 + length, 0);
      head[4] = 7;
      head.writeUInt32BE(index, 5);
      head.writeUInt32BE(begin, 9);
      this.socket.write(head);
    }
    this.socket.write(this.data.subarray(this.peer.sent % this.data.length).subarray(0, 1));
    this.peer.sent++;
  }
}

function message(id: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(1 + payload.length, 0);
  head[4] = id;
  return Buffer.concat([head, payload]);
}
