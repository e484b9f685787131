import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import createDebug from 'debug';
import type { PeerAddress } from './address.js';
import { UsageError } from './errors.js';
import { wordsOfCode } from './system-words.js';
import { canonicalIp } from './ip.js';

const log = createDebug('torrent-dl:udp');

/** Room for what arrives while we are busy; the kernel may give less. */
const RECEIVE_BUFFER = 1024 * 1024;
/** How often we look for a port that is free on both families. */
const MOST_TRIES = 8;

/** What protocol cores get of UDP; tests plug in a fake network. */
export interface Datagrams {
  /** Sends `bytes`, which must not change any more. Never throws: what cannot be sent is counted and dropped. */
  send(bytes: Uint8Array, to: PeerAddress): void;
}

export interface UdpPortOptions {
  /** Default 0: any. */
  readonly port?: number;
  /** The user asked for this very port, so another will not do. */
  readonly isPortFixed?: boolean;
}

interface Handler {
  readonly claims: (bytes: Uint8Array) => boolean;
  readonly onDatagram: (bytes: Uint8Array, from: PeerAddress) => void;
}

/**
 * A pair of UDP sockets, IPv4 and IPv6, on the same port where possible; hands each datagram to the protocol that claims
 * it.
 */
export class UdpPort implements Datagrams, AsyncDisposable {
  readonly #ipv4: Socket;
  readonly #ipv6: Socket | undefined;
  readonly #handlers: Handler[] = [];
  #dropped = 0;
  #closing: Promise<unknown> | undefined;

  private constructor(ipv4: Socket, ipv6: Socket | undefined) {
    this.#ipv4 = ipv4;
    this.#ipv6 = ipv6;
    for (const socket of [ipv4, ipv6]) {
      // of one datagram, such as a peer's ICMP refusal: the next may do
      socket?.on('error', (error) => log('port %d: %s', this.port, error.message));
      socket?.on('message', this.#onMessage);
    }
  }

  /**
   * Binds the given port, or any free one when that is taken and not fixed. A machine without IPv6 is no error.
   * @throws {UsageError} when a fixed port is taken or not allowed
   */
  static async open({ port = 0, isPortFixed = false }: UdpPortOptions = {}): Promise<UdpPort> {
    for (let tries = 1; ; tries++) {
      const wanted = tries === 1 || isPortFixed ? port : 0;
      try {
        return await UdpPort.#bind(wanted, tries < MOST_TRIES || isPortFixed);
      } catch (error) {
        if (isPortFixed || tries >= MOST_TRIES) throw portError(wanted, error);
      }
    }
  }

  static async #bind(port: number, mustBeSame: boolean): Promise<UdpPort> {
    const ipv4 = await bind('udp4', port);
    try {
      return new UdpPort(ipv4, await bindIpv6(ipv4.address().port, mustBeSame));
    } catch (error) {
      await close(ipv4);
      throw error;
    }
  }

  /** The port that others reach us at. */
  get port(): number {
    return this.#ipv4.address().port;
  }

  /** Whether this machine can speak IPv6 at all; that it reaches anybody so is not said. */
  get hasIpv6(): boolean {
    return this.#ipv6 !== undefined;
  }

  /** Datagrams that could not be sent. */
  get dropped(): number {
    return this.#dropped;
  }

  send(bytes: Uint8Array, { host, port }: PeerAddress): void {
    const socket = host.includes(':') ? this.#ipv6 : this.#ipv4;
    if (!socket || this.#closing) {
      this.#dropped++;
      return;
    }
    try {
      socket.send(bytes, port, host, this.#onSent);
    } catch (error) {
      this.#onSent(error as Error); // port 0 or what is not an address
    }
  }

  /**
   * Datagrams whose first bytes `claims` accepts go to `onDatagram`; the first handler that claims one gets it. `bytes`
   * is the handler's to keep. The result ends it.
   */
  handle(claims: Handler['claims'], onDatagram: Handler['onDatagram']): () => void {
    const handler = { claims, onDatagram };
    this.#handlers.push(handler);
    return () => {
      const index = this.#handlers.indexOf(handler);
      if (index >= 0) this.#handlers.splice(index, 1);
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= Promise.all([close(this.#ipv4), this.#ipv6 && close(this.#ipv6)]);
    await this.#closing;
  }

  readonly #onSent = (error: Error | null): void => {
    if (!error) return;
    this.#dropped++;
    if (log.enabled) log('dropped: %s', error.message);
  };

  readonly #onMessage = (bytes: Uint8Array, { address, port }: RemoteInfo): void => {
    const handler = this.#handlers.find(({ claims }) => claims(bytes));
    if (!handler) return;
    const host = address.startsWith('::ffff:') ? (canonicalIp(address) ?? address) : address;
    handler.onDatagram(bytes, { host, port });
  };
}

async function bind(type: 'udp4' | 'udp6', port: number): Promise<Socket> {
  const socket = createSocket({
    type,
    ...(type === 'udp6' && { ipv6Only: true }),
    // all we are given are addresses: a name must not reach the resolver, nor an address wait for its turn
    lookup: (host, _, callback) => callback(null, host, type === 'udp6' ? 6 : 4),
  });
  try {
    const listening = once(socket, 'listening'); // may come before bind returns
    socket.bind({ port, address: type === 'udp6' ? '::' : '0.0.0.0', exclusive: true });
    await listening;
  } catch (error) {
    socket.close();
    throw error;
  }
  try {
    socket.setRecvBufferSize(RECEIVE_BUFFER);
  } catch (error) {
    log('receive buffer: %o', error); // some systems refuse rather than give less
  }
  return socket;
}

/** Undefined where there is no IPv6. @throws when the port is taken and no other will do */
async function bindIpv6(port: number, mustBeSame: boolean): Promise<Socket | undefined> {
  try {
    return await bind('udp6', port);
  } catch (error) {
    if (!isTaken(error)) return undefined;
    if (mustBeSame) throw error;
    return bind('udp6', 0);
  }
}

async function close(socket: Socket): Promise<void> {
  const closed = once(socket, 'close');
  socket.close();
  await closed;
}

function isTaken(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
}

function portError(port: number, error: unknown): UsageError {
  const { code } = error as NodeJS.ErrnoException;
  const why = isTaken(error) ? 'it is in use' : code === 'EACCES' ? 'permission denied' : wordsOfCode(String(code));
  return new UsageError('ERR_PORT', `cannot use UDP port ${port}: ${why}`, { cause: error });
}
