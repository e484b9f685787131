import { randomBytes } from 'node:crypto';
import createDebug from 'debug';
import { formatAddress, type PeerAddress } from '../common/address.js';
import { systemClock, type Clock } from '../common/clock.js';
import { TrackerError } from '../common/errors.js';
import { canonicalIp } from '../common/ip.js';
import { resolveName } from '../common/names.js';
import type { UdpPort } from '../common/udp.js';
import { hostOf } from '../common/url.js';
import type { AnnounceOver, Family } from './families.js';
import type { ScrapeCounts } from './scrape.js';
import * as wire from './udp-wire.js';
import { ACTION, type Action } from './udp-wire.js';

const log = createDebug('torrent-dl:tracker:udp');

/** BEP 15: how long a client may use a connection id. */
const CONNECTION_MS = 60_000;
/**
 * After the first datagram without an answer, and twice as long after each one more: a tenth of what BEP 15 says. With its
 * 15 s a single lost datagram would outlast the announcer's patience (4 s) and the whole goodbye (2 s), and use up half an
 * announce (30 s). As announces end then, no tracker gets more than five datagrams for one of them.
 */
const RESEND_MS = 1_500;

/** What is used of a `UdpPort`. */
export type UdpEndpoint = Pick<UdpPort, 'send' | 'handle'>;

export interface UdpTrackersOptions {
  readonly clock?: Clock;
  /** 32 random bits that nobody can guess. */
  readonly random32?: () => number;
  /** An address of that family, or of any. @throws when there is none */
  readonly lookUp?: (host: string, family: Family | undefined, signal: AbortSignal) => Promise<string>;
}

interface Limits {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** A request that waits for its answer: from this address, about this. */
interface Pending {
  readonly from: string;
  readonly action: Action;
  readonly onAnswer: (answer: Uint8Array | TrackerError) => void;
}

interface Connection {
  readonly id: bigint;
  readonly expiresAt: number;
}

/**
 * Talks to UDP trackers (BEP 15) from a port shared with others. Each exchange is the way through this:
 *
 *     connection id at hand? ── no ──► connect ──► announce or scrape ──► answer
 *              │                          ▲             │
 *             yes                         └─────────────┘ the id expired
 *              ▼                          ▲
 *      announce or scrape ────────────────┘ no answer or a refusal: the tracker may have forgotten the id
 */
export class UdpTrackers {
  readonly #udp: UdpEndpoint;
  readonly #clock: Clock;
  readonly #random32: () => number;
  readonly #lookUp: NonNullable<UdpTrackersOptions['lookUp']>;
  readonly #pending = new Map<number, Pending>(); // by transaction id
  readonly #connections = new Map<string, Connection>(); // by address
  readonly #release: () => void;

  constructor(udp: UdpEndpoint, { clock, random32, lookUp }: UdpTrackersOptions = {}) {
    this.#udp = udp;
    this.#clock = clock ?? systemClock;
    this.#random32 = random32 ?? (() => randomBytes(4).readUInt32BE());
    this.#lookUp = lookUp ?? lookUpHost;
    this.#release = udp.handle(
      (bytes) => this.#pending.has(wire.readHeader(bytes)?.transactionId ?? -1),
      (bytes, from) => this.#onDatagram(bytes, from),
    );
  }

