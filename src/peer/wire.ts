/** Stage 3: addresses → blocks. The peer wire protocol (BEP 3, 6, 10), without I/O. */
import { ProtocolError } from '../common/errors.js';

/** Message ids of BEP 3, BEP 6 and BEP 10. */
export const MESSAGE = {
  choke: 0,
  unchoke: 1,
  interested: 2,
  notInterested: 3,
  have: 4,
  bitfield: 5,
  request: 6,
  piece: 7,
  cancel: 8,
  port: 9,
  suggestPiece: 13,
  haveAll: 14,
  haveNone: 15,
  rejectRequest: 16,
  allowedFast: 17,
  extended: 20,
} as const;

/** The largest block that anybody serves; a longer one is no block but an attack. */
export const MOST_BLOCK_LENGTH = 131_072;

/** Largest message of no use to us that is passed over, and largest extended message that is taken. */
const MOST_SKIPPED = 1_048_576;
const MOST_EXTENDED = 262_144;

/** Payload length by id where the protocol fixes it; 13 bytes and less, so that nothing can be made to grow. */
const PAYLOAD_LENGTH: Readonly<Record<number, number>> = {
  [MESSAGE.choke]: 0,
  [MESSAGE.unchoke]: 0,
  [MESSAGE.interested]: 0,
  [MESSAGE.notInterested]: 0,
  [MESSAGE.have]: 4,
  [MESSAGE.request]: 12,
  [MESSAGE.cancel]: 12,
  [MESSAGE.port]: 2,
  [MESSAGE.suggestPiece]: 4,
  [MESSAGE.haveAll]: 0,
  [MESSAGE.haveNone]: 0,
  [MESSAGE.rejectRequest]: 12,
  [MESSAGE.allowedFast]: 4,
};

/** Takes the blocks that `WireReader` finds. Byte ranges are valid during the call only. */
export interface BlockSink {
  /** A `piece` message begins; its bytes follow by `onBlockBytes`, its end by `onBlockEnd`. */
  onBlock: (index: number, begin: number, length: number) => void;
  onBlockBytes: (chunk: Uint8Array, from: number, to: number) => void;
  onBlockEnd: () => void;
}

/** Takes all other messages; the payload is valid during the call only. */
export interface MessageSink {
  onMessage: (id: number, payload: Uint8Array) => void;
}

/** Bytes before a block: length prefix, id, index and begin. No other head is longer. */
export const BLOCK_HEAD_LENGTH = 13;

/** Splits a peer's bytes into messages and blocks, wherever the network cut them. */
export class WireReader {
  readonly #blocks: BlockSink;
  readonly #messages: MessageSink;
  readonly #bitfieldLength: number;
  readonly #head = new Uint8Array(BLOCK_HEAD_LENGTH);
  /** Bytes of #head in use. */
  #headEnd = 0;
  /** What is left of the block in transit, of a message that is passed over. */
  #blockLeft = 0;
  #skipLeft = 0;
  /** A message that came in parts. */
  #payload: Uint8Array | undefined;
  #payloadEnd = 0;
  #isStopped = false;

  constructor(bitfieldLength: number, blocks: BlockSink, messages: MessageSink) {
    this.#bitfieldLength = bitfieldLength;
    this.#blocks = blocks;
    this.#messages = messages;
  }

