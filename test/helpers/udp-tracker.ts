import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import type { PeerAddress } from '../../src/common/address.js';
import { bytesOfIp } from '../../src/common/ip.js';

/** One announce as the tracker received it. */
export interface ReceivedAnnounce {
  /** Lower-case hex. */
  readonly infoHash: string;
  /** Latin1 text of the 20 bytes. */
  readonly peerId: string;
  readonly from: PeerAddress;
  readonly port: number;
  readonly uploaded: bigint;
  readonly downloaded: bigint;
  readonly left: bigint;
  /** Empty in a regular announce. */
  readonly event: string;
  /** Eight hex digits. */
  readonly key: string;
  readonly numWant: number;
  /** Path and query (BEP 41). */
  readonly urlData: string;
  /** How long each of its options was. */
  readonly optionLengths: readonly number[];
}

export type Action = 'connect' | 'announce' | 'scrape';
const ACTIONS: readonly Action[] = ['connect', 'announce', 'scrape'];
const EVENTS = ['', 'completed', 'started', 'stopped'];
const PROTOCOL_ID = 0x41727101980n;

export interface UdpTrackerOptions {
  /** Seconds; default 1800. */
  readonly interval?: number;
  /** Peers to name besides those that announced. */
  readonly peers?: readonly PeerAddress[];
  /** Counts by info hash (hex): complete, downloaded, incomplete. */
  readonly counts?: Readonly<Record<string, readonly [number, number, number]>>;
  /** Takes the place of the honest answer; `silence` is none, undefined the honest one. */
  readonly misbehave?: (action: Action, bytes: Uint8Array) => Uint8Array | 'silence' | undefined;
}

/** A UDP tracker (BEP 15, 41) without sockets: datagrams in, datagrams out. */
export class UdpTrackerCore {
  /** What was asked, in order, the refused and unanswered too. */
  readonly asked: Action[] = [];
  readonly announces: ReceivedAnnounce[] = [];
  readonly #connections = new Set<bigint>();
  readonly #peers = new Map<string, PeerAddress>();
  readonly #options: UdpTrackerOptions;
  #nextConnection = 0x1122_3344_5566_7788n;

  constructor(options: UdpTrackerOptions = {}) {
    this.#options = options;
  }

  /** As a tracker that was restarted. */
  forgetConnections(): void {
    this.#connections.clear();
  }

  answer(datagram: Uint8Array, from: PeerAddress): Uint8Array | undefined {
    const bytes = Buffer.from(datagram);
    const action = bytes.length >= 16 ? ACTIONS[bytes.readUInt32BE(8)] : undefined;
    if (!action) return undefined;
    this.asked.push(action);
    const odd = this.#options.misbehave?.(action, bytes);
    if (odd === 'silence') return undefined;
    if (odd) return odd;
    const id = bytes.readBigUInt64BE(0);
    if (action === 'connect') return id === PROTOCOL_ID ? this.#connect(bytes) : undefined;
    if (!this.#connections.has(id)) return errorReply(bytes, 'connection id mismatch');
    return action === 'announce' ? this.#announce(bytes, from) : this.#scrape(bytes);
  }

  #connect(request: Buffer): Uint8Array {
    const id = this.#nextConnection++;
    this.#connections.add(id);
    return reply(request, 0, uint64(id));
  }

  #announce(request: Buffer, from: PeerAddress): Uint8Array {
    const announce = readAnnounce(request, from);
    this.announces.push(announce);
    const peer = { host: from.host, port: announce.port };
    const key = `${peer.host} ${peer.port}`;
    if (announce.event === 'stopped') this.#peers.delete(key);
    else this.#peers.set(key, peer);
    const others = [...this.#peers].filter(([other]) => other !== key).map(([, other]) => other);
    const isSameFamily = ({ host }: PeerAddress): boolean => host.includes(':') === from.host.includes(':');
    const named = [...others, ...(this.#options.peers ?? [])].filter(isSameFamily).slice(0, announce.numWant);
    const { interval = 1800 } = this.#options;
    return reply(request, 1, uint32(interval, others.length, 0), ...named.map(compact));
  }

  #scrape(request: Buffer): Uint8Array {
    const hashes: string[] = [];
    for (let at = 16; at + 20 <= request.length; at += 20) hashes.push(request.toString('hex', at, at + 20));
    return reply(request, 2, ...hashes.map((hash) => uint32(...(this.#options.counts?.[hash] ?? [0, 0, 0]))));
  }
}

/** The answer to `request` with this action and body. */
export function reply(request: Uint8Array, action: number, ...body: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat([uint32(action), request.subarray(12, 16), ...body]);
}

export function errorReply(request: Uint8Array, message: string): Uint8Array {
  return reply(request, 3, Buffer.from(message));
}

export function uint32(...values: readonly number[]): Uint8Array {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, index) => bytes.writeUInt32BE(value, 4 * index));
  return bytes;
}

export function compact({ host, port }: PeerAddress): Uint8Array {
  return Uint8Array.of(...bytesOfIp(host)!, port >> 8, port & 0xff);
}

function uint64(value: bigint): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(value);
  return bytes;
}

function readAnnounce(bytes: Buffer, from: PeerAddress): ReceivedAnnounce {
  const options: Buffer[] = [];
  for (let at = 98; bytes[at] === 2; at += 2 + bytes[at + 1]!) {
    options.push(bytes.subarray(at + 2, at + 2 + bytes[at + 1]!));
  }
  return {
    infoHash: bytes.toString('hex', 16, 36),
    peerId: bytes.toString('latin1', 36, 56),
    downloaded: bytes.readBigUInt64BE(56),
    left: bytes.readBigUInt64BE(64),
    uploaded: bytes.readBigUInt64BE(72),
    event: EVENTS[bytes.readUInt32BE(80)] ?? '?',
    key: bytes.toString('hex', 88, 92),
    numWant: bytes.readInt32BE(92),
    port: bytes.readUInt16BE(96),
    from,
    urlData: Buffer.concat(options).toString('latin1'),
    optionLengths: options.map(({ length }) => length),
  };
}

export interface TestUdpTracker extends AsyncDisposable {
  /** Its announce URL. */
  readonly url: string;
  readonly port: number;
  readonly core: UdpTrackerCore;
}

/** The same on a socket, 127.0.0.1 by default. */
export async function openUdpTracker(
  options: UdpTrackerOptions & { readonly host?: string; readonly port?: number } = {},
): Promise<TestUdpTracker> {
  const { host = '127.0.0.1', port: wanted = 0 } = options;
  const isIpv6 = host.includes(':');
  const socket = createSocket({ type: isIpv6 ? 'udp6' : 'udp4', ipv6Only: isIpv6 });
  const listening = once(socket, 'listening');
  socket.bind(wanted, host);
  await listening;
  const core = new UdpTrackerCore(options);
  socket.on('message', (bytes, { address, port }) => {
    const answer = core.answer(bytes, { host: address, port });
    if (answer) socket.send(answer, port, address);
  });
  const { port } = socket.address();
  return {
    url: `udp://${isIpv6 ? `[${host}]` : host}:${port}/announce`,
    port,
    core,
    async [Symbol.asyncDispose]() {
      const closed = once(socket, 'close');
      socket.close();
      await closed;
    },
  };
}
