/** The DHT (BEP 5, 32, 42, 43): one node in each family of addresses, shared by all torrents of a session. */
import { randomBytes } from 'node:crypto';
import createDebug from 'debug';
import { formatAddress, type PeerAddress } from '../../common/address.js';
import { systemClock, type Clock } from '../../common/clock.js';
import { canonicalIp, isUnicast } from '../../common/ip.js';
import type { Datagrams } from '../../common/udp.js';
import { Bootstrap, resolveHost, type Resolve } from './bootstrap.js';
import { familyOf, sourceOf, type Family } from './contact.js';
import { newCounters, type DhtCounters } from './counters.js';
import { Gate } from './gate.js';
import { claimsDatagram, parseMessage } from './krpc.js';
import type { LookupResult } from './lookup.js';
import type { RandomBytes } from './node-id.js';
import { DhtNode } from './node.js';
import { MOST_SAVED, parseState, serializeState } from './store.js';

const log = createDebug('torrent-dl:tracker:dht');

/** Datagrams that are looked at, in a second: a flood of more is not even parsed. */
const DATAGRAMS = { perSource: 200, total: 4000 } as const;

export interface DhtOptions {
  readonly network: Datagrams;
  /** Families of addresses that the network has. */
  readonly families: readonly Family[];
  /** Hosts to begin with when no known node answers: names or IP addresses. `PUBLIC_BOOTSTRAP`, or the user's own. */
  readonly bootstrap: readonly PeerAddress[];
  /** What `save()` gave in an earlier run; anything else is no error. */
  readonly state?: Uint8Array | undefined;
  /** False when others cannot reach us unasked: then we say so, and answer nobody (BEP 43). */
  readonly isReachable?: () => boolean;
  readonly resolve?: Resolve;
  readonly clock?: Clock;
  readonly random?: RandomBytes;
  /** A line for the user. */
  readonly onNotice?: (text: string) => void;
}

export interface DhtStatus {
  /** Nodes in the table of each family; 0 for one that we are not in. */
  readonly nodes4: number;
  readonly nodes6: number;
  /** Those that have answered in this run. */
  readonly goodNodes: number;
  /** Our addresses as others see them, as far as they agree. */
  readonly externalIps: readonly string[];
  readonly isReadOnly: boolean;
  /** Peers that others announced to us. */
  readonly storedPeers: number;
  /** Our queries that wait for an answer. */
  readonly pending: number;
}

/** A search for the peers of one torrent. */
export interface DhtSearch {
  /** 20 bytes. */
  readonly infoHash: Uint8Array;
  /** What to tell the nodes in charge, asked at the end of the search; undefined to tell them nothing. */
  readonly announce: () => { readonly port: number; readonly isSeed: boolean } | undefined;
  readonly onPeers: (peers: readonly PeerAddress[]) => void;
  /** All families are through. */
  readonly onEnd: (result: SearchResult) => void;
}

export interface SearchResult {
  /** Nodes that were asked, and those that answered. */
  readonly queries: number;
  readonly answers: number;
  readonly peers: number;
}

export class Dht implements AsyncDisposable {
  readonly clock: Clock;
  readonly counters: Readonly<DhtCounters>;
  readonly #counters: DhtCounters;
  readonly #nodes: readonly DhtNode[];
  readonly #bootstrap: Bootstrap;
  readonly #datagrams: Gate;
  readonly #isReadOnly: () => boolean;
  readonly #onAwake = new Set<() => void>();
  #isClosed = false;

  /** Begins at once, with the nodes of `state` if there are any. */
  static open(options: DhtOptions): Dht {
    return new Dht(options);
  }

  /** Whether a datagram is for the DHT, by its first byte. */
  static claims(bytes: Uint8Array): boolean {
    return claimsDatagram(bytes);
  }

