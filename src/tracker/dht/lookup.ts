/** The walk through the DHT towards an id (BEP 5): asks ever nearer nodes until the nearest have answered. */
import { formatAddress, type PeerAddress } from '../../common/address.js';
import type { Clock } from '../../common/clock.js';
import { isLocalHost, subnetOf, type Contact } from './contact.js';
import { compareDistance } from './distance.js';
import type { Reply } from './krpc.js';
import { fitsAddress } from './node-id.js';
import { Nearest } from './nearest.js';
import { BUCKET_SIZE } from './routing-table.js';
import type { QueryHandlers } from './transactions.js';

/** Queries under way at once, those of slow nodes not counted. */
const PARALLEL = 4;
/** The same until the first answer, so that a few dead nodes at the start cost no time. */
const PARALLEL_AT_FIRST = 8;
/** Whoever would lead us on for ever gets this far. */
const MOST_QUERIES = 150;
const DEADLINE_MS = 20_000;
const MOST_CANDIDATES = 200;
const MOST_PEERS = 2000;
/** Nodes of one network that are asked. */
const MOST_OF_NETWORK = 3;
/** Of those that one node names, so many are tried until some of them have answered: liars name what is not there. */
const MOST_UNPROVEN = 3;

export interface LookupOptions {
  /** 20 bytes. */
  readonly target: Uint8Array;
  readonly clock: Clock;
  /** Where to begin. */
  readonly contacts: readonly Contact[];
  /** Sends the query. */
  readonly ask: (address: PeerAddress, handlers: QueryHandlers) => void;
  /** Called once, when there are not enough nodes that answer; `give` may be called at any time. */
  readonly moreAddresses?: (give: (addresses: readonly PeerAddress[]) => void) => void;
  /** Peers as they are found, each address once. */
  readonly onPeers?: (peers: readonly PeerAddress[]) => void;
  readonly onEnd: (result: LookupResult) => void;
}

export interface LookupResult {
  /** The nearest nodes that answered, nearest first: eight, or up to ten when some ids do not fit. */
  readonly closest: readonly Holder[];
  readonly queries: number;
  readonly answers: number;
  readonly peers: number;
}

/** A node that answered; with the token it may be announced to. */
export interface Holder extends Contact {
  readonly token: Uint8Array | undefined;
}

interface Candidate {
  readonly address: PeerAddress;
  /** That its host lies in; undefined in the own network, where any number of nodes may be. */
  readonly network: string | undefined;
  /** What others say it is, until it answers; undefined for an address alone, which is asked first. */
  id: Uint8Array | undefined;
  fits: boolean;
  state: 'known' | 'asked' | 'slow' | 'answered' | 'failed';
  token: Uint8Array | undefined;
  /** Who named it; empty for those that we began with. */
  readonly namedBy: Set<Candidate>;
  /** Of those that it named: how many were asked and have not answered as what it said, and how many have. */
  unproven: number;
  live: number;
}

export class Lookup {
  readonly #options: LookupOptions;
  /** Addresses without an id come first, then the nearest. */
  readonly #candidates: Candidate[] = [];
  readonly #byKey = new Map<string, Candidate>();
  /** Networks and hosts of those that were asked and have not failed. */
  readonly #networks = new Map<string, number>();
  readonly #hosts = new Set<string>();
  readonly #peers = new Set<string>();
  #queries = 0;
  /** Queries under way, those of slow nodes not counted. */
  #asked = 0;
  #answers = 0;
  #addresses: 'unasked' | 'awaited' | 'given' = 'unasked';
  #isEnded = false;
  #isStepping = false;
  #cancelDeadline = (): void => undefined;

  constructor(options: LookupOptions) {
    this.#options = options;
    if (!options.moreAddresses) this.#addresses = 'given';
    for (const contact of options.contacts) this.#add(contact.address, contact.id);
  }

  get queries(): number {
    return this.#queries;
  }

  start(): void {
    this.#cancelDeadline = this.#options.clock.after(DEADLINE_MS, () => this.#end());
    this.#step();
  }

  /** Ends it without a result: nothing is called any more. */
  cancel(): void {
    this.#isEnded = true;
    this.#cancelDeadline();
  }

