/** What we answer to the queries of other nodes (BEP 5). */
import type { PeerAddress } from '../../common/address.js';
import type { Clock } from '../../common/clock.js';
import { sourceOf, type Contact, type Family } from './contact.js';
import { Gate } from './gate.js';
import { encodeRefusal, encodeReply, ERROR_CODE, type Answer, type Query } from './krpc.js';
import type { RandomBytes } from './node-id.js';
import { PeerStore } from './peer-store.js';
import { Tokens } from './tokens.js';

/** Queries answered, and bytes sent for them, in a second. */
const QUERIES = { perSource: 20, total: 250 } as const;
const BYTES = { perSource: 8_000, total: 64_000 } as const;
/** Fits every path; and for one who has not shown that his address is his, so that we are no good for reflection. */
const MOST_BYTES = 1400;
const MOST_BYTES_UNPROVEN = 720;
/** Bytes of an answer beside nodes and peers: id, token, ids of the transaction and so on. */
const OVERHEAD = 180;
const PEER_BYTES: Record<Family, number> = { ipv4: 8, ipv6: 21 };
const NODE_BYTES: Record<Family, number> = { ipv4: 26, ipv6: 38 };

export interface ResponderOptions {
  readonly family: Family;
  readonly clock: Clock;
  readonly random: RandomBytes;
  /** Our id now. */
  readonly id: () => Uint8Array;
  /** Good nodes near an id. */
  readonly closest: (target: Uint8Array, family: Family) => readonly Contact[];
  /** Whether a node has answered us lately, so that the address in its datagrams is no lie. */
  readonly isProven: (address: PeerAddress) => boolean;
}

export class Responder {
  readonly peers: PeerStore;
  readonly #options: ResponderOptions;
  readonly #tokens: Tokens;
  readonly #queries: Gate;
  readonly #bytes: Gate;

  constructor(options: ResponderOptions) {
    const { clock, random } = options;
    this.#options = options;
    this.peers = new PeerStore(clock);
    this.#tokens = new Tokens(clock, random);
    this.#queries = new Gate(clock, QUERIES);
    this.#bytes = new Gate(clock, BYTES);
  }

  /** The datagram to send back; undefined when too many were sent already. */
  answer(query: Query, from: PeerAddress): Uint8Array | undefined {
    const source = sourceOf(from);
    if (!this.#queries.admits(source)) return undefined;
    const bytes = this.#answerTo(query, from);
    return this.#bytes.admits(source, bytes.length) ? bytes : undefined;
  }

  #answerTo(query: Query, from: PeerAddress): Uint8Array {
    const { transaction, method, target } = query;
    const reply = (answer: Omit<Answer, 'id'>): Uint8Array =>
      encodeReply(transaction, from, { id: this.#options.id(), ...answer });
    if (method === 'ping') return reply({});
    if (method === 'announce_peer') return this.#takeAnnounce(query, from) ?? reply({});
    if (method === 'get_peers' && target) return reply(this.#findPeers(target, query, from));
    if (target) return reply({ contacts: this.#contacts(target, query) }); // also what is not invented yet
    if (method === 'find_node' || method === 'get_peers') return protocolError(transaction, 'no id to look for');
    return encodeRefusal(transaction, ERROR_CODE.unknownMethod, 'unknown method');
  }

  #findPeers(infoHash: Uint8Array, query: Query, from: PeerAddress): Omit<Answer, 'id'> {
    const { family } = this.#options;
    const contacts = this.#contacts(infoHash, query);
    const most = this.#options.isProven(from) ? MOST_BYTES : MOST_BYTES_UNPROVEN;
    const bytesOf = (name: Family): number => (contacts[name]?.length ?? 0) * NODE_BYTES[name];
    const used = OVERHEAD + bytesOf('ipv4') + bytesOf('ipv6');
    const room = Math.max(0, Math.floor((most - used) / PEER_BYTES[family]));
    const peers = room > 0 ? this.peers.get(infoHash, room) : [];
    return { contacts, peers, token: this.#tokens.give(from.host) };
  }

  /** Nodes of the families that are wanted; of the one that was used to ask when nothing is said (BEP 32). */
  #contacts(target: Uint8Array, { wants }: Query): Partial<Record<Family, readonly Contact[]>> {
    const families = wants.length > 0 ? wants : [this.#options.family];
    return Object.fromEntries(families.map((family) => [family, this.#options.closest(target, family)]));
  }

  /** Undefined when all is well. */
  #takeAnnounce(query: Query, from: PeerAddress): Uint8Array | undefined {
    const { transaction, target, token, isPortImplied } = query;
    const port = isPortImplied ? from.port : query.port;
    if (!target || !token) return protocolError(transaction, 'no info hash or no token');
    if (port === undefined || port < 1 || port > 65_535) return protocolError(transaction, 'no port');
    if (!this.#tokens.accepts(token, from.host)) return protocolError(transaction, 'bad token');
    if (this.peers.add(target, { host: from.host, port })) return undefined;
    return encodeRefusal(transaction, ERROR_CODE.server, 'too many announces');
  }
}

function protocolError(transaction: Uint8Array, text: string): Uint8Array {
  return encodeRefusal(transaction, ERROR_CODE.protocol, text);
}
