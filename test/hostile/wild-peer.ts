/** A peer that may do anything: a script says what, for each connection. */
import { once } from 'node:events';
import net from 'node:net';
import { encodeExtended, encodeMessage, MESSAGE, readUint32 } from '../../src/peer/wire.js';
import type { MadeTorrent } from '../helpers/torrent.js';

/** Fast extension (BEP 6) and extension protocol (BEP 10). */
const RESERVED = Buffer.from([0, 0, 0, 0, 0, 0x10, 0, 4]);

/** What a peer does on a connection; begins when the connection is there. */
export type Script = (visit: Visit) => void;

/** One connection, from the hostile end. */
export class Visit {
  /** Messages of the other end. */
  onMessage: (id: number, payload: Buffer) => void = () => undefined;
  readonly #timers: NodeJS.Timeout[] = [];
  #input = Buffer.alloc(0);
  #isGreeted = false;

  constructor(
    readonly socket: net.Socket,
    readonly torrent: MadeTorrent,
    readonly peer: WildPeer,
  ) {
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => this.#read(chunk));
    socket.on('close', () => {
      for (const timer of this.#timers) clearInterval(timer);
    });
  }

  say(bytes: Uint8Array): void {
    if (!this.socket.destroyed) this.socket.write(bytes);
  }

  send(id: number, payload?: Uint8Array): void {
    this.say(encodeMessage(id, payload));
  }

  extended(id: number, payload: Uint8Array | string): void {
    this.say(encodeExtended(id, Buffer.from(payload)));
  }

  /** A right handshake. */
  greet(infoHash: Uint8Array = this.torrent.infoHash): void {
    const id = Buffer.from(`-HO0001-${String(this.socket.localPort).padStart(12, 'x')}`);
    this.say(Buffer.concat([Buffer.from('\x13BitTorrent protocol', 'latin1'), RESERVED, infoHash, id]));
  }

  /** A right handshake, everything to offer, and an unchoke. */
  pretend(): void {
    this.greet();
    this.send(MESSAGE.haveAll);
    this.send(MESSAGE.unchoke);
  }

  every(ms: number, run: () => void): void {
    this.#timers.push(setInterval(run, ms));
  }

  /** Sends as much of this as is taken, for ever. */
  pour(next: () => Uint8Array): void {
    const more = (): void => {
      while (!this.socket.destroyed && this.socket.write(next()));
    };
    this.socket.on('drain', more);
    more();
  }

  #read(chunk: Buffer): void {
    this.#input = Buffer.concat([this.#input, chunk]);
    if (!this.#isGreeted) {
      if (this.#input.length < 68) return;
      this.#isGreeted = true;
      this.peer.greetings++;
      this.#input = this.#input.subarray(68);
    }
    while (this.#input.length >= 4 && this.#input.length >= 4 + readUint32(this.#input, 0)) {
      const end = 4 + readUint32(this.#input, 0);
      const [id, payload] = [this.#input[4], this.#input.subarray(5, end)];
      this.#input = this.#input.subarray(end);
      if (id === undefined || end === 4) continue;
      if (id === MESSAGE.request) this.peer.requests++;
      this.onMessage(id, payload);
    }
  }
}

export interface WildPeerOptions {
  /** Where it listens; all loopback addresses lead to `0.0.0.0`. */
  readonly host?: string;
  /** The other end has hung up, or broken down. */
  readonly onLost?: () => void;
}

/** Listens on loopback and runs a script on each connection. */
export class WildPeer implements AsyncDisposable {
  /** Connections, handshakes and requests that came. */
  connections = 0;
  greetings = 0;
  requests = 0;
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();

  private constructor(server: net.Server, torrent: MadeTorrent, script: Script, onLost?: () => void) {
    this.#server = server;
    server.on('connection', (socket) => {
      this.connections++;
      this.#sockets.add(socket);
      socket.on('close', () => {
        this.#sockets.delete(socket);
        onLost?.();
      });
      script(new Visit(socket, torrent, this));
    });
  }

  static async open(torrent: MadeTorrent, script: Script, { host, onLost }: WildPeerOptions = {}): Promise<WildPeer> {
    const server = net.createServer({ noDelay: true }).listen(0, host ?? '127.0.0.1');
    await once(server, 'listening');
    return new WildPeer(server, torrent, script, onLost);
  }

  get port(): number {
    return (this.#server.address() as net.AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    const closed = once(this.#server, 'close');
    this.#server.close();
    await closed;
  }
}