  /** Nothing more is read, not even the rest of the bytes at hand. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Takes the bytes `from` … `to` of `chunk`. @throws {ProtocolError} on a malformed message */
  push(chunk: Uint8Array, from: number, to: number): void {
    let at = from;
    while (at < to && !this.#isStopped) {
      if (this.#blockLeft > 0) at = this.#readBlock(chunk, at, to);
      else if (this.#skipLeft > 0) at = this.#skip(at, to);
      else if (this.#payload) at = this.#readPayload(this.#payload, chunk, at, to);
      else if (this.#headEnd === 0 && to - at >= BLOCK_HEAD_LENGTH && chunk[at + 4] === MESSAGE.piece) {
        this.#openBlock(chunk, at);
        at += BLOCK_HEAD_LENGTH;
      } else at = this.#readHead(chunk, at, to);
    }
  }

  #readBlock(chunk: Uint8Array, at: number, to: number): number {
    const end = Math.min(to, at + this.#blockLeft);
    this.#blockLeft -= end - at;
    this.#blocks.onBlockBytes(chunk, at, end);
    if (this.#blockLeft === 0) this.#blocks.onBlockEnd();
    return end;
  }

  #skip(at: number, to: number): number {
    const end = Math.min(to, at + this.#skipLeft);
    this.#skipLeft -= end - at;
    return end;
  }

  #readPayload(payload: Uint8Array, chunk: Uint8Array, at: number, to: number): number {
    const end = Math.min(to, at + payload.length - this.#payloadEnd);
    payload.set(chunk.subarray(at, end), this.#payloadEnd);
    this.#payloadEnd += end - at;
    if (this.#payloadEnd === payload.length) {
      this.#payload = undefined;
      this.#messages.onMessage(this.#head[4]!, payload);
    }
    return end;
  }

  #openBlock(bytes: Uint8Array, at: number): void {
    const length = readUint32(bytes, at) - 9;
    if (length <= 0) throw malformed(`a piece message of ${length + 9} bytes`);
    if (length > MOST_BLOCK_LENGTH) throw malformed(`a block of ${length} bytes`);
    this.#blockLeft = length;
    this.#blocks.onBlock(readUint32(bytes, at + 5), readUint32(bytes, at + 9), length);
  }

  /** Gathers the head of a message, as far as it goes; acts when it is whole. */
  #readHead(chunk: Uint8Array, from: number, to: number): number {
    const head = this.#head;
    let at = from;
    while (at < to) {
      head[this.#headEnd++] = chunk[at++]!;
      if (this.#headEnd < 4) continue;
      const length = readUint32(head, 0);
      if (this.#headEnd === 4) {
        if (length > 0) continue;
        this.#headEnd = 0; // a keep-alive
        return at;
      }
      if (head[4] === MESSAGE.piece) {
        if (length < 10) throw malformed(`a piece message of ${length} bytes`);
        if (this.#headEnd < BLOCK_HEAD_LENGTH) continue;
        this.#headEnd = 0;
        this.#openBlock(head, 0);
        return at;
      }
      this.#headEnd = 0;
      return this.#openMessage(head[4]!, length - 1, chunk, at, to);
    }
    return at;
  }

  #openMessage(id: number, length: number, chunk: Uint8Array, at: number, to: number): number {
    if (!this.#isWanted(id, length)) {
      this.#skipLeft = length;
      return at;
    }
    if (to - at >= length) {
      this.#messages.onMessage(id, chunk.subarray(at, at + length));
      return at + length;
    }
    this.#payload = new Uint8Array(length);
    this.#payloadEnd = 0;
    return at;
  }

  /** Bounds a message by its kind before anything is kept of it; says whether it is one that we know. */
  #isWanted(id: number, length: number): boolean {
    const fixed = PAYLOAD_LENGTH[id] ?? (id === MESSAGE.bitfield ? this.#bitfieldLength : undefined);
    if (fixed !== undefined) {
      if (length !== fixed) throw malformed(`message ${id} with ${length} bytes instead of ${fixed}`);
      return true;
    }
    if (id === MESSAGE.extended) {
      if (length === 0 || length > MOST_EXTENDED) throw malformed(`an extended message of ${length} bytes`);
      return true;
    }
    if (length > MOST_SKIPPED) throw malformed(`message ${id} with ${length} bytes`);
    return false;
  }
}

function malformed(what: string): ProtocolError {
  return new ProtocolError('ERR_WIRE', `the peer sent ${what}`);
}

/** The big-endian 32-bit number at `at`. */
export function readUint32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

/** The big-endian 16-bit number at `at`. */
export function readUint16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

function writeUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

/** A message: length prefix, id, payload. */
export function encodeMessage(id: number, payload: Uint8Array = new Uint8Array(0)): Uint8Array {
  const bytes = new Uint8Array(5 + payload.length);
  writeUint32(bytes, 0, 1 + payload.length);
  bytes[4] = id;
  bytes.set(payload, 5);
  return bytes;
}

/** Bytes of a `request`, `cancel` or `reject` on the wire. */
export const REQUEST_LENGTH = 17;

/** Puts a `request`, `cancel` or `reject` (they have one shape) at `at`. */
export function writeRequest(
  out: Uint8Array,
  at: number,
  id: number,
  index: number,
  begin: number,
  length: number,
): void {
  writeUint32(out, at, 13);
  out[at + 4] = id;
  writeUint32(out, at + 5, index);
  writeUint32(out, at + 9, begin);
  writeUint32(out, at + 13, length);
}

/** Bytes of a `have` on the wire. */
export const HAVE_LENGTH = 9;

export function encodeHave(index: number): Uint8Array {
  const bytes = new Uint8Array(HAVE_LENGTH);
  writeUint32(bytes, 0, 5);
  bytes[4] = MESSAGE.have;
  writeUint32(bytes, 5, index);
  return bytes;
}

/** BEP 5: the UDP port of our DHT node. */
export function encodePort(port: number): Uint8Array {
  return encodeMessage(MESSAGE.port, Uint8Array.of(port >> 8, port & 0xff));
}

/** Puts what stands before a block's bytes on the wire at `at`. */
export function writeBlockHead(out: Uint8Array, at: number, index: number, begin: number, length: number): void {
  writeUint32(out, at, 9 + length);
  out[at + 4] = MESSAGE.piece;
  writeUint32(out, at + 5, index);
  writeUint32(out, at + 9, begin);
}

/** BEP 10: an extended message; id 0 is the handshake. */
export function encodeExtended(id: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(6 + payload.length);
  writeUint32(bytes, 0, 2 + payload.length);
  bytes[4] = MESSAGE.extended;
  bytes[5] = id;
  bytes.set(payload, 6);
  return bytes;
}