  #step(): void {
    if (this.#isEnded || this.#isStepping) return;
    this.#isStepping = true; // a query can fail at once, and addresses can be there at once
    this.#sendQueries();
    if (this.#isDone()) {
      this.#askForAddresses();
      this.#sendQueries();
    }
    this.#isStepping = false;
    if (this.#isDone() && this.#addresses !== 'awaited') this.#end();
  }

  #sendQueries(): void {
    const parallel = this.#answers === 0 ? PARALLEL_AT_FIRST : PARALLEL;
    while (this.#asked < parallel && this.#queries < MOST_QUERIES) {
      const next = this.#next();
      if (!next) return;
      this.#ask(next);
    }
  }

  /** The candidate that is worth asking, if there is one among the nearest that have not failed. */
  #next(): Candidate | undefined {
    const near = new Nearest();
    for (const candidate of this.#candidates) {
      const { state, fits } = candidate;
      if (state === 'failed' || state === 'slow' || (state === 'known' && !this.#mayAsk(candidate))) continue;
      if (!near.takes(fits)) continue;
      if (state === 'known') return candidate;
      if (candidate.id) near.add(fits);
      if (near.isFull) return undefined;
    }
    return undefined;
  }

  #mayAsk({ address, network, namedBy }: Candidate): boolean {
    let isTrusted = namedBy.size === 0;
    for (const { unproven, live } of namedBy) isTrusted ||= unproven < MOST_UNPROVEN + 5 * live;
    if (!isTrusted || network === undefined) return isTrusted;
    return (this.#networks.get(network) ?? 0) < MOST_OF_NETWORK && !this.#hosts.has(address.host);
  }

  #ask(candidate: Candidate): void {
    candidate.state = 'asked';
    this.#asked++;
    for (const other of candidate.namedBy) other.unproven++;
    this.#queries++;
    this.#countNetwork(candidate, 1);
    this.#options.ask(candidate.address, {
      onReply: (reply) => this.#onReply(candidate, reply),
      onSlow: () => {
        this.#settle(candidate, 'slow');
        if (this.#answers === 0) this.#askForAddresses(); // those that we knew may all be gone
        this.#step();
      },
      onFailure: () => {
        this.#settle(candidate, 'failed');
        this.#countNetwork(candidate, -1);
        this.#step();
      },
    });
  }

  #settle(candidate: Candidate, state: 'slow' | 'failed' | 'answered'): void {
    if (candidate.state === 'asked') this.#asked--;
    candidate.state = state;
  }

  #onReply(candidate: Candidate, reply: Reply): void {
    if (this.#isEnded) return;
    this.#answers++;
    const isAsNamed = candidate.id !== undefined && Buffer.compare(candidate.id, reply.id) === 0;
    this.#settle(candidate, 'answered');
    for (const other of isAsNamed ? candidate.namedBy : []) {
      other.unproven--;
      other.live++;
    }
    candidate.token = reply.token;
    if (!isAsNamed) this.#rename(candidate, reply.id);
    this.#takePeers(candidate, reply.peers);
    for (const { id, address } of this.#usefulOf(candidate, reply.contacts)) this.#add(address, id, candidate);
    this.#step();
  }

  /** Where a node that answered stands is by the id that it gave, not by what others said. */
  #rename(candidate: Candidate, id: Uint8Array): void {
    this.#candidates.splice(this.#candidates.indexOf(candidate), 1);
    candidate.id = id;
    candidate.fits = fitsAddress(id, candidate.address.host);
    this.#insert(candidate);
  }

  /** The nearest of what a node names; one in the public network knows nobody in ours. */
  #usefulOf({ network }: Candidate, contacts: readonly Contact[]): Contact[] {
    const isLocal = network === undefined;
    return contacts
      .filter((contact) => isLocal || !isLocalHost(contact.address.host))
      .sort((a, b) => compareDistance(this.#options.target, a.id, b.id))
      .slice(0, BUCKET_SIZE);
  }

  #takePeers({ network }: Candidate, peers: readonly PeerAddress[]): void {
    const isLocal = network === undefined;
    const found = peers.filter((peer) => {
      const key = formatAddress(peer);
      if (this.#peers.has(key) || this.#peers.size >= MOST_PEERS) return false;
      if (!isLocal && isLocalHost(peer.host)) return false;
      this.#peers.add(key);
      return true;
    });
    if (found.length > 0) this.#options.onPeers?.(found);
  }

  #add(address: PeerAddress, id: Uint8Array | undefined, namedBy?: Candidate): void {
    const key = formatAddress(address);
    const known = this.#byKey.get(key);
    if (known) {
      if (id && namedBy) this.#nameAgain(known, id, namedBy);
      return;
    }
    const candidate: Candidate = {
      ...{ address, id, state: 'known', token: undefined, unproven: 0, live: 0 },
      fits: id === undefined || fitsAddress(id, address.host),
      network: isLocalHost(address.host) ? undefined : subnetOf(address.host),
      namedBy: new Set(namedBy && [namedBy]),
    };
    this.#byKey.set(key, candidate);
    this.#insert(candidate);
    if (this.#candidates.length <= MOST_CANDIDATES) return;
    const last = this.#candidates.findLastIndex(({ state }) => state === 'known');
    if (last < 0) return;
    const [dropped] = this.#candidates.splice(last, 1);
    this.#byKey.delete(formatAddress(dropped!.address));
  }

  /** Of several ids that one address is said to have, the nearest is tried; its answer will tell. */
  #nameAgain(known: Candidate, id: Uint8Array, namedBy: Candidate): void {
    if (known.state !== 'known' || !known.id || known.namedBy.size === 0) return;
    known.namedBy.add(namedBy);
    if (compareDistance(this.#options.target, id, known.id) < 0) this.#rename(known, id);
  }

  #insert(candidate: Candidate): void {
    let at = this.#candidates.length;
    while (at > 0 && this.#isBefore(candidate, this.#candidates[at - 1]!)) at--;
    this.#candidates.splice(at, 0, candidate);
  }

  #isBefore({ id: a }: Candidate, { id: b }: Candidate): boolean {
    if (!a || !b) return !a && b !== undefined;
    return compareDistance(this.#options.target, a, b) < 0;
  }

  /** Nodes of the public network are counted by network, and a host is asked once at a time. */
  #countNetwork({ network, address: { host } }: Candidate, by: 1 | -1): void {
    if (network === undefined) return;
    this.#networks.set(network, (this.#networks.get(network) ?? 0) + by);
    if (by === 1) this.#hosts.add(host);
    else this.#hosts.delete(host);
  }

  /** Whether the nearest have answered and nobody nearer can be asked; slow ones are awaited only when they lack. */
  #isDone(): boolean {
    if (this.#queries < MOST_QUERIES && this.#next()) return false;
    const near = new Nearest();
    let isAwaited = false;
    for (const { state, id, fits } of this.#candidates) {
      if (state === 'asked') return false;
      if (state === 'slow') isAwaited = true;
      if (state === 'answered' && id && near.takes(fits)) near.add(fits);
      if (near.isFull) return true;
    }
    return !isAwaited;
  }

  #askForAddresses(): void {
    if (this.#isEnded || this.#addresses !== 'unasked' || this.#answers >= BUCKET_SIZE) return;
    this.#addresses = 'awaited';
    this.#options.moreAddresses!((addresses) => {
      if (this.#isEnded) return;
      this.#addresses = 'given';
      for (const address of addresses) this.#add(address, undefined);
      this.#step();
    });
  }

  #end(): void {
    if (this.#isEnded) return;
    const closest = this.#closest();
    this.cancel();
    this.#options.onEnd({ closest, queries: this.#queries, answers: this.#answers, peers: this.#peers.size });
  }

  #closest(): Holder[] {
    const closest: Holder[] = [];
    const near = new Nearest();
    for (const { id, address, state, token, fits } of this.#candidates) {
      if (state !== 'answered' || !id || !near.takes(fits)) continue;
      near.add(fits);
      closest.push({ id, address, token });
      if (near.isFull) break;
    }
    return closest;
  }
}
