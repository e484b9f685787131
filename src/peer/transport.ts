import net from 'node:net';
import type { PeerAddress } from '../common/address.js';

/** A way to a peer: TCP here; encrypted and uTP ways have the same shape. */
export interface Transport {
  readonly address: PeerAddress;
  readonly isIncoming: boolean;
  /** Sends the bytes; they must not change until they are gone, which `onSent` tells unless the connection breaks. */
  write: (bytes: Uint8Array, onSent?: () => void) => void;
  /** Bytes that the peer has not taken yet, beyond what the system keeps for it. */
  readonly unsentLength: number;
  /** Between the two, writes are gathered into one. */
  cork: () => void;
  uncork: () => void;
  /** Ends it at once; no event follows. */
  close: () => void;
}

export interface TransportEvents {
  onConnect: () => void;
  /** `length` bytes came; `chunk` is reused after the call. */
  onBytes: (chunk: Uint8Array, length: number) => void;
  onClose: (reason: string) => void;
}

/** A transport whose events can go to somebody else from now on. */
export interface LiveTransport extends Transport {
  events: TransportEvents;
}

const SCRATCH_LENGTH = 262_144;

/**
 * One scratch for all sockets. libuv asks for memory, reads and calls back in one go, and `onBytes` keeps nothing, so
 * two sockets never share it at a time. A read takes up to 16 blocks at once; copying them to their places costs less
 * than a read for each head and each block would (ARCHITECTURE.md has the figures). On Windows a read may be pending
 * while others run, so there each socket has its own.
 */
const shared = process.platform === 'win32' ? undefined : new Uint8Array(SCRATCH_LENGTH);

class TcpTransport implements LiveTransport {
  events: TransportEvents;
  readonly address: PeerAddress;
  readonly isIncoming: boolean;
  readonly #socket: net.Socket;

  constructor(socket: net.Socket, address: PeerAddress, isIncoming: boolean, events: TransportEvents) {
    this.#socket = socket;
    this.events = events;
    this.address = address;
    this.isIncoming = isIncoming;
    socket.setNoDelay(true);
    let reason = 'closed by the peer';
    socket.on('error', (error: NodeJS.ErrnoException) => (reason = error.code ?? error.message));
    socket.on('close', () => this.events.onClose(reason));
  }

  get unsentLength(): number {
    return this.#socket.writableLength;
  }

  write(bytes: Uint8Array, onSent?: () => void): void {
    if (!onSent) this.#socket.write(bytes);
    else {
      this.#socket.write(bytes, (error) => {
        if (!error) onSent();
      });
    }
  }

  cork(): void {
    this.#socket.cork();
  }

  uncork(): void {
    this.#socket.uncork();
  }

  close(): void {
    this.#socket.removeAllListeners('close');
    this.#socket.destroy();
  }
}

/** Dials a peer. The events begin with `onConnect` or `onClose`. */
export function dialTcp(address: PeerAddress, events: TransportEvents): LiveTransport {
  const buffer = shared ?? new Uint8Array(SCRATCH_LENGTH);
  const callback = (length: number): boolean => {
    transport.events.onBytes(buffer, length);
    return true;
  };
  const socket = net.connect({ ...address, autoSelectFamily: false, onread: { buffer, callback } });
  const transport = new TcpTransport(socket, address, false, events);
  socket.on('connect', () => transport.events.onConnect());
  return transport;
}

/** Takes over an accepted socket. Node gives those no `onread`, so each read has memory of its own. */
export function acceptTcp(socket: net.Socket, events: TransportEvents): LiveTransport {
  const address = addressOf(socket);
  const transport = new TcpTransport(socket, address, true, events);
  socket.on('data', (chunk) => transport.events.onBytes(chunk, chunk.length));
  socket.resume();
  return transport;
}

/** Who is at the other end of an accepted socket. */
export function addressOf(socket: net.Socket): PeerAddress {
  return { host: plainAddress(socket.remoteAddress ?? ''), port: socket.remotePort ?? 0 };
}

/** An IPv4 address on a dual-stack socket comes as `::ffff:192.0.2.1`. */
export function plainAddress(host: string): string {
  return host.startsWith('::ffff:') && host.includes('.') ? host.slice('::ffff:'.length) : host;
}
