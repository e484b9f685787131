import createDebug from 'debug';
import { formatAddress, type PeerAddress } from '../common/address.js';
import { backoffMs } from '../common/backoff.js';
import { Heap, type HeapItem } from '../common/heap.js';
import { canonicalIp, isUnicast } from '../common/ip.js';
import { isLoopback } from '../common/url.js';
import { NO_OUTCOMES, outcomeOf, type DialOutcome, type DialOutcomes } from './dial-outcome.js';

const log = createDebug('torrent-dl:peer:pool');

const MOST_ADDRESSES = 4000;
/** Wait after the first failure in a row; it doubles with each. */
const FIRST_WAIT_MS = 5000;
const LONGEST_WAIT_MS = 30 * 60_000;
/** The user knows why he named a peer: it is tried often, and for ever. */
const LONGEST_WAIT_FOR_USER_MS = 60_000;
/** After so many failures in a row an address is forgotten. */
const MOST_FAILURES = 8;

/** Below every point in time, so that addresses that were never tried come first: the user's, then in random order. */
const RANK_OF_USER = -2;
const RANK_OF_NEW = -1;

/** One address. While it is dialled or connected it lies in no heap; otherwise `rank` is when it is due, in ms. */
interface Entry extends HeapItem {
  readonly address: PeerAddress;
  isFromUser: boolean;
  /** In a row: dials that failed, and connections of no use. */
  failures: number;
  /** How the last try ended; undefined before that, and from a connection on. */
  outcome: DialOutcome | undefined;
}

export interface AddressPoolOptions {
  /** How many addresses are remembered at most. */
  readonly max?: number;
  /** Numbers from 0 to 1. */
  readonly random?: () => number;
}

/**
 * The known addresses of a swarm, and whom to dial next. It is bounded, and each address is in use once. Times are ms, 0 or more, on any
 * monotonic clock.
 *
 *   add ──► waiting ──next──► in use ──failed, disconnected──► waiting, until its back-off has passed
 *              └───connected────▲                          └─► forgotten, after 8 failures
 */
export class AddressPool {
  readonly #max: number;
  readonly #random: () => number;
  readonly #entries = new Map<string, Entry>();
  readonly #waiting = new Heap<Entry>();
  /** Waiting addresses by failures, the oldest of each first: who goes when the pool is full. */
  readonly #failed = Array.from({ length: MOST_FAILURES }, () => new Set<Entry>());
  /** Hosts, and addresses on loopback. */
  readonly #bans = new Set<string>();
  readonly #selves = new Set<string>();

  constructor({ max = MOST_ADDRESSES, random = Math.random }: AddressPoolOptions = {}) {
    this.#max = max;
    this.#random = random;
  }

  /** How many addresses are remembered, in use or not. */
  get known(): number {
    return this.#entries.size;
  }

  /** How many hosts (on loopback: addresses) were banned. */
  get banned(): number {
    return this.#bans.size;
  }

