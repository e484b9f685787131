import { ProtocolError } from '../common/errors.js';
import { escapeControl } from '../common/text.js';

/** Bytes of a handshake (BEP 3). */
export const HANDSHAKE_LENGTH = 68;

const PROTOCOL = Buffer.from('\x13BitTorrent protocol', 'latin1');
const RESERVED_AT = PROTOCOL.length;
const INFO_HASH_AT = RESERVED_AT + 8;
const PEER_ID_AT = INFO_HASH_AT + 20;

/** Bits of the reserved bytes: extension protocol (BEP 10), fast extension (BEP 6). */
const EXTENSIONS = { byte: RESERVED_AT + 5, bit: 0x10 };
const FAST = { byte: RESERVED_AT + 7, bit: 0x04 };

/** What a peer says first. */
export interface Handshake {
  /** 20 bytes. */
  readonly infoHash: Uint8Array;
  /** 20 bytes. */
  readonly peerId: Uint8Array;
  readonly supportsExtensions: boolean;
  readonly supportsFast: boolean;
}

/** Our handshake, 68 bytes: with extensions (BEP 10) and the fast extension (BEP 6). */
export function encodeHandshake({ infoHash, peerId }: Pick<Handshake, 'infoHash' | 'peerId'>): Uint8Array {
  const bytes = new Uint8Array(HANDSHAKE_LENGTH);
  bytes.set(PROTOCOL);
  bytes[EXTENSIONS.byte] = EXTENSIONS.bit;
  bytes[FAST.byte] = FAST.bit;
  bytes.set(infoHash, INFO_HASH_AT);
  bytes.set(peerId, PEER_ID_AT);
  return bytes;
}

/** Reads 68 bytes. @throws {ProtocolError} when they are no BitTorrent handshake */
export function decodeHandshake(bytes: Uint8Array): Handshake {
  if (bytes.length < HANDSHAKE_LENGTH || Buffer.compare(bytes.subarray(0, RESERVED_AT), PROTOCOL) !== 0) {
    throw new ProtocolError('ERR_HANDSHAKE', 'the peer does not speak BitTorrent');
  }
  return {
    infoHash: bytes.slice(INFO_HASH_AT, PEER_ID_AT),
    peerId: bytes.slice(PEER_ID_AT, HANDSHAKE_LENGTH),
    supportsExtensions: (bytes[EXTENSIONS.byte]! & EXTENSIONS.bit) !== 0,
    supportsFast: (bytes[FAST.byte]! & FAST.bit) !== 0,
  };
}

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** A peer id in Azureus style: program and version, then 12 random letters. */
export function createPeerId(random: (length: number) => Uint8Array): Uint8Array {
  const tail = Array.from(random(12), (byte) => LETTERS[byte & 63]).join('');
  return Buffer.from(`-TD0100-${tail}`, 'latin1');
}

/** The program that a peer id names, as far as it can be told: `TR3000`, fit for a terminal. */
export function clientName(peerId: Uint8Array): string {
  const text = Buffer.from(peerId).toString('latin1');
  const azureus = /^-([\x21-\x7e]{2})([\x21-\x7e]{4})-/.exec(text);
  return azureus ? `${azureus[1]}${azureus[2]}` : escapeControl(text.slice(0, 8));
}
