/** Local service discovery (BEP 14): peers in the local network find each other by multicast. */
import { randomBytes } from 'node:crypto';
import createDebug from 'debug';
import type { PeerAddress } from '../common/address.js';
import { systemClock, type Clock } from '../common/clock.js';
import { TrackerError } from '../common/errors.js';
import { canonicalIp, isUnicast } from '../common/ip.js';
import { formatLsdSearch, parseLsdSearch } from './lsd-message.js';
import { openMulticast, type MulticastGroup, type OpenMulticast } from './multicast.js';
import type { PeerSource, SourceStatus } from './source.js';

const log = createDebug('torrent-dl:tracker:lsd');

const PORT = 6771;
const GROUPS = ['239.192.152.143', 'ff15::efc0:988f'] as const;

const ANNOUNCE_EVERY_MS = 5 * 60_000;
const ANNOUNCE_AT_MOST_EVERY_MS = 60_000;
/** Others announce as seldom as we do, but most of them do so when they start, and some when they hear us. */
const PATIENCE_MS = 10_000;
/** Who was heard in the last two rounds is there. */
const HEARD_FOR_MS = 2 * ANNOUNCE_EVERY_MS + PATIENCE_MS;

/** Datagrams that are read, of one sender and of all together. */
const MOST_PER_SECOND_AND_HOST = 20;
const MOST_PER_SECOND = 200;
/** Peers of one torrent; several may share a host. */
const MOST_PORTS_PER_HOST = 16;
const MOST_PEERS = 1000;

const NAME = 'local network';

export interface LsdOptions {
  readonly clock?: Clock;
  readonly open?: OpenMulticast;
  /** By what we know our own datagrams. Default: random. */
  readonly cookie?: string;
}

export interface LsdSourceOptions {
  /** 20 bytes. */
  readonly infoHash: Uint8Array;
  /** The port that peers reach us at; 0 when they cannot, and then nothing is announced. */
  readonly port: () => number;
  /** Called for each peer that is heard of; `source` is fit for the user's eyes. */
  readonly onPeers: (addresses: readonly PeerAddress[], source: string) => void;
}

/** Both multicast groups; all torrents of a session share them. */
export class Lsd implements AsyncDisposable {
  readonly clock: Clock;
  readonly #cookie: string;
  readonly #groups: { readonly host: string; readonly group: MulticastGroup }[] = [];
  readonly #sources = new Map<string, Set<LsdSource>>();
  readonly #perHost = new Map<string, number>();
  #perSecond = 0;
  #secondEndsAt = 0;

  private constructor({ clock = systemClock, cookie = randomBytes(6).toString('hex') }: LsdOptions) {
    this.clock = clock;
    this.#cookie = cookie;
  }

