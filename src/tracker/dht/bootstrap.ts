/** Where the DHT begins when no node is known: hosts that are always there. */
import { isIP } from 'node:net';
import createDebug from 'debug';
import { formatAddress, type PeerAddress } from '../../common/address.js';
import type { Clock } from '../../common/clock.js';
import { canonicalIp } from '../../common/ip.js';
import { resolveName } from '../../common/names.js';
import { familyOf, type Family } from './contact.js';

const log = createDebug('torrent-dl:tracker:dht');

/** Public nodes that everybody begins with. */
export const PUBLIC_BOOTSTRAP: readonly PeerAddress[] = [
  { host: 'router.bittorrent.com', port: 6881 },
  { host: 'router.utorrent.com', port: 6881 },
  { host: 'dht.transmissionbt.com', port: 6881 },
  { host: 'dht.libtorrent.org', port: 25401 },
  { host: 'dht.aelitis.com', port: 6881 },
];

/** The IP addresses of a host; fails when it has none, or `signal` is aborted. */
export type Resolve = (host: string, signal: AbortSignal) => Promise<readonly string[]>;

export const resolveHost: Resolve = (host, signal) => resolveName(host, { signal });

const PATIENCE_MS = 5000;
/** Once there is something to begin with, slow names are not waited for. */
const GRACE_MS = 200;
const GOOD_FOR_MS = 10 * 60_000;
const RETRY_AFTER_MS = 10_000;
/** Of one host: some names have dozens. */
const MOST_PER_HOST = 8;

/** Looks the hosts up when they are needed, all at once, and remembers what it found for a while. */
export class Bootstrap {
  readonly #hosts: readonly PeerAddress[];
  readonly #resolve: Resolve;
  readonly #clock: Clock;
  #addresses: readonly PeerAddress[] = [];
  #unresolved: readonly string[] = [];
  #goodUntil = -Infinity;
  #waiting: (() => void)[] = [];
  #cancelTimer = (): void => undefined;
  readonly #closed = new AbortController();

  constructor(hosts: readonly PeerAddress[], resolve: Resolve, clock: Clock) {
    this.#hosts = hosts;
    this.#resolve = resolve;
    this.#clock = clock;
  }

  /** Hosts that the last look-up found no address for. */
  get unresolved(): readonly string[] {
    return this.#unresolved;
  }

  /** Gives all addresses of a family; at once when they are known or need no look-up. */
  give(family: Family, give: (addresses: readonly PeerAddress[]) => void): void {
    const done = (): void => give(this.#addresses.filter(({ host }) => familyOf(host) === family));
    if (this.#clock.now() < this.#goodUntil) {
      done();
      return;
    }
    this.#waiting.push(done);
    if (this.#waiting.length === 1) this.#lookUp();
  }

  close(): void {
    this.#closed.abort();
    this.#cancelTimer();
    this.#waiting = [];
    this.#goodUntil = Infinity;
  }

  #lookUp(): void {
    const found = new Map<string, PeerAddress>();
    const unresolved = new Set<string>();
    const take = (ips: readonly string[], port: number): void => {
      for (const ip of ips.slice(0, MOST_PER_HOST)) {
        const host = canonicalIp(ip);
        if (host !== undefined) found.set(formatAddress({ host, port }), { host, port });
      }
    };
    const names = this.#hosts.filter(({ host }) => isIP(host) === 0);
    for (const { host, port } of this.#hosts) if (isIP(host) !== 0) take([host], port);
    const finish = (): void => this.#finish([...found.values()], [...unresolved]);
    if (names.length === 0) {
      finish();
      return;
    }
    for (const { host } of names) unresolved.add(host);
    const hurry = (): void => {
      this.#cancelTimer();
      this.#cancelTimer = this.#clock.after(GRACE_MS, finish);
    };
    this.#cancelTimer = this.#clock.after(found.size > 0 ? GRACE_MS : PATIENCE_MS, finish);
    const tries = names.map(async ({ host, port }) => {
      try {
        const ips = await this.#resolve(host, this.#closed.signal);
        if (found.size === 0 && ips.length > 0) hurry();
        take(ips, port);
        unresolved.delete(host);
      } catch (error) {
        log('%s: %o', host, error);
      }
    });
    void Promise.all(tries).then(finish);
  }

  #finish(addresses: readonly PeerAddress[], unresolved: readonly string[]): void {
    this.#cancelTimer();
    if (this.#waiting.length === 0) return; // time is up, or closed
    this.#addresses = addresses;
    this.#unresolved = unresolved;
    this.#goodUntil = this.#clock.now() + (unresolved.length === 0 ? GOOD_FOR_MS : RETRY_AFTER_MS);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const done of waiting) done();
  }
}
