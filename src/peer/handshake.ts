import { ProtocolError } from '../common/errors.js';

const PROTOCOL = Buffer.from('\x13BitTorrent protocol', 'latin1');

//   0           20          28          48       68
//   │ protocol  │ reserved  │ info hash │ peer id │
const RESERVED_AT = 20;
const INFO_HASH_AT = 28;
const PEER_ID_AT = 48;
export const HANDSHAKE_LENGTH = 68;

/** Bits of the reserved bytes: which byte, which bit. */
const EXTENSIONS = { at: 5, bit: 0x10 }; // BEP 10
const FAST = { at: 7, bit: 0x04 }; // BEP 6
const DHT = { at: 7, bit: 0x01 }; // BEP 5

/** What we can do: the extension protocol (BEP 10) and the fast extension (BEP 6). */
const OUR_RESERVED = Uint8Array.of(0, 0, 0, 0, 0, EXTENSIONS.bit, 0, FAST.bit);
/** The same with a DHT node (BEP 5). */
const OUR_RESERVED_WITH_DHT = Uint8Array.of(0, 0, 0, 0, 0, EXTENSIONS.bit, 0, FAST.bit | DHT.bit);

/** What a peer says first (BEP 3). */
export interface Handshake {
  /** 20 bytes each. */
  readonly infoHash: Uint8Array;
  readonly peerId: Uint8Array;
  readonly supportsExtensions: boolean;
  readonly supportsFast: boolean;
  readonly supportsDht: boolean;
}

/**
 * The 68 bytes that open a connection; `supportsDht` says that we have a DHT node (BEP 5). `reserved` (8 bytes) is ours
 * unless told otherwise.
 */
export function encodeHandshake({
  infoHash,
  peerId,
  supportsDht = false,
  reserved = supportsDht ? OUR_RESERVED_WITH_DHT : OUR_RESERVED,
}: {
  readonly infoHash: Uint8Array;
  readonly peerId: Uint8Array;
  readonly supportsDht?: boolean;
  readonly reserved?: Uint8Array;
}): Uint8Array {
  return Buffer.concat([PROTOCOL, reserved, infoHash, peerId], HANDSHAKE_LENGTH);
}

/** Reads the first 68 bytes of a peer; copies what it keeps. @throws {ProtocolError} when they are no handshake */
export function decodeHandshake(bytes: Uint8Array): Handshake {
  if (bytes.length < HANDSHAKE_LENGTH) throw new ProtocolError('ERR_HANDSHAKE', 'the handshake breaks off');
  if (PROTOCOL.compare(bytes, 0, PROTOCOL.length) !== 0) {
    throw new ProtocolError('ERR_HANDSHAKE', 'the peer does not speak BitTorrent');
  }
  const reserved = bytes.subarray(RESERVED_AT, INFO_HASH_AT);
  const isSet = ({ at, bit }: { at: number; bit: number }): boolean => (reserved[at]! & bit) !== 0;
  return {
    infoHash: bytes.slice(INFO_HASH_AT, PEER_ID_AT),
    peerId: bytes.slice(PEER_ID_AT, HANDSHAKE_LENGTH),
    supportsExtensions: isSet(EXTENSIONS),
    supportsFast: isSet(FAST),
    supportsDht: isSet(DHT),
  };
}

/** Gathers a handshake that comes in parts. */
export class HandshakeReader {
  /** Once it is whole. */
  handshake: Handshake | undefined;
  readonly #bytes = new Uint8Array(HANDSHAKE_LENGTH);
  #end = 0;

  /** Takes what it lacks from the first `length` bytes of `chunk`; returns how much. @throws {ProtocolError} */
  push(chunk: Uint8Array, length: number): number {
    const taken = Math.min(length, HANDSHAKE_LENGTH - this.#end);
    this.#bytes.set(chunk.subarray(0, taken), this.#end);
    this.#end += taken;
    if (this.#end === HANDSHAKE_LENGTH) this.handshake ??= decodeHandshake(this.#bytes);
    return taken;
  }
}

const PEER_ID_PREFIX = '-TD0100-';
const ALPHANUMERICS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/** Our 20 bytes for one run, in Azureus style (BEP 20), none of which a URL has to escape. `random(n)` gives n bytes. */
export function createPeerId(random: (length: number) => Uint8Array): Uint8Array {
  let text = PEER_ID_PREFIX;
  for (const byte of random(20 - text.length)) text += ALPHANUMERICS[byte % ALPHANUMERICS.length]!;
  return Buffer.from(text, 'latin1');
}

const CLIENTS: Readonly<Record<string, string>> = {
  AZ: 'Vuze',
  BC: 'BitComet',
  BI: 'BiglyBT',
  BT: 'BitTorrent',
  DE: 'Deluge',
  GT: 'anacrolix/torrent',
  KT: 'KTorrent',
  LT: 'libtorrent',
  RN: 'rain',
  TD: 'torrent-dl',
  TR: 'Transmission',
  UT: 'µTorrent',
  WW: 'WebTorrent',
  lt: 'rTorrent',
  qB: 'qBittorrent',
  rQ: 'rqbit',
};

/** Which program a peer id (20 bytes) stands for, such as `qBittorrent 4.5.2`; fit for a terminal whatever the bytes. */
export function clientName(peerId: Uint8Array): string {
  const text = Buffer.from(peerId).toString('latin1');
  const azureus = /^-([A-Za-z]{2})([0-9A-Za-z]{4})-/.exec(text);
  if (azureus) {
    const [, code = '', version = ''] = azureus;
    const numbers = Array.from(version, (digit) => parseInt(digit, 36));
    while (numbers.length > 2 && numbers.at(-1) === 0) numbers.pop();
    return `${CLIENTS[code] ?? code} ${numbers.join('.')}`;
  }
  const aria2 = /^A2-(\d{1,2})-(\d{1,2})-(\d{1,2})-/.exec(text);
  if (aria2) return `aria2 ${aria2.slice(1).join('.')}`;
  return text.slice(0, 8).replace(/[^!-~]/g, '?');
}
