import { createSocket, type Socket } from 'node:dgram';
import { networkInterfaces } from 'node:os';
import createDebug from 'debug';

const log = createDebug('torrent-dl:tracker:multicast');

/** Datagrams stay in the local network. */
const TTL = 1;

/** Takes a datagram; `host` is the IP address that it came from. */
export type OnDatagram = (bytes: Uint8Array, host: string) => void;

/** A multicast group that we listen to. */
export interface MulticastGroup extends AsyncDisposable {
  /** Sends on every network of this machine, one after the other; says how many took it. Never rejects. */
  send(datagram: Uint8Array): Promise<number>;
}

/** Opens a group by its IP address and port; undefined when this machine cannot do that. */
export type OpenMulticast = (
  address: string,
  port: number,
  onDatagram: OnDatagram,
) => Promise<MulticastGroup | undefined>;

/** Opens a multicast group on UDP sockets that other programs may share. */
export const openMulticast: OpenMulticast = async (address, port, onDatagram) => {
  const isIpv6 = address.includes(':');
  const socket = createSocket({ type: isIpv6 ? 'udp6' : 'udp4', reuseAddr: true, ...(isIpv6 && { ipv6Only: true }) });
  try {
    await bind(socket, address, port);
    socket.setMulticastTTL(TTL);
  } catch (error) {
    log('%s: %o', address, error);
    socket.close();
    return undefined;
  }
  socket.on('error', (error) => log('%s: %o', address, error)); // of one datagram; the next may do
  socket.on('message', (bytes, from) => onDatagram(bytes, from.address));
  const group = new UdpGroup(socket, address, port);
  group.join();
  return group;
};

/** Bound to the group itself, a socket gets nothing that anybody on the Internet sends to our port; Windows cannot do that. */
function bind(socket: Socket, address: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind({ port, ...(process.platform !== 'win32' && { address }) }, () => {
      socket.off('error', reject);
      resolve();
    });
  });
}

class UdpGroup implements MulticastGroup {
  readonly #socket: Socket;
  readonly #address: string;
  readonly #port: number;
  /** Interfaces that we listen on. */
  #joined = new Set<string>();
  #isClosed = false;
  #sending: Promise<unknown> = Promise.resolve();

  constructor(socket: Socket, address: string, port: number) {
    this.#socket = socket;
    this.#address = address;
    this.#port = port;
  }

  /** Listens on interfaces that have come since, too. */
  join(): void {
    const present = interfacesOf(this.#address.includes(':') ? 'IPv6' : 'IPv4');
    const joined = present.filter((name) => this.#joined.has(name) || this.#join(name));
    this.#joined = new Set(joined);
  }

  send(datagram: Uint8Array): Promise<number> {
    const sent = this.#sending.then(() => this.#sendAll(datagram));
    this.#sending = sent;
    return sent;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await new Promise<void>((resolve) => {
      this.#socket.close(resolve);
    });
  }

  #join(name: string): boolean {
    try {
      this.#socket.addMembership(this.#address, name);
      return true;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      log('%s on %s: %s', this.#address, name, code);
      return code === 'EADDRINUSE'; // a member already
    }
  }

  /** One after the other, for a socket has one outgoing interface at a time. */
  async #sendAll(datagram: Uint8Array): Promise<number> {
    if (!this.#isClosed) this.join();
    let count = 0;
    for (const name of this.#joined) if (await this.#sendOn(name, datagram)) count++;
    return count;
  }

  #sendOn(name: string, datagram: Uint8Array): Promise<boolean> {
    return new Promise((resolve) => {
      if (this.#isClosed) return resolve(false);
      try {
        this.#socket.setMulticastInterface(name);
        this.#socket.send(datagram, this.#port, this.#address, (error) => {
          if (error) log('%s on %s: %s', this.#address, name, error.message);
          resolve(!error);
        });
      } catch (error) {
        log('%s on %s: %o', this.#address, name, error);
        resolve(false);
      }
    });
  }
}

/**
 * The interfaces with an address of that family, as sockets name them: IPv4 by an address, IPv6 by `::%eth0` (on Windows
 * by number). Loopback only when there is no other, for programs on one machine hear each other on every interface.
 */
function interfacesOf(family: 'IPv4' | 'IPv6'): string[] {
  const [outer, loopback] = [new Map<string, string>(), new Map<string, string>()];
  for (const [name, addresses] of Object.entries(networkInterfaces())) {
    const found = addresses?.find((address) => address.family === family);
    if (!found) continue;
    const zone = process.platform === 'win32' ? String(found.scopeid ?? 0) : name;
    (found.internal ? loopback : outer).set(name, family === 'IPv4' ? found.address : `::%${zone}`);
  }
  return [...(outer.size > 0 ? outer : loopback).values()];
}
