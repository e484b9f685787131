import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import bencode from 'bencode';
import type { PeerAddress } from '../../src/common/address.js';

/** One announce as the tracker received it. */
export interface ReceivedAnnounce {
  /** Lower-case hex. */
  readonly infoHash: string;
  /** Latin1 text of the 20 bytes. */
  readonly peerId: string;
  readonly host: string;
  readonly port: number;
  readonly uploaded: number;
  readonly downloaded: number;
  readonly left: number;
  /** Empty in a regular announce. */
  readonly event: string;
  readonly numWant: number;
  /** All parameters, the above too; values are latin1 text of the bytes. */
  readonly parameters: ReadonlyMap<string, string>;
  readonly path: string;
  readonly userAgent: string;
  /** `performance.now()` of its arrival. */
  readonly atMs: number;
}

/** Answers a request in the tracker's place. */
export type Answer = (request: IncomingMessage, response: ServerResponse) => void;

export interface TrackerOptions {
  /** Address to listen on. Default 127.0.0.1. */
  readonly host?: string;
  /** Seconds, in each answer; default 1800. */
  readonly interval?: number;
  /** Seconds; missing in answers by default. */
  readonly minInterval?: number;
  /** Peers as dictionaries even for those who ask for compact ones. */
  readonly dictionaryPeers?: boolean;
  /** Peers to name besides those that announced. */
  readonly peers?: readonly PeerAddress[];
  /** More keys for each answer. */
  readonly extra?: Readonly<Record<string, unknown>>;
  /** Gives the answer to an announce to `Answer`, or undefined for the honest one. */
  readonly misbehave?: (announce: ReceivedAnnounce) => Answer | undefined;
}

export interface TestTracker extends AsyncDisposable {
  /** Its announce URL. */
  readonly url: string;
  readonly port: number;
  /** All announces, in order of arrival. */
  readonly announces: readonly ReceivedAnnounce[];
  /** The first announce, past or to come, that `matches`. */
  heard(matches: (announce: ReceivedAnnounce) => boolean): Promise<ReceivedAnnounce>;
  /** Who is registered for an info hash (hex). */
  swarm(infoHash: string): readonly PeerAddress[];
}

/** A small HTTP tracker (BEP 3, 23) with memory, in this process. */
export async function openTracker(options: TrackerOptions = {}): Promise<TestTracker> {
  const announces: ReceivedAnnounce[] = [];
  const swarms = new Map<string, Map<string, ReceivedAnnounce>>();
  const waiting = new Set<(announce: ReceivedAnnounce) => void>();

  const server = createServer((request, response) => {
    if (!/^[^?]*\/announce/.test(request.url ?? '')) {
      fail(404)(request, response);
      return;
    }
    const announce = readAnnounce(request);
    announces.push(announce);
    for (const listener of waiting) listener(announce);
    const answer = options.misbehave?.(announce);
    if (answer) {
      answer(request, response);
      return;
    }
    const swarm = swarms.get(announce.infoHash) ?? new Map<string, ReceivedAnnounce>();
    swarms.set(announce.infoHash, swarm);
    const id = `${announce.host}:${announce.port}`;
    if (announce.event === 'stopped') swarm.delete(id);
    else swarm.set(id, announce);
    const others = [...swarm].filter(([other]) => other !== id).map(([, peer]) => peer);
    response.end(bencode.encode(replyTo(announce, others, options)));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(0, options.host ?? '127.0.0.1', resolve);
  });
  const { port, address, family } = server.address() as AddressInfo;

  return {
    url: `http://${family === 'IPv6' ? `[${address}]` : address}:${port}/announce`,
    port,
    announces,
    heard(matches) {
      const past = announces.find(matches);
      if (past) return Promise.resolve(past);
      return new Promise((resolve) => {
        const listener = (announce: ReceivedAnnounce): void => {
          if (!matches(announce)) return;
          waiting.delete(listener);
          resolve(announce);
        };
        waiting.add(listener);
      });
    },
    swarm: (infoHash) => [...(swarms.get(infoHash)?.values() ?? [])].map(({ host, port }) => ({ host, port })),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function replyTo(
  { parameters, numWant }: ReceivedAnnounce,
  others: readonly ReceivedAnnounce[],
  { interval = 1800, minInterval, dictionaryPeers, peers = [], extra }: TrackerOptions,
): Record<string, unknown> {
  const all = [...others, ...peers].slice(0, numWant);
  const isCompact = !dictionaryPeers && parameters.get('compact') === '1';
  return {
    complete: others.filter(({ left }) => left === 0).length,
    incomplete: others.filter(({ left }) => left > 0).length,
    interval,
    ...(minInterval !== undefined && { 'min interval': minInterval }),
    peers: isCompact ? compact(all) : all.map(({ host, port }) => ({ ip: host, port })),
    ...extra,
  };
}

/** 6 bytes for each IPv4 peer (BEP 23); others are left out. */
export function compact(peers: readonly PeerAddress[]): Uint8Array {
  const ipv4 = peers.filter(({ host }) => !host.includes(':'));
  return Uint8Array.from(ipv4.flatMap(({ host, port }) => [...host.split('.').map(Number), port >> 8, port & 0xff]));
}

function readAnnounce(request: IncomingMessage): ReceivedAnnounce {
  const [path = '', query = ''] = (request.url ?? '').split('?', 2);
  const parameters = new Map(
    query.split('&').map((pair) => {
      const [name = '', value = ''] = pair.split('=', 2);
      return [name, unescapeBytes(value)] as const;
    }),
  );
  const text = (name: string): string => parameters.get(name) ?? '';
  return {
    infoHash: Buffer.from(text('info_hash'), 'latin1').toString('hex'),
    peerId: text('peer_id'),
    host: (request.socket.remoteAddress ?? '').replace(/^::ffff:/, ''),
    port: Number(text('port')),
    uploaded: Number(text('uploaded')),
    downloaded: Number(text('downloaded')),
    left: Number(text('left')),
    event: text('event'),
    numWant: Number(text('numwant') || 50),
    parameters,
    path,
    userAgent: request.headers['user-agent'] ?? '',
    atMs: performance.now(),
  };
}

/** `%XX` → latin1 text. */
function unescapeBytes(text: string): string {
  return text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

/** Answers with a status and, if given, a bencoded failure reason. */
export function fail(status: number, reason?: string, more: Readonly<Record<string, unknown>> = {}): Answer {
  return (_, response) => {
    response.statusCode = status;
    response.end(reason === undefined ? undefined : bencode.encode({ 'failure reason': reason, ...more }));
  };
}

/** Accepts the request and never answers. */
export const hang: Answer = () => undefined;

/** Answers with this body. */
export function say(body: string | Uint8Array, headers: Readonly<Record<string, string>> = {}): Answer {
  return (_, response) => {
    response.writeHead(200, headers);
    response.end(body);
  };
}

/** Sends a byte every so many ms, for ever. */
export function drip(everyMs: number): Answer {
  return (_, response) => {
    const timer = setInterval(() => response.write('d'), everyMs);
    response.on('close', () => {
      clearInterval(timer);
    });
  };
}

/** Sends as much as is taken, for ever. */
export const flood: Answer = (_, response) => {
  const chunk = Buffer.alloc(64 * 1024, 'x');
  const pour = (): void => {
    while (!response.destroyed && response.write(chunk));
  };
  response.on('drain', pour);
  pour();
};

/** Sends the asker elsewhere. */
export function redirect(location: string, status = 302): Answer {
  return (_, response) => {
    response.writeHead(status, { location });
    response.end();
  };
}
