/** One node of the DHT, in one family of addresses: the IPv4 and the IPv6 DHT are two (BEP 32). No I/O. */
import createDebug from 'debug';
import { formatAddress, type PeerAddress } from '../../common/address.js';
import type { Clock } from '../../common/clock.js';
import type { Datagrams } from '../../common/udp.js';
import { isLocalHost, type Contact, type Family } from './contact.js';
import type { DhtCounters } from './counters.js';
import { isSameId } from './distance.js';
import { ExternalAddress } from './external-address.js';
import { Gate } from './gate.js';
import { encodeQuery, type Message, type Query, type Question, type Reply } from './krpc.js';
import { Lookup, type Holder, type LookupResult } from './lookup.js';
import { fitsAddress, makeIdInBucket, makeNodeId, type RandomBytes } from './node-id.js';
import { Responder } from './responder.js';
import { BUCKET_SIZE, RoutingTable } from './routing-table.js';
import { Transactions, type QueryHandlers } from './transactions.js';

const log = createDebug('torrent-dl:tracker:dht');

const UPKEEP_MS = 5000;
const EXPIRE_EVERY = 12; // rounds of upkeep
/** With so few nodes we look for more, so often. */
const LONELY_EVERY_MS = 60_000;
const MOST_LOOKUPS = 16;
/** Pings to nodes that we only heard of, in a second. */
const GREETINGS = { perSource: 1, total: 8 } as const;

export interface DhtNodeOptions {
  readonly family: Family;
  readonly network: Datagrams;
  readonly clock: Clock;
  readonly random: RandomBytes;
  readonly counters: DhtCounters;
  /** Default: a random one. */
  readonly id?: Uint8Array | undefined;
  /** Nodes of an earlier run. */
  readonly contacts?: readonly Contact[];
  /** Whether to ask only, and not to answer (BEP 43). */
  readonly isReadOnly: () => boolean;
  /** Hands over addresses of nodes to begin with; may call back at once, later, or again another time. */
  readonly moreAddresses?: (give: (addresses: readonly PeerAddress[]) => void) => void;
  /** The first node answered. */
  readonly onAwake?: () => void;
}

export interface PeersSearch {
  readonly infoHash: Uint8Array;
  readonly onPeers: (peers: readonly PeerAddress[]) => void;
  readonly onEnd: (result: LookupResult) => void;
}

export class DhtNode {
  /** The node of the other family, if we are in both. */
  twin: DhtNode | undefined;
  readonly #options: DhtNodeOptions;
  readonly #transactions: Transactions;
  readonly #responder: Responder;
  readonly #externalAddress: ExternalAddress;
  readonly #greetings: Gate;
  #table: RoutingTable;
  readonly #running = new Set<Lookup>();
  readonly #waiting = new Set<Lookup>();
  #isRefreshing = false;
  #isAwake = false;
  #repliedAt = -Infinity;
  #soughtSelfAt = -Infinity;
  #rounds = 0;
  #cancelUpkeep = (): void => undefined;

