import net from 'node:net';
import { once } from 'node:events';
import createDebug from 'debug';
import { UsageError } from '../common/errors.js';
import { wordsOfCode } from '../common/system-words.js';

const log = createDebug('torrent-dl:peer');

/** BEP 3: the ports that clients try first. */
const USUAL_PORTS = [6881, 6882, 6883, 6884, 6885, 6886, 6887, 6888, 6889];
/** Protocol name, reserved bytes and info hash: what tells which torrent a peer wants. */
const ENOUGH = 48;
const HELLO_TIMEOUT_MS = 10_000;
/** Peers that have dialled and not yet said what they want; one more, and who has waited longest goes. */
const MOST_PENDING = 200;

/** A peer that dialled us and named a torrent; `received` are its bytes so far. */
export interface IncomingPeer {
  readonly socket: net.Socket;
  readonly received: Uint8Array;
}

/** The listening port of a session. Reads who is asked for and hands the peer to that download. */
export class PeerListener implements AsyncDisposable {
  readonly #server: net.Server;
  readonly #takers = new Map<string, (peer: IncomingPeer) => void>();
  /** How to drop each of them, the oldest first. */
  readonly #pending = new Map<net.Socket, () => void>();

  private constructor(server: net.Server) {
    this.#server = server;
    server.on('connection', (socket) => this.#onSocket(socket));
    server.on('error', (error) => log('listener: %s', error.message));
  }

  /**
   * Listens on `port`, or on a free one of 6881–6889, else on any.
   * @throws {UsageError} when the port that was asked for is taken or not allowed
   */
  static async open(port?: number): Promise<PeerListener> {
    for (const candidate of port === undefined ? [...USUAL_PORTS, 0] : [port]) {
      const server = await listen(candidate).catch((error: unknown) => {
        if (port !== undefined) throw portError(port, error);
        return undefined;
      });
      if (server) return new PeerListener(server);
    }
    throw new UsageError('ERR_PORT', 'cannot listen for peers on any port');
  }

  /** The real port. */
  get port(): number {
    return (this.#server.address() as net.AddressInfo).port;
  }

  /** Peers that ask for this info hash go to `take`, until somebody else takes them or the returned function is called. */
  serve(infoHash: Uint8Array, take: (peer: IncomingPeer) => void): () => void {
    const key = Buffer.from(infoHash).toString('hex');
    this.#takers.set(key, take);
    return () => {
      if (this.#takers.get(key) === take) this.#takers.delete(key);
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const drop of [...this.#pending.values()]) drop();
    const closed = once(this.#server, 'close');
    this.#server.close();
    await closed;
  }

  #onSocket(socket: net.Socket): void {
    let received = Buffer.alloc(0);
    const onData = (chunk: Buffer): void => {
      received = Buffer.concat([received, chunk]);
      if (received[0] !== 19) return drop();
      if (received.length < ENOUGH) return;
      const take = this.#takers.get(received.subarray(28, ENOUGH).toString('hex'));
      if (!take) return drop();
      release();
      take({ socket, received });
    };
    const release = (): void => {
      this.#pending.delete(socket);
      clearTimeout(timer);
      socket.off('data', onData).off('error', drop).off('close', drop);
    };
    const drop = (): void => {
      release();
      socket.on('error', () => undefined); // a reset after we lost interest
      socket.destroy();
    };
    const timer = setTimeout(drop, HELLO_TIMEOUT_MS); // for all of it: bytes that drip in give no more time
    this.#pending.set(socket, drop);
    if (this.#pending.size > MOST_PENDING) this.#pending.values().next().value?.();
    socket.on('data', onData).on('error', drop).on('close', drop);
  }
}

/** Dual stack where there is IPv6, else IPv4. */
async function listen(port: number): Promise<net.Server> {
  const server = net.createServer();
  const start = async (host: string): Promise<net.Server> => {
    server.listen({ port, host, backlog: 256 });
    await once(server, 'listening');
    return server;
  };
  return start('::').catch((error: unknown) => {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EAFNOSUPPORT' || code === 'EADDRNOTAVAIL') return start('0.0.0.0');
    throw error;
  });
}

function portError(port: number, error: unknown): UsageError {
  const { code } = error as NodeJS.ErrnoException;
  const why =
    code === 'EADDRINUSE' ? 'it is in use' : code === 'EACCES' ? 'permission denied' : wordsOfCode(String(code));
  return new UsageError('ERR_PORT', `cannot listen on port ${port}: ${why}`, { cause: error });
}