  /** How many of them are not in use, due or not. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** How many of the addresses could not be reached, and in which way. */
  outcomes(): DialOutcomes {
    const outcomes = { ...NO_OUTCOMES };
    for (const { outcome } of this.#entries.values()) if (outcome) outcomes[outcome]++;
    return outcomes;
  }

  /** When `next` has something to give: in the past if it has now, Infinity if no address is waiting. */
  get nextDueAt(): number {
    return this.#waiting.first?.rank ?? Infinity;
  }

  /**
   * Takes addresses in; `source` is `user` for those that the user gave. Leaves out what is known, banned, ourselves or
   * cannot be dialled. When the pool is full, who has failed goes first; if nobody has, the new ones stay out.
   */
  add(addresses: readonly PeerAddress[], source: string): void {
    const isFromUser = source === 'user';
    for (const given of addresses) {
      const address = canonical(given);
      if (!isDialable(address) || this.isBanned(address)) continue;
      const key = formatAddress(address);
      if (this.#selves.has(key)) continue;
      const known = this.#entries.get(key);
      if (known) this.#keepForUser(known, isFromUser);
      else if (this.#entries.size < this.#max || this.#makeRoom(isFromUser)) {
        const entry: Entry = { address, isFromUser, failures: 0, outcome: undefined, rank: 0, heapIndex: -1 };
        this.#entries.set(key, entry);
        this.#wait(entry, isFromUser ? RANK_OF_USER : RANK_OF_NEW + this.#random());
      }
    }
  }

  /** The address to dial next, which is in use from now on; undefined when none is due. */
  next(now: number): PeerAddress | undefined {
    const entry = this.#waiting.first;
    if (!entry || entry.rank > now) return undefined;
    this.#use(entry);
    return entry.address;
  }

  /** There is a connection to this address, also when the peer dialled us: nobody dials it now. */
  connected(address: PeerAddress): void {
    const entry = this.#entryOf(address);
    if (!entry) return;
    entry.outcome = undefined;
    this.#use(entry);
  }

  /** The address was in use, and did not get as far as a connection. */
  failed(address: PeerAddress, now: number, reason: string): void {
    const entry = this.#entryOf(address);
    if (!entry || !isInUse(entry)) return;
    entry.outcome = outcomeOf(reason);
    this.#fail(entry, now, reason);
  }

  /** The connection is gone. One that was of no use counts as a failure, lest we dial for ever who hangs up. */
  disconnected(address: PeerAddress, now: number, { wasUseful }: { wasUseful: boolean }): void {
    const entry = this.#entryOf(address);
    if (!entry || !isInUse(entry)) return;
    if (!wasUseful) {
      entry.outcome = 'useless';
      this.#fail(entry, now, 'of no use');
      return;
    }
    entry.failures = 0;
    this.#wait(entry, now + backoffMs(1, FIRST_WAIT_MS, LONGEST_WAIT_MS, this.#random));
  }

  /** Forgets all addresses but those that the user gave; bans stay. */
  clear(): void {
    for (const [key, entry] of this.#entries) if (!entry.isFromUser) this.#forget(key, entry);
  }

  /** Nobody at this address is spoken to again: at no port, but on loopback (where all may be tests) only at this one. */
  ban(address: PeerAddress): void {
    const { host, port } = canonical(address);
    this.#bans.add(isLoopback(host) ? formatAddress({ host, port }) : host);
    for (const [key, entry] of this.#entries) if (this.isBanned(entry.address)) this.#forget(key, entry);
  }

  isBanned(address: PeerAddress): boolean {
    if (this.#bans.size === 0) return false;
    const { host, port } = canonical(address);
    return this.#bans.has(host) || this.#bans.has(formatAddress({ host, port }));
  }

  /** Whoever answered there was ourselves. */
  markSelf(address: PeerAddress): void {
    const key = formatAddress(canonical(address));
    this.#selves.add(key);
    const entry = this.#entries.get(key);
    if (entry) this.#forget(key, entry);
  }

  #entryOf(address: PeerAddress): Entry | undefined {
    return this.#entries.get(formatAddress(canonical(address)));
  }

  #fail(entry: Entry, now: number, reason: string): void {
    const key = formatAddress(entry.address);
    entry.failures++;
    if (!entry.isFromUser && entry.failures >= MOST_FAILURES) {
      log('%s is given up: %s', key, reason);
      this.#forget(key, entry);
      return;
    }
    const longest = entry.isFromUser ? LONGEST_WAIT_FOR_USER_MS : LONGEST_WAIT_MS;
    const wait = backoffMs(entry.failures, FIRST_WAIT_MS, longest, this.#random);
    if (log.enabled) log('%s: %s; again in %d ms', key, reason, wait);
    this.#wait(entry, now + wait);
  }

  #wait(entry: Entry, rank: number): void {
    entry.rank = rank;
    this.#waiting.push(entry);
    if (!entry.isFromUser) this.#failed[entry.failures]!.add(entry);
  }

  #use(entry: Entry): void {
    if (isInUse(entry)) return;
    this.#waiting.remove(entry);
    if (!entry.isFromUser) this.#failed[entry.failures]!.delete(entry);
  }

  #keepForUser(entry: Entry, isFromUser: boolean): void {
    if (!isFromUser || entry.isFromUser) return;
    this.#failed[entry.failures]!.delete(entry);
    entry.isFromUser = true;
  }

  /** Forgets who has failed most often; for the user's sake also somebody who has not. Says whether there was one. */
  #makeRoom(isFromUser: boolean): boolean {
    for (let failures = MOST_FAILURES - 1; failures >= (isFromUser ? 0 : 1); failures--) {
      for (const entry of this.#failed[failures]!) {
        this.#forget(formatAddress(entry.address), entry);
        return true;
      }
    }
    return false;
  }

  #forget(key: string, entry: Entry): void {
    this.#use(entry);
    this.#entries.delete(key);
  }
}

function isInUse(entry: Entry): boolean {
  return entry.heapIndex < 0;
}

function canonical({ host, port }: PeerAddress): PeerAddress {
  return { host: canonicalIp(host) ?? host, port };
}

function isDialable({ host, port }: PeerAddress): boolean {
  return canonicalIp(host) !== undefined && Number.isInteger(port) && port > 0 && port <= 65_535 && isUnicast(host);
}
