import { BencodeDictionary, BencodeError, decode, encode, type BencodeValue } from '../../common/bencode.js';
import { ProtocolError } from '../../common/errors.js';
import { bytesOfIp, ipOfBytes } from '../../common/ip.js';
import { escapeControl } from '../../common/text.js';

/** An info dictionary that is larger is an attack (THREATS M8). */
const MOST_METADATA = 16 * 1024 * 1024;
const MOST_CLIENT_LENGTH = 64;
const MOST_EXTENSIONS = 64;

/** What we say of ourselves (BEP 10). */
export interface OwnExtensionHandshake {
  /** Extensions that we take, by name, with the message id that we give each. */
  readonly messageIds: Readonly<Record<string, number>>;
  readonly port: number;
  readonly client: string;
  /** The peer's address as we see it. */
  readonly yourIp: string;
  /** `reqq`: requests that we keep. */
  readonly requestQueueLength: number;
  /** Length of the info dictionary (BEP 9). */
  readonly metadataSize: number;
  /** BEP 21. */
  readonly isUploadOnly: boolean;
}

/** What a peer says of itself; whatever is absent or of the wrong type is undefined. */
export interface ExtensionHandshake {
  readonly messageIds: ReadonlyMap<string, number>;
  readonly port: number | undefined;
  /** Fit for a terminal. */
  readonly client: string | undefined;
  readonly yourIp: string | undefined;
  readonly requestQueueLength: number | undefined;
  readonly metadataSize: number | undefined;
  readonly isUploadOnly: boolean;
}

/** The payload behind extended message id 0. */
export function encodeExtensionHandshake(own: OwnExtensionHandshake): Uint8Array {
  const ip = bytesOfIp(own.yourIp);
  return encode({
    m: own.messageIds,
    metadata_size: own.metadataSize,
    p: own.port,
    reqq: own.requestQueueLength,
    upload_only: own.isUploadOnly ? 1 : 0,
    v: own.client,
    ...(ip ? { yourip: Buffer.from(ip) } : {}),
  });
}

/** Reads a peer's payload. @throws {ProtocolError} when it is not a bencoded dictionary */
export function decodeExtensionHandshake(payload: Uint8Array): ExtensionHandshake {
  const hello = readDictionary(payload);
  const client = hello.get('v');
  const yourIp = hello.get('yourip');
  return {
    messageIds: readMessageIds(hello.get('m')),
    port: within(hello.get('p'), 1, 65_535),
    client: client instanceof Uint8Array ? shortText(client) : undefined,
    yourIp: yourIp instanceof Uint8Array && [4, 16].includes(yourIp.length) ? ipOfBytes(yourIp) : undefined,
    requestQueueLength: within(hello.get('reqq'), 1, Number.MAX_SAFE_INTEGER),
    metadataSize: within(hello.get('metadata_size'), 1, MOST_METADATA),
    isUploadOnly: hello.get('upload_only') === 1,
  };
}

function readDictionary(payload: Uint8Array): BencodeDictionary {
  try {
    const { value } = decode(payload);
    if (value instanceof BencodeDictionary) return value;
  } catch (error) {
    if (!(error instanceof BencodeError)) throw error;
    throw new ProtocolError('ERR_EXTENSION', `a malformed extension handshake: ${error.message}`, { cause: error });
  }
  throw new ProtocolError('ERR_EXTENSION', 'an extension handshake that is not a dictionary');
}

/** Id 0 takes an extension back (BEP 10). */
function readMessageIds(value: BencodeValue | undefined): Map<string, number> {
  const ids = new Map<string, number>();
  if (!(value instanceof BencodeDictionary)) return ids;
  for (const [name, id] of value) {
    const known = within(id, 1, 255);
    if (known !== undefined && ids.size < MOST_EXTENSIONS) ids.set(name, known);
  }
  return ids;
}

function within(value: BencodeValue | undefined, least: number, most: number): number | undefined {
  return typeof value === 'number' && value >= least && value <= most ? value : undefined;
}

function shortText(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.subarray(0, 4 * MOST_CLIENT_LENGTH)).toString('utf8');
  return escapeControl([...text].slice(0, MOST_CLIENT_LENGTH).join(''));
}