  /** A machine without multicast or without IPv6 is no error: what it has is used. */
  static async open(options: LsdOptions = {}): Promise<Lsd> {
    const lsd = new Lsd(options);
    const open = options.open ?? openMulticast;
    for (const address of GROUPS) {
      const group = await open(address, PORT, (bytes, host) => lsd.#onDatagram(bytes, host));
      const host = address.includes(':') ? `[${address}]:${PORT}` : `${address}:${PORT}`;
      if (group) lsd.#groups.push({ host, group });
    }
    return lsd;
  }

  /** Finds peers of one torrent, and announces it, until that is closed. Not for private torrents (BEP 27). */
  find(options: LsdSourceOptions): LsdSource {
    const key = Buffer.from(options.infoHash).toString('hex');
    const sources = this.#sources.get(key) ?? new Set<LsdSource>();
    const source: LsdSource = new LsdSource(options, this.clock, {
      announce: (port) => this.#announce(key, port),
      leave: () => {
        sources.delete(source);
        if (sources.size === 0) this.#sources.delete(key);
      },
    });
    this.#sources.set(key, sources.add(source));
    return source;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const source of [...this.#sources.values()].flatMap((sources) => [...sources])) {
      await source[Symbol.asyncDispose]();
    }
    await Promise.all(this.#groups.map(({ group }) => group[Symbol.asyncDispose]()));
  }

  /** Tells the local networks; says how many of them were told. */
  async #announce(infoHash: string, port: number): Promise<number> {
    const search = { port, infoHashes: [infoHash], cookie: this.#cookie };
    const counts = await Promise.all(this.#groups.map(({ host, group }) => group.send(formatLsdSearch(host, search))));
    return counts.reduce((sum, count) => sum + count, 0);
  }

  #onDatagram(bytes: Uint8Array, from: string): void {
    const host = canonicalIp(from); // none for `fe80::1%eth0`: nobody could dial it
    if (host === undefined || !isUnicast(host) || !this.#mayRead(host)) return;
    const search = parseLsdSearch(bytes);
    if (!search || search.cookie === this.#cookie) return;
    for (const infoHash of search.infoHashes) {
      for (const source of this.#sources.get(infoHash) ?? []) source.heard({ host, port: search.port });
    }
  }

  /** A flood costs no more than this; what is left out is said again in five minutes. */
  #mayRead(host: string): boolean {
    const now = this.clock.now();
    if (now >= this.#secondEndsAt) {
      this.#secondEndsAt = now + 1000;
      this.#perSecond = 0;
      this.#perHost.clear();
    }
    const ofHost = (this.#perHost.get(host) ?? 0) + 1;
    if (ofHost > MOST_PER_SECOND_AND_HOST || ++this.#perSecond > MOST_PER_SECOND) return false;
    this.#perHost.set(host, ofHost);
    return true;
  }
}

/** What a source asks of the groups. */
interface Groups {
  announce(port: number): Promise<number>;
  leave(): void;
}

/** Peers of one torrent in the local network. */
export class LsdSource implements PeerSource {
  readonly #options: LsdSourceOptions;
  readonly #clock: Clock;
  readonly #groups: Groups;
  /** Who was heard, by host and port, and when last. */
  readonly #heard = new Map<string, Map<number, number>>();
  readonly #startedAt: number;
  #announcedAt = -Infinity;
  #dueAt = Infinity;
  #wantsPeers = false;
  /** Networks that took the last announce; undefined before there was one. */
  #told: number | undefined;
  #isClosed = false;
  #cancelTimer = (): void => undefined;

  /** Made by `Lsd.find`; announces at once. */
  constructor(options: LsdSourceOptions, clock: Clock, groups: Groups) {
    this.#options = options;
    this.#clock = clock;
    this.#groups = groups;
    this.#startedAt = clock.now();
    this.#announce();
  }

  /** Announces once more, not sooner than a minute after the last time. */
  requestPeers(): void {
    if (this.#wantsPeers) return;
    this.#wantsPeers = true;
    this.#schedule();
  }

  /** Nobody is told: whoever dials us sees what we have. */
  completed(): void {
    return undefined;
  }

  status(): readonly SourceStatus[] {
    const error = this.#error();
    const peers = this.#countHeard();
    return [
      {
        name: NAME,
        state: peers > 0 ? 'working' : error ? 'failed' : 'asking',
        ...(peers > 0 && { peers }),
        ...(error && { message: reasonOf(error) }),
        ...(Number.isFinite(this.#dueAt) && { nextInMs: Math.max(0, this.#dueAt - this.#clock.now()) }),
      },
    ];
  }

  /** Undefined in the first ten seconds, and as long as somebody was heard in the last ten minutes. */
  failures(): readonly Error[] | undefined {
    const error = this.#error();
    return error && [error];
  }

  /** Takes in a peer that announced the torrent; again each time, for its address may have been given up meanwhile. */
  heard(address: PeerAddress): void {
    if (this.#isClosed) return;
    const ports = this.#heard.get(address.host) ?? new Map<number, number>();
    const isNew = !ports.has(address.port);
    if (isNew && (ports.size >= MOST_PORTS_PER_HOST || this.#countHeard() >= MOST_PEERS)) return;
    this.#heard.set(address.host, ports.set(address.port, this.#clock.now()));
    this.#options.onPeers([address], NAME);
  }

  /** There is no goodbye in BEP 14. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#cancelTimer();
    this.#dueAt = Infinity;
    this.#groups.leave();
    return Promise.resolve();
  }

  /** Forgets who was silent for too long, and counts the others. */
  #countHeard(): number {
    const oldest = this.#clock.now() - HEARD_FOR_MS;
    let count = 0;
    for (const [host, ports] of this.#heard) {
      for (const [port, heardAt] of ports) if (heardAt < oldest) ports.delete(port);
      if (ports.size === 0) this.#heard.delete(host);
      count += ports.size;
    }
    return count;
  }

  #error(): Error | undefined {
    if (this.#countHeard() > 0) return undefined;
    if (this.#told === 0) return failure('ERR_LSD_UNREACHABLE', 'no network here takes multicast');
    const isPatient = this.#clock.now() - this.#startedAt < PATIENCE_MS;
    return isPatient ? undefined : failure('ERR_LSD_SILENT', 'nobody else shares the torrent there');
  }

  #announce(): void {
    this.#announcedAt = this.#clock.now();
    this.#wantsPeers = false;
    this.#schedule();
    const port = this.#options.port();
    if (port === 0) return;
    void this.#groups.announce(port).then((told) => {
      this.#told = told;
      log('announced in %d networks', told);
    });
  }

  #schedule(): void {
    if (this.#isClosed) return;
    this.#cancelTimer();
    this.#dueAt = this.#announcedAt + (this.#wantsPeers ? ANNOUNCE_AT_MOST_EVERY_MS : ANNOUNCE_EVERY_MS);
    this.#cancelTimer = this.#clock.after(Math.max(0, this.#dueAt - this.#clock.now()), () => this.#announce());
  }
}

/** As of trackers: the error on its own says where, the status only why. */
function failure(code: string, reason: string): TrackerError {
  return new TrackerError(code, `${NAME}: ${reason}`, { cause: new TrackerError(code, reason) });
}

function reasonOf({ cause, message }: Error): string {
  return cause instanceof Error ? cause.message : message;
}
