/** Messages of the DHT: KRPC (BEP 5), with what BEP 32, 33, 42 and 43 add. */
import type { PeerAddress } from '../../common/address.js';
import {
  BencodeDictionary,
  BencodeError,
  decodeAll,
  encode,
  type BencodeValue,
  type Encodable,
} from '../../common/bencode.js';
import { COMPACT_LENGTH, readCompactPeers } from '../../common/compact.js';
import { ipOfBytes } from '../../common/ip.js';
import { compactAddress, compactContacts, ID_LENGTH, readContacts, type Contact, type Family } from './contact.js';

/** Room for what some nodes send in fragments; ours have 1,400 bytes at most. */
const MOST_BYTES = 4096;
/** Somebody's transaction id comes back in our answer: no reason to carry more. */
const MOST_TRANSACTION_BYTES = 32;
const MOST_TOKEN_BYTES = 64;
/** Of each family in one answer; BEP 5 says 8. */
const MOST_CONTACTS = 16;
const MOST_PEERS = 200;
/** How we name ourselves: two letters and a version. */
const CLIENT = Uint8Array.of(0x54, 0x44, 0, 1);

export const ERROR_CODE = { generic: 201, server: 202, protocol: 203, unknownMethod: 204 } as const;

/** A question. What a method does not know of is undefined. */
export interface Query {
  readonly kind: 'query';
  readonly transaction: Uint8Array;
  readonly method: string;
  /** The asking node's id, 20 bytes. */
  readonly id: Uint8Array;
  /** `target` or `info_hash`, 20 bytes. */
  readonly target: Uint8Array | undefined;
  /** Families of the nodes that are wanted (BEP 32); empty when nothing is said. */
  readonly wants: readonly Family[];
  /** The node answers no queries (BEP 43). */
  readonly isReadOnly: boolean;
  readonly port: number | undefined;
  /** The peer listens at the port that the datagram came from. */
  readonly isPortImplied: boolean;
  readonly token: Uint8Array | undefined;
}

export interface Reply {
  readonly kind: 'reply';
  readonly transaction: Uint8Array;
  /** The answering node's id, 20 bytes. */
  readonly id: Uint8Array;
  readonly contacts: readonly Contact[];
  readonly peers: readonly PeerAddress[];
  readonly token: Uint8Array | undefined;
  /** Our address, as the node sees it (BEP 42). */
  readonly seenIp: string | undefined;
}

export interface Refusal {
  readonly kind: 'refusal';
  readonly transaction: Uint8Array;
}

export type Message = Query | Reply | Refusal;

/** Whether a datagram may be for the DHT: all its messages are dictionaries, and nothing else on the port begins so. */
export function claimsDatagram(bytes: Uint8Array): boolean {
  return bytes[0] === 0x64;
}

/** Undefined for what is no message. It keeps nothing of `bytes`. */
export function parseMessage(bytes: Uint8Array): Message | undefined {
  if (!claimsDatagram(bytes) || bytes.length > MOST_BYTES) return undefined;
  try {
    const value = decodeAll(bytes);
    return value instanceof BencodeDictionary ? messageOf(value) : undefined;
  } catch (error) {
    if (error instanceof BencodeError) return undefined;
    throw error;
  }
}

function messageOf(message: BencodeDictionary): Message | undefined {
  const transaction = message.getBytes('t')?.slice();
  if (!transaction || transaction.length === 0 || transaction.length > MOST_TRANSACTION_BYTES) return undefined;
  switch (message.getText('y')) {
    case 'q':
      return queryOf(message, transaction);
    case 'r':
      return replyOf(message, transaction);
    case 'e':
      return { kind: 'refusal', transaction };
    default:
      return undefined;
  }
}

function queryOf(message: BencodeDictionary, transaction: Uint8Array): Query | undefined {
  const method = message.getText('q');
  const values = message.getDictionary('a');
  const id = values && idOf(values, 'id');
  if (method === undefined || !id) return undefined;
  return {
    kind: 'query',
    transaction,
    method,
    id,
    target: idOf(values, 'target') ?? idOf(values, 'info_hash'),
    wants: familiesOf(values.get('want')),
    isReadOnly: message.get('ro') === 1,
    port: values.getInteger('port'),
    isPortImplied: (values.getInteger('implied_port') ?? 0) !== 0,
    token: tokenOf(values),
  };
}

