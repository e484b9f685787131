/** A DHT in one process: no sockets, and time passes as fast as it can be computed. */
import { formatAddress, type PeerAddress } from '../../../src/common/address.js';
import type { Clock } from '../../../src/common/clock.js';
import { Heap, type HeapItem } from '../../../src/common/heap.js';
import { Dht, type DhtOptions } from '../../../src/tracker/dht/dht.js';
import { encodeReply, parseMessage, type Query } from '../../../src/tracker/dht/krpc.js';
import type { Contact } from '../../../src/tracker/dht/contact.js';
import type { RandomBytes } from '../../../src/tracker/dht/node-id.js';

interface Event extends HeapItem {
  readonly callback: () => void;
}

/** Time jumps from event to event. */
export class SimulatedClock implements Clock {
  #now = 0;
  readonly #events = new Heap<Event>();

  now(): number {
    return this.#now;
  }

  after(delayMs: number, callback: () => void): () => void {
    const event = { rank: this.#now + delayMs, heapIndex: -1, callback };
    this.#events.push(event);
    return () => this.#events.remove(event);
  }

  get timers(): number {
    return this.#events.size;
  }

  /** Lets so much time pass; ends sooner when `isDone` says so. */
  run(ms: number, isDone = (): boolean => false): void {
    const end = this.#now + ms;
    while (!isDone()) {
      const next = this.#events.first;
      if (!next || next.rank > end) break;
      this.#events.remove(next);
      this.#now = next.rank;
      next.callback();
    }
    if (!isDone()) this.#now = end;
  }
}

/** Numbers from 0 to below 1, the same for the same seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let value = Math.imul(state ^ (state >>> 15), state | 1);
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function randomBytesOf(random: () => number): RandomBytes {
  return (length) => Uint8Array.from({ length }, () => Math.floor(random() * 256));
}

/** Who listens at which address. Datagrams take 10 to 150 ms, and some are lost. */
export class SimulatedNetwork {
  sent = 0;
  readonly clock: SimulatedClock;
  readonly random: () => number;
  readonly lossRate: number;
  readonly #listeners = new Map<string, (bytes: Uint8Array, from: PeerAddress) => void>();

  constructor(clock: SimulatedClock, random: () => number, lossRate = 0) {
    [this.clock, this.random, this.lossRate] = [clock, random, lossRate];
  }

  listen(address: PeerAddress, listener: (bytes: Uint8Array, from: PeerAddress) => void): void {
    this.#listeners.set(formatAddress(address), listener);
  }

  leave(address: PeerAddress): void {
    this.#listeners.delete(formatAddress(address));
  }

  send(bytes: Uint8Array, to: PeerAddress, from: PeerAddress): void {
    this.sent++;
    if (this.random() < this.lossRate) return;
    const key = formatAddress(to);
    this.clock.after(10 + 140 * this.random() ** 2, () => this.#listeners.get(key)?.(bytes, from));
  }
}

export interface SimulationOptions {
  readonly nodes: number;
  /** Shares of the nodes: those that vanish once all have joined, and those that lie. */
  readonly dead: number;
  readonly lying: number;
  readonly seed?: number;
  readonly lossRate?: number;
  /** How long the DHT lives, in ms, from the last join to the deaths, and from there to the first announce. */
  readonly settleMs?: number;
}

export interface SimulatedNode {
  readonly address: PeerAddress;
  readonly dht: Dht;
}

/** What a search came to. */
export interface SimulatedSearch {
  readonly isFound: boolean;
  readonly queries: number;
  /** To the first peer, and to the end. */
  readonly firstMs: number;
  readonly endMs: number;
}

interface Search {
  readonly dht: Dht;
  readonly infoHash: Uint8Array;
  /** The peer that is to be found. */
  readonly wanted?: PeerAddress;
  readonly port?: number;
}

const SEARCH_EVERY_MS = 100;
const BOOTSTRAP_NODES = 4;
const JOIN_EVERY_MS = 50;

/** Honest nodes are ours; what the others say is made up. */
export class Simulation {
  readonly clock = new SimulatedClock();
  readonly random: () => number;
  readonly network: SimulatedNetwork;
  /** Honest and alive. */
  nodes: SimulatedNode[] = [];
  readonly #liars: PeerAddress[] = [];
  readonly #used = new Set<string>();
  readonly #bootstrap: readonly PeerAddress[];