  /** Announces over one family (BEP 15, 41). */
  readonly announce: AnnounceOver = (request, { family, ...limits }) =>
    this.#within(limits, async (signal) => {
      const tracker = await this.#addressOf(request.url, family, signal);
      const bytes = await this.#exchange(tracker, ACTION.announce, signal, (connectionId, transactionId) =>
        wire.encodeAnnounce(connectionId, transactionId, request),
      );
      return wire.readAnnounce(bytes, tracker.host.includes(':') ? 'ipv6' : 'ipv4');
    });

  /** The counts of up to 74 torrents, in their order. @throws {TrackerError} as an announce does */
  scrape(
    url: URL,
    infoHashes: readonly Uint8Array[],
    { family, ...limits }: Limits & { readonly family: Family | undefined },
  ): Promise<ScrapeCounts[]> {
    return this.#within(limits, async (signal) => {
      const tracker = await this.#addressOf(url, family, signal);
      const bytes = await this.#exchange(tracker, ACTION.scrape, signal, (connectionId, transactionId) =>
        wire.encodeScrape(connectionId, transactionId, infoHashes),
      );
      return wire.readScrape(bytes, infoHashes.length);
    });
  }

  /** Leaves the port; what is still awaited ends by its own limits. */
  close(): void {
    this.#release();
  }

  async #exchange(
    tracker: PeerAddress,
    action: Action,
    signal: AbortSignal,
    encode: (connectionId: bigint, transactionId: number) => Uint8Array,
  ): Promise<Uint8Array> {
    const name = formatAddress(tracker);
    const ask = ({ id, expiresAt }: Connection, patienceMs = Infinity): Promise<Uint8Array | undefined> =>
      this.#ask(tracker, action, signal, Math.min(expiresAt, this.#clock.now() + patienceMs), (transactionId) =>
        encode(id, transactionId),
      );
    const known = this.#connections.get(name);
    if (known && known.expiresAt > this.#clock.now()) {
      const answer = await ask(known, RESEND_MS).catch(undefinedIfRefused);
      if (answer) return answer;
      log('%s: may have forgotten our connection id', name);
    }
    for (;;) {
      const answer = await ask(await this.#connect(tracker, signal));
      if (answer) return answer;
    }
  }

  async #connect(tracker: PeerAddress, signal: AbortSignal): Promise<Connection> {
    const answer = await this.#ask(tracker, ACTION.connect, signal, Infinity, wire.encodeConnect);
    const now = this.#clock.now();
    for (const [name, { expiresAt }] of this.#connections) if (expiresAt <= now) this.#connections.delete(name);
    const connection = { id: wire.readConnect(answer!), expiresAt: now + CONNECTION_MS };
    this.#connections.set(formatAddress(tracker), connection);
    return connection;
  }

  /**
   * Sends a request, again and again, until it is answered; undefined when that is not by `endsAt`.
   * @throws {TrackerError} when the tracker refuses, and the reason of `signal`
   */
  #ask(
    tracker: PeerAddress,
    action: Action,
    signal: AbortSignal,
    endsAt: number,
    encode: (transactionId: number) => Uint8Array,
  ): Promise<Uint8Array | undefined> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason as TrackerError);
      const transactionId = this.#newTransactionId();
      const bytes = encode(transactionId);
      let waitMs = RESEND_MS;
      let cancel = (): void => undefined;
      const finish = (outcome?: Uint8Array | TrackerError): void => {
        cancel();
        signal.removeEventListener('abort', onAbort);
        this.#pending.delete(transactionId);
        if (outcome instanceof TrackerError) reject(outcome);
        else resolve(outcome);
      };
      const onAbort = (): void => finish(signal.reason as TrackerError);
      const send = (): void => {
        this.#udp.send(bytes, tracker);
        const leftMs = endsAt - this.#clock.now();
        cancel = leftMs > waitMs ? this.#clock.after(waitMs, send) : this.#clock.after(leftMs, finish);
        waitMs *= 2;
      };
      signal.addEventListener('abort', onAbort);
      this.#pending.set(transactionId, { from: formatAddress(tracker), action, onAnswer: finish });
      send();
    });
  }

  /** Takes a datagram only from where the request of its transaction went, so that nobody else answers for a tracker. */
  #onDatagram(bytes: Uint8Array, from: PeerAddress): void {
    const { action, transactionId } = wire.readHeader(bytes)!;
    const pending = this.#pending.get(transactionId);
    if (!pending) return;
    const source = formatAddress({ host: canonicalIp(from.host) ?? from.host, port: from.port });
    if (source !== pending.from) log('dropped an answer for %s from %s', pending.from, source);
    else if (action === ACTION.error) pending.onAnswer(wire.readError(bytes));
    else if (action === pending.action) pending.onAnswer(bytes);
  }

  #newTransactionId(): number {
    let id = this.#random32();
    while (this.#pending.has(id)) id = (id + 1) >>> 0;
    return id;
  }

  /** Runs with a signal that aborts when the time is over, by a TrackerError. */
  async #within<T>({ timeoutMs, signal }: Limits, run: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const end = new AbortController();
    const stop = (): void => end.abort(new TrackerError('ERR_TRACKER_UNREACHABLE', 'cancelled'));
    const cancel = this.#clock.after(timeoutMs, () => {
      end.abort(new TrackerError('ERR_TRACKER_UNREACHABLE', `no answer within ${Math.round(timeoutMs / 1000)} s`));
    });
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop);
    try {
      return await run(end.signal);
    } finally {
      cancel();
      signal.removeEventListener('abort', stop);
    }
  }

  async #addressOf(url: URL, family: Family | undefined, signal: AbortSignal): Promise<PeerAddress> {
    if (url.port === '') throw new TrackerError('ERR_TRACKER_URL', 'the URL has no port', { retryInSeconds: Infinity });
    const host = hostNameOf(url);
    const found =
      canonicalIp(host) ?? (await unlessAborted(this.#lookUp(host, family, signal).catch(hostError), signal));
    return { host: canonicalIp(found) ?? found, port: Number(url.port) };
  }
}

/** As sockets want it: what only HTTP URLs get from the parser, such as lower case and punycode, is made up for. */
export function hostNameOf({ host }: URL): string {
  const known = `http://${host}/`;
  return URL.canParse(known) ? hostOf(new URL(known)) : host;
}

async function lookUpHost(host: string, family: Family | undefined, signal: AbortSignal): Promise<string> {
  const [address] = await resolveName(host, { family, signal });
  return address!; // no address is an error
}

function hostError(cause: unknown): never {
  const isUnknown = ['ENOTFOUND', 'ENODATA'].includes((cause as NodeJS.ErrnoException).code ?? '');
  throw new TrackerError('ERR_TRACKER_HOST', isUnknown ? 'unknown host' : 'name lookup failed', { cause });
}

function undefinedIfRefused(error: unknown): undefined {
  if (error instanceof TrackerError && error.code === 'ERR_TRACKER_REFUSED') return undefined;
  throw error;
}

function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason as TrackerError);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort);
    promise.then(resolve, reject);
  });
}