function replyOf(message: BencodeDictionary, transaction: Uint8Array): Reply | undefined {
  const values = message.getDictionary('r');
  const id = values && idOf(values, 'id');
  if (!id) return undefined;
  const ofFamily = (key: string, family: Family): Contact[] =>
    readContacts(values.getBytes(key) ?? new Uint8Array(), family, MOST_CONTACTS);
  return {
    kind: 'reply',
    transaction,
    id,
    contacts: [...ofFamily('nodes', 'ipv4'), ...ofFamily('nodes6', 'ipv6')],
    peers: peersOf(values.get('values')),
    token: tokenOf(values),
    seenIp: ipOf(message.get('ip')),
  };
}

function idOf(values: BencodeDictionary, key: string): Uint8Array | undefined {
  const id = values.getBytes(key);
  return id?.length === ID_LENGTH ? id.slice() : undefined;
}

function tokenOf(values: BencodeDictionary): Uint8Array | undefined {
  const token = values.getBytes('token');
  return token && token.length <= MOST_TOKEN_BYTES ? token.slice() : undefined;
}

function familiesOf(want: BencodeValue | undefined): Family[] {
  if (!Array.isArray(want)) return [];
  const names = want
    .slice(0, 4)
    .map((name) => (name instanceof Uint8Array ? Buffer.from(name).toString('latin1') : ''));
  return [...(names.includes('n4') ? ['ipv4' as const] : []), ...(names.includes('n6') ? ['ipv6' as const] : [])];
}

/** Some nodes send other things in place of the list: then there are no peers, but the nodes beside them count. */
function peersOf(values: BencodeValue | undefined): PeerAddress[] {
  if (!Array.isArray(values)) return [];
  return values.slice(0, MOST_PEERS).flatMap((value) => {
    if (!(value instanceof Uint8Array)) return [];
    if (value.length === COMPACT_LENGTH.ipv4) return readCompactPeers(value, 'ipv4');
    return value.length === COMPACT_LENGTH.ipv6 ? readCompactPeers(value, 'ipv6') : [];
  });
}

function ipOf(seen: BencodeValue | undefined): string | undefined {
  if (!(seen instanceof Uint8Array)) return undefined;
  const isKnown = seen.length === COMPACT_LENGTH.ipv4 || seen.length === COMPACT_LENGTH.ipv6;
  return isKnown ? ipOfBytes(seen.subarray(0, -2)) : undefined;
}

/** What we ask, without what every query has. */
export type Question =
  | { readonly method: 'ping' }
  | { readonly method: 'find_node' | 'get_peers'; readonly target: Uint8Array; readonly wants: readonly Family[] }
  | {
      readonly method: 'announce_peer';
      readonly target: Uint8Array;
      readonly port: number;
      readonly token: Uint8Array;
      readonly isSeed: boolean;
    };

export interface Sender {
  readonly id: Uint8Array;
  readonly isReadOnly: boolean;
}

export function encodeQuery(transaction: Uint8Array, { id, isReadOnly }: Sender, question: Question): Uint8Array {
  return encode({
    t: transaction,
    y: 'q',
    q: question.method,
    a: { id, ...argumentsOf(question) },
    ro: isReadOnly ? 1 : undefined,
    v: CLIENT,
  });
}

function argumentsOf(question: Question): Record<string, Encodable | undefined> {
  switch (question.method) {
    case 'ping':
      return {};
    case 'find_node':
      return { target: question.target, want: wantOf(question.wants) };
    case 'get_peers':
      return { info_hash: question.target, want: wantOf(question.wants) };
    case 'announce_peer': {
      const { target, port, token, isSeed } = question;
      return { info_hash: target, port, token, implied_port: 0, seed: isSeed ? 1 : undefined };
    }
  }
}

function wantOf(families: readonly Family[]): string[] | undefined {
  return families.length === 0 ? undefined : families.map((family) => (family === 'ipv4' ? 'n4' : 'n6'));
}

/** What we answer. */
export interface Answer {
  readonly id: Uint8Array;
  readonly contacts?: Partial<Record<Family, readonly Contact[]>>;
  /** Compact. */
  readonly peers?: readonly Uint8Array[];
  readonly token?: Uint8Array;
}

/** `to` is told its address (BEP 42). */
export function encodeReply(transaction: Uint8Array, to: PeerAddress, answer: Answer): Uint8Array {
  const { id, contacts = {}, peers = [], token } = answer;
  return encode({
    t: transaction,
    y: 'r',
    r: {
      id,
      nodes: contacts.ipv4 && compactContacts(contacts.ipv4),
      nodes6: contacts.ipv6 && compactContacts(contacts.ipv6),
      token,
      values: peers.length > 0 ? peers : undefined,
    },
    ip: compactAddress(to),
    v: CLIENT,
  });
}

export function encodeRefusal(transaction: Uint8Array, code: number, text: string): Uint8Array {
  return encode({ t: transaction, y: 'e', e: [code, text], v: CLIENT });
}