  private constructor(options: DhtOptions) {
    const { network, families, bootstrap, state, isReachable, onNotice } = options;
    this.clock = options.clock ?? systemClock;
    this.counters = this.#counters = newCounters();
    this.#bootstrap = new Bootstrap(bootstrap, options.resolve ?? resolveHost, this.clock);
    this.#datagrams = new Gate(this.clock, DATAGRAMS);
    this.#isReadOnly = () => isReachable?.() === false;
    const saved = state && parseState(state);
    if (state && !saved) onNotice?.('ignoring the saved DHT table: it is damaged');
    this.#nodes = [...new Set(families)].map(
      (family) =>
        new DhtNode({
          ...{ family, network, clock: this.clock, counters: this.#counters, isReadOnly: this.#isReadOnly },
          random: options.random ?? randomBytes,
          id: saved?.[family]?.id,
          contacts: saved?.[family]?.contacts ?? [],
          moreAddresses: (give) => this.#bootstrap.give(family, give),
          onAwake: () => this.#awake(),
        }),
    );
    const [first, second] = this.#nodes;
    if (first && second) [first.twin, second.twin] = [second, first];
    for (const node of this.#nodes) node.start();
  }

  /** Bootstrap hosts without an address, at the last look-up. */
  get unresolved(): readonly string[] {
    return this.#bootstrap.unresolved;
  }

  /** Takes a datagram, whatever it is. Never throws, and keeps nothing of `bytes`. */
  receive(bytes: Uint8Array, from: PeerAddress): void {
    const host = canonicalIp(from.host); // none for `fe80::1%eth0`
    const node = host === undefined ? undefined : this.#nodes.find(({ family }) => family === familyOf(host));
    if (this.#isClosed || host === undefined || !node || from.port === 0) return;
    this.#counters.received++;
    const address = { host, port: from.port };
    if (!this.#datagrams.admits(sourceOf(address))) {
      this.#counters.flooded++;
      return;
    }
    const message = parseMessage(bytes);
    if (message) {
      node.receive(message, address);
      return;
    }
    this.#counters.malformed++;
    if (log.enabled) log('malformed, from %s', formatAddress(address));
  }

  /** A node that a peer told of (the wire's `port` message). It is asked before it is believed. */
  addNode(address: PeerAddress): void {
    const host = canonicalIp(address.host);
    if (this.#isClosed || host === undefined || !isUnicast(host) || address.port < 1) return;
    this.#nodes.find(({ family }) => family === familyOf(host))?.greet({ host, port: address.port });
  }

  /** Looks for peers in all families, and announces us to the nodes in charge. The result ends it without a word. */
  search({ infoHash, announce, onPeers, onEnd }: DhtSearch): () => void {
    let [left, queries, answers, peers] = [this.#nodes.length, 0, 0, 0];
    const end = (node: DhtNode, result: LookupResult): void => {
      queries += result.queries;
      answers += result.answers;
      peers += result.peers;
      const torrent = announce();
      if (torrent) node.announce(result.closest, { infoHash, ...torrent });
      if (--left === 0) onEnd({ queries, answers, peers });
    };
    const cancels = this.#isClosed
      ? []
      : this.#nodes.map((node) => node.getPeers({ infoHash, onPeers, onEnd: (result) => end(node, result) }));
    return () => {
      for (const cancel of cancels) cancel();
    };
  }

  /** Calls back whenever a family gets its first node; the result ends that. */
  onAwake(callback: () => void): () => void {
    this.#onAwake.add(callback);
    return () => this.#onAwake.delete(callback);
  }

  /** The ids and tables as bytes, for the next run; 12 KiB at most. */
  save(): Uint8Array {
    const nodes = this.#nodes.map((node) => {
      const { family, id } = node;
      return [family, { id, contacts: node.savedContacts(MOST_SAVED) }] as const;
    });
    return serializeState(Object.fromEntries(nodes));
  }

  status(): DhtStatus {
    const nodesOf = (wanted: Family): number => this.#nodes.find(({ family }) => family === wanted)?.nodes ?? 0;
    const sum = (count: (node: DhtNode) => number): number =>
      this.#nodes.reduce((total, node) => total + count(node), 0);
    return {
      nodes4: nodesOf('ipv4'),
      nodes6: nodesOf('ipv6'),
      goodNodes: sum(({ goodNodes }) => goodNodes),
      externalIps: this.#nodes.flatMap(({ externalIp }) => externalIp ?? []),
      isReadOnly: this.#isReadOnly(),
      storedPeers: sum(({ storedPeers }) => storedPeers),
      pending: sum(({ pending }) => pending),
    };
  }

  /** Ends all searches at once; there is no goodbye. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#bootstrap.close();
    for (const node of this.#nodes) node.close();
    return Promise.resolve();
  }

  #awake(): void {
    for (const callback of [...this.#onAwake]) callback();
  }
}