  constructor(options: DhtNodeOptions) {
    const { family, clock, random } = options;
    this.#options = options;
    this.#table = new RoutingTable(options.id ?? makeNodeId(undefined, random), clock);
    this.#transactions = new Transactions(clock, random);
    this.#externalAddress = new ExternalAddress(family);
    this.#greetings = new Gate(clock, GREETINGS);
    this.#responder = new Responder({
      ...{ family, clock, random },
      id: () => this.id,
      closest: (target, wanted) => (wanted === family ? this : this.twin)?.goodContacts(target) ?? [],
      isProven: (address) => this.#table.find(address)?.failures === 0,
    });
    for (const contact of options.contacts ?? []) this.#table.add(contact, false);
  }

  get family(): Family {
    return this.#options.family;
  }

  get id(): Uint8Array {
    return this.#table.id;
  }

  /** Nodes in the table, and those of them that have answered in this run. */
  get nodes(): number {
    return this.#table.size;
  }

  get goodNodes(): number {
    return this.#table.goodNodes;
  }

  /** Peers that others announced to us. */
  get storedPeers(): number {
    return this.#responder.peers.size;
  }

  /** Queries that wait for an answer. */
  get pending(): number {
    return this.#transactions.size;
  }

  /** Our address as others see it, once they agree. */
  get externalIp(): string | undefined {
    return this.#externalAddress.ip;
  }

  /** Looks for its own place at once, and keeps the table in shape until closed. */
  start(): void {
    this.#seekSelf();
    this.#scheduleUpkeep();
  }

  /** Takes a message that came from there. */
  receive(message: Message, from: PeerAddress): void {
    if (message.kind === 'query') {
      this.#onQuery(message, from);
    } else if (!this.#transactions.settle(message.transaction, from, message.kind === 'reply' ? message : undefined)) {
      this.#options.counters.unmatched++;
    }
  }

  /** An address that may be a node's: asked before it is believed, and not more often than a flood of them may. */
  greet(address: PeerAddress): void {
    if (this.#table.find(address) || !this.#greetings.admits(formatAddress(address))) return;
    this.#query(address, { method: 'ping' }, undefined);
  }

  /** Nodes of this family that another heard of on the way; taken up only as long as we know few. */
  offer(contacts: readonly Contact[]): void {
    for (const contact of contacts) {
      if (this.#table.size >= BUCKET_SIZE) return;
      if (this.#table.wants(contact)) this.greet(contact.address);
    }
  }

  /** Nodes near an id that others may be told of. */
  goodContacts(target: Uint8Array): readonly Contact[] {
    return this.#table.closest(target, BUCKET_SIZE, { onlyGood: true });
  }

  /** Nodes worth keeping for the next run, the good ones first. */
  savedContacts(most: number): readonly Contact[] {
    const byWorth = this.#table.entries().sort((a, b) => a.failures - b.failures || b.seenAt - a.seenAt);
    return byWorth.slice(0, most);
  }

  /** Looks for peers of a torrent; the result takes that back. */
  getPeers({ infoHash, onPeers, onEnd }: PeersSearch): () => void {
    return this.#lookup('get_peers', infoHash, onEnd, onPeers);
  }

  /** Tells nodes that gave us a token that we have a torrent, at that port. */
  announce(holders: readonly Holder[], torrent: { infoHash: Uint8Array; port: number; isSeed: boolean }): void {
    const { infoHash: target, port, isSeed } = torrent;
    for (const { id, address, token } of holders) {
      if (token) this.#query(address, { method: 'announce_peer', target, port, isSeed, token }, id);
    }
  }

  close(): void {
    this.#cancelUpkeep();
    for (const lookup of [...this.#running, ...this.#waiting]) lookup.cancel();
    this.#running.clear();
    this.#waiting.clear();
    this.#transactions.close();
  }

  #onQuery(query: Query, from: PeerAddress): void {
    const { counters, network, isReadOnly } = this.#options;
    counters.queried++;
    if (isReadOnly()) return;
    const answer = this.#responder.answer(query, from);
    if (!answer) return;
    counters.answered++;
    network.send(answer, from);
    const contact = { id: query.id, address: from };
    this.#table.heard(contact);
    if (!query.isReadOnly && this.#table.wants(contact)) this.greet(from);
  }

  /** Asks a node; `id` is what it is known by. */
  #query(address: PeerAddress, question: Question, id: Uint8Array | undefined, handlers?: QueryHandlers): void {
    const { network, counters, clock, isReadOnly } = this.#options;
    const sentAt = clock.now();
    const transaction = this.#transactions.begin(address, {
      onReply: (reply) => {
        counters.replies++;
        this.#onReply(reply, address, id);
        handlers?.onReply(reply);
      },
      onFailure: (reason) => {
        if (reason === 'refused') counters.refusals++;
        if (reason === 'timeout') {
          counters.timeouts++;
          if (this.#repliedAt > sentAt) this.#table.failed(address); // else it may be our own network that is down
        }
        handlers?.onFailure(reason);
      },
      onSlow: () => handlers?.onSlow?.(),
    });
    if (!transaction) return;
    counters.asked++;
    network.send(encodeQuery(transaction, { id: this.id, isReadOnly: isReadOnly() }, question), address);
  }

  #onReply({ id, contacts, seenIp }: Reply, from: PeerAddress, knownAs: Uint8Array | undefined): void {
    this.#repliedAt = this.#options.clock.now();
    if (knownAs && !isSameId(knownAs, id)) {
      this.#options.counters.impostors++;
      this.#table.remove(from);
      return;
    }
    this.#addToTable({ id, address: from });
    if (seenIp !== undefined) this.#onVote(seenIp, from);
    this.twin?.offer(contacts.filter(({ address: { host } }) => isLocalHost(from.host) || !isLocalHost(host)));
  }

  #addToTable(contact: Contact): void {
    const doubtful = this.#table.add(contact);
    if (doubtful && this.#greetings.admits(doubtful.key)) {
      this.#query(doubtful.address, { method: 'ping' }, doubtful.id);
    }
    if (this.#isAwake) return;
    this.#isAwake = true;
    this.#options.onAwake?.();
  }

  /** A new address wants a new id, or nobody would trust us. */
  #onVote(ip: string, voter: PeerAddress): void {
    if (!this.#externalAddress.vote(ip, voter.host) || fitsAddress(this.id, ip)) return;
    const table = new RoutingTable(makeNodeId(ip, this.#options.random), this.#options.clock);
    for (const entry of this.#table.entries()) table.add(entry, entry.isVerified && entry.failures === 0);
    this.#table = table;
    log('%s: a new id for our address %s', this.family, ip);
    this.#seekSelf();
  }

  #lookup(
    method: 'find_node' | 'get_peers',
    target: Uint8Array,
    onEnd: (result: LookupResult) => void,
    onPeers?: PeersSearch['onPeers'],
  ): () => void {
    const { clock, family, moreAddresses } = this.#options;
    const ids = new Map<string, Uint8Array>();
    const contacts = this.#table.closest(target, 2 * BUCKET_SIZE);
    for (const { key, id } of contacts) ids.set(key, id);
    this.#table.lookedUp(target);
    const lookup = new Lookup({
      ...{ target, clock, contacts },
      ...(moreAddresses && { moreAddresses }),
      ...(onPeers && { onPeers }),
      ask: (address, handlers) => {
        const wants = this.twin && this.twin.nodes < BUCKET_SIZE ? (['ipv4', 'ipv6'] as const) : [family];
        this.#query(address, { method, target, wants }, ids.get(formatAddress(address)), handlers);
      },
      onEnd: (result) => {
        log('%s: %s ended after %d queries, %d answers', family, method, result.queries, result.answers);
        this.#leave(lookup);
        onEnd(result);
      },
    });
    this.#waiting.add(lookup);
    this.#startWaiting();
    return () => {
      lookup.cancel();
      this.#leave(lookup);
    };
  }

  #leave(lookup: Lookup): void {
    this.#waiting.delete(lookup);
    if (this.#running.delete(lookup)) this.#startWaiting();
  }

  #startWaiting(): void {
    for (const lookup of this.#waiting) {
      if (this.#running.size >= MOST_LOOKUPS) return;
      this.#waiting.delete(lookup);
      this.#running.add(lookup);
      lookup.start();
    }
  }

  #seekSelf(): void {
    this.#soughtSelfAt = this.#options.clock.now();
    this.#lookup('find_node', this.id, () => undefined);
  }

  #scheduleUpkeep(): void {
    this.#cancelUpkeep = this.#options.clock.after(UPKEEP_MS, () => {
      this.#keepUp();
      this.#scheduleUpkeep();
    });
  }

  /** In each round one node that was quiet for long is asked, and one part of the table looked after. */
  #keepUp(): void {
    const { clock, random } = this.#options;
    if (++this.#rounds % EXPIRE_EVERY === 0) this.#responder.peers.expire();
    const quiet = this.#table.questionable();
    if (quiet) this.#query(quiet.address, { method: 'ping' }, quiet.id);
    if (this.nodes < BUCKET_SIZE) {
      if (clock.now() - this.#soughtSelfAt >= LONELY_EVERY_MS) this.#seekSelf();
      return;
    }
    const bits = this.#isRefreshing ? undefined : this.#table.takeStaleBucket();
    if (bits === undefined) return;
    this.#isRefreshing = true;
    this.#lookup('find_node', makeIdInBucket(this.id, bits, random), () => (this.#isRefreshing = false));
  }
}