  constructor({ nodes, dead, lying, seed = 1, lossRate = 0, settleMs = 60_000 }: SimulationOptions) {
    this.random = seededRandom(seed);
    this.network = new SimulatedNetwork(this.clock, this.random, lossRate);
    this.#bootstrap = Array.from({ length: BOOTSTRAP_NODES }, () => this.newAddress());
    for (const address of this.#bootstrap) this.#join(address);
    for (let number = BOOTSTRAP_NODES; number < nodes; number++) {
      this.clock.run(JOIN_EVERY_MS);
      // spread evenly, so that the number is exact
      const isLiar = Math.floor(number * lying) !== Math.floor((number - 1) * lying);
      if (isLiar) this.#joinLiar();
      else this.#join(this.newAddress());
    }
    this.clock.run(settleMs);
    for (let count = Math.floor(nodes * dead); count > 0; count--) {
      const at = BOOTSTRAP_NODES + Math.floor(this.random() * (this.nodes.length - BOOTSTRAP_NODES));
      const [node] = this.nodes.splice(at, 1);
      this.network.leave(node!.address);
      void node!.dht[Symbol.asyncDispose]();
    }
    this.clock.run(settleMs / 2);
  }

  /** An address in the public network that nobody has. */
  newAddress(): PeerAddress {
    for (;;) {
      const host = [64 + Math.floor(this.random() * 36), ...randomBytesOf(this.random)(3)].join('.');
      if (this.#used.has(host)) continue;
      this.#used.add(host);
      return { host, port: 1024 + Math.floor(this.random() * 60_000) };
    }
  }

  open(address: PeerAddress, options: Partial<DhtOptions> = {}): Dht {
    const dht = Dht.open({
      network: { send: (bytes, to) => this.network.send(bytes, to, address) },
      families: ['ipv4'],
      bootstrap: this.#bootstrap.filter((other) => other !== address),
      clock: this.clock,
      random: randomBytesOf(this.random),
      ...options,
    });
    this.network.listen(address, (bytes, from) => dht.receive(bytes, from));
    return dht;
  }

  anyNode(): SimulatedNode {
    return this.nodes[Math.floor(this.random() * this.nodes.length)]!;
  }

  /** Publishes so many torrents, then searches each from another node; searches overlap, which saves much time. */
  measure(count: number): SimulatedSearch[] {
    const random = randomBytesOf(this.random);
    const torrents = Array.from({ length: count }, () => ({ infoHash: random(20), publisher: this.anyNode() }));
    this.#searchAll(torrents.map(({ infoHash, publisher }) => ({ infoHash, dht: publisher.dht, port: 7000 })));
    return this.#searchAll(
      torrents.map(({ infoHash, publisher }) => {
        let searcher = this.anyNode();
        while (searcher === publisher) searcher = this.anyNode();
        return { infoHash, dht: searcher.dht, wanted: { host: publisher.address.host, port: 7000 } };
      }),
    );
  }

  #searchAll(searches: readonly Search[]): SimulatedSearch[] {
    const results: SimulatedSearch[] = [];
    for (const search of searches) {
      this.#search(search, (result) => results.push(result));
      this.clock.run(SEARCH_EVERY_MS);
    }
    this.clock.run(60_000, () => results.length === searches.length);
    this.clock.run(1000); // for the announces to arrive
    return results;
  }

  /** The searcher announces itself when a port is given. */
  #search({ dht, infoHash, wanted, port }: Search, onEnd: (result: SimulatedSearch) => void): void {
    const start = this.clock.now();
    let firstMs = Infinity;
    dht.search({
      infoHash,
      announce: () => (port === undefined ? undefined : { port, isSeed: false }),
      onPeers: (peers) => {
        const isHere = wanted && peers.some((peer) => formatAddress(peer) === formatAddress(wanted));
        if (isHere && firstMs === Infinity) firstMs = this.clock.now() - start;
      },
      onEnd: ({ queries }) => onEnd({ isFound: firstMs < Infinity, queries, firstMs, endMs: this.clock.now() - start }),
    });
  }

  close(): void {
    for (const { dht } of this.nodes) void dht[Symbol.asyncDispose]();
  }

  #join(address: PeerAddress): void {
    this.nodes.push({ address, dht: this.open(address) });
  }

  /**
   * Each liar has one way of its own: it names nodes that are not there, or other liars, by ids next to whatever is
   * looked for; or answers by another id each time; or sends rubbish.
   */
  #joinLiar(): void {
    const address = this.newAddress();
    const kind = this.#liars.push(address) % 4;
    const own = randomBytesOf(this.random)(20);
    const dht = this.open(address); // so that it is known
    this.network.listen(address, (bytes, from) => {
      const message = parseMessage(bytes);
      if (message?.kind !== 'query') {
        dht.receive(bytes, from);
        return;
      }
      const answer = kind === 3 ? bytes.subarray(0, -3) : this.#lie(kind, message, { id: own, address }, from);
      this.network.send(answer, from, address);
    });
  }

  #lie(kind: number, { target, transaction, method }: Query, liar: Contact, from: PeerAddress): Uint8Array {
    const random = randomBytesOf(this.random);
    if (!target || method === 'announce_peer') return encodeReply(transaction, from, { id: liar.id });
    const nextTo = (salt: string): Uint8Array => {
      const id = Uint8Array.from(target);
      for (let at = 0; at < 4; at++) id[16 + at]! ^= salt.charCodeAt(salt.length - 1 - at) * 37 + at;
      return id;
    };
    const pick = (): PeerAddress => this.#liars[Math.floor(this.random() * this.#liars.length)]!;
    const contacts = Array.from({ length: 8 }, () => {
      const address = kind === 1 ? pick() : { host: [70, ...random(3)].join('.'), port: 6881 };
      return { id: kind === 1 ? nextTo(address.host) : nextTo(String(1e6 * this.random())), address };
    });
    const id = kind === 2 ? random(20) : kind === 1 ? nextTo(liar.address.host) : liar.id;
    return encodeReply(transaction, from, { id, contacts: { ipv4: contacts }, token: random(8) });
  }
}

/** The middle one, and the one that `share` of all are not above. */
export function quantile(values: readonly number[], share: number): number {
  return [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))]!;
}
