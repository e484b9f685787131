import { BencodeDictionary, decode, encode, type BencodeValue } from '../../common/bencode.js';
import { ProtocolError } from '../../common/errors.js';
import { canonicalIp, ipOfBytes } from '../../common/ip.js';
import { decodeUtf8, escapeControl } from '../../common/text.js';

/** The largest info dictionary that is believed in (THREATS M8), bytes. */
export const MOST_METADATA = 16 * 1024 * 1024;
const MOST_MESSAGES = 64;
const LONGEST_NAME = 64;
const MOST_REQUESTS = 65_535;

/** What a peer says of itself with the extension protocol (BEP 10). What it did not say, or said oddly, is missing. */
export interface ExtensionHandshake {
  /** Extended message ids (1–255) by name, such as `ut_pex`; what the peer switched off (id 0) is left out. */
  readonly messageIds: ReadonlyMap<string, number>;
  /** Its listening TCP port. */
  readonly port?: number;
  /** Name and version, fit for a terminal. */
  readonly client?: string;
  /** Our address as the peer sees it. */
  readonly yourIp?: string;
  /** Requests that it keeps before it drops some (`reqq`). */
  readonly requestQueueLength?: number;
  /** Bytes of the info dictionary (BEP 9), at most 16 MiB. */
  readonly metadataSize?: number;
  /** It wants nothing (BEP 21). */
  readonly isUploadOnly?: boolean;
}

/** What we say; `yourIp` is left out when it is no IP address, as is what is undefined. */
export interface ExtensionHandshakeFields {
  readonly messageIds: Readonly<Record<string, number>>;
  readonly port?: number | undefined;
  readonly client: string;
  readonly yourIp?: string | undefined;
  readonly requestQueueLength: number;
  readonly metadataSize?: number | undefined;
  readonly isUploadOnly?: boolean | undefined;
}

/** The payload of extended message 0 (BEP 10). */
export function encodeExtensionHandshake(fields: ExtensionHandshakeFields): Uint8Array {
  const { port, yourIp, metadataSize, isUploadOnly } = fields;
  const address = yourIp === undefined ? undefined : bytesOfIp(yourIp);
  return encode({
    m: fields.messageIds,
    ...(metadataSize !== undefined && { metadata_size: metadataSize }),
    ...(port && { p: port }),
    reqq: fields.requestQueueLength,
    ...(isUploadOnly && { upload_only: 1 }),
    v: fields.client,
    ...(address && { yourip: address }),
  });
}

/**
 * Reads the payload of extended message 0. Fields of odd types or values are as if missing, for clients differ. A peer
 * may send several: what a later one leaves out is as `before`.
 * @throws {ProtocolError} when it is not a bencoded dictionary
 */
export function decodeExtensionHandshake(payload: Uint8Array, before?: ExtensionHandshake): ExtensionHandshake {
  const dictionary = dictionaryOf(payload);
  const port = integerOf(dictionary.get('p'), 65_535);
  const client = nameOf(dictionary.get('v'));
  const address = dictionary.get('yourip');
  const requests = integerOf(dictionary.get('reqq'), Number.MAX_SAFE_INTEGER);
  const metadataSize = integerOf(dictionary.get('metadata_size'), MOST_METADATA);
  const uploadOnly = dictionary.get('upload_only');
  return {
    ...before,
    messageIds: messageIdsOf(dictionary.get('m'), before?.messageIds),
    ...(port !== undefined && { port }),
    ...(client !== undefined && { client }),
    ...(address instanceof Uint8Array && [4, 16].includes(address.length) && { yourIp: ipOfBytes(address) }),
    ...(requests !== undefined && { requestQueueLength: Math.min(requests, MOST_REQUESTS) }),
    ...(metadataSize !== undefined && { metadataSize }),
    ...(typeof uploadOnly === 'number' && { isUploadOnly: uploadOnly !== 0 }),
  };
}

function dictionaryOf(payload: Uint8Array): BencodeDictionary {
  let value: BencodeValue;
  try {
    ({ value } = decode(payload));
  } catch (error) {
    throw new ProtocolError('ERR_EXTENSION', 'the extension handshake is not bencoded', { cause: error });
  }
  if (value instanceof BencodeDictionary) return value;
  throw new ProtocolError('ERR_EXTENSION', 'the extension handshake is no dictionary');
}

/** A whole number from 1 to `most`, or undefined. */
function integerOf(value: BencodeValue | undefined, most: number): number | undefined {
  return typeof value === 'number' && value >= 1 && value <= most ? value : undefined;
}

function messageIdsOf(
  value: BencodeValue | undefined,
  before: ReadonlyMap<string, number> = new Map(),
): Map<string, number> {
  const messageIds = new Map(before);
  if (!(value instanceof BencodeDictionary)) return messageIds;
  for (const [name, id] of value) {
    const isUsable = integerOf(id, 255) !== undefined && name.length <= LONGEST_NAME;
    if (id === 0) messageIds.delete(name);
    if (isUsable && messageIds.size < MOST_MESSAGES) messageIds.set(name, id as number);
  }
  return messageIds;
}

function nameOf(value: BencodeValue | undefined): string | undefined {
  if (!(value instanceof Uint8Array) || value.length === 0) return undefined;
  const text = decodeUtf8(value) ?? Buffer.from(value).toString('latin1');
  return Array.from(escapeControl(text.slice(0, 4 * LONGEST_NAME)))
    .slice(0, LONGEST_NAME)
    .join('');
}

/** 4 or 16 bytes of an IP address, or undefined. */
function bytesOfIp(text: string): Uint8Array | undefined {
  const ip = canonicalIp(text);
  if (ip === undefined) return undefined;
  if (!ip.includes(':')) return Uint8Array.from(ip.split('.'), Number);
  const [head = '', tail] = ip.split('::');
  const groupsOf = (part: string): string[] => (part === '' ? [] : part.split(':'));
  const left = groupsOf(head);
  const right = tail === undefined ? [] : groupsOf(tail);
  const zeros = Array<string>(8 - left.length - right.length).fill('0');
  return Uint8Array.from(
    [...left, ...zeros, ...right].flatMap((group) => {
      const number = parseInt(group, 16);
      return [number >> 8, number & 0xff];
    }),
  );
}
