import { ProtocolError } from '../common/errors.js';
import { HANDSHAKE_LENGTH } from './handshake.js';
import { readUint32 } from './wire.js';

/** The longest message: an extended one. A bitfield of the most pieces that 16 MiB of metadata can have is shorter. */
const MOST_MESSAGE = 262_145;
/** What is kept of one peer: a bitfield of 105 KiB, and more haves than most peers send in a quarter of an hour. */
const MOST_KEPT = 393_216;

/** Hears of what a recorder reads. */
export interface RecorderEvents {
  /** The 68 bytes are here; they are valid during the call only. */
  onHandshake: (bytes: Uint8Array) => void;
  /** A message; the payload is valid during the call only. The answer: whether to keep it for later. */
  onMessage: (id: number, payload: Uint8Array) => boolean;
}

/**
 * Reads a peer while nobody knows yet how many pieces there are, and keeps what can be made sense of only then.
 *
 *   0           68             kept           end
 *   │ handshake │ messages ... │ a part of one │
 */
export class Recorder {
  readonly #events: RecorderEvents;
  #bytes = Buffer.alloc(1024);
  #kept = 0;
  #end = 0;
  #isStopped = false;

  constructor(events: RecorderEvents) {
    this.#events = events;
  }

  /** The peer's bytes so far, without what was not to be kept. */
  get recorded(): Uint8Array {
    return this.#bytes.subarray(0, this.#end);
  }

  /** Nothing more is read, not even the rest of the bytes at hand. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Takes `length` bytes. @throws {ProtocolError} on a message that is too long, or when too much is to be kept */
  push(chunk: Uint8Array, length: number): void {
    this.#append(chunk.subarray(0, length));
    if (this.#kept === 0) {
      if (this.#end < HANDSHAKE_LENGTH) return;
      this.#kept = HANDSHAKE_LENGTH;
      this.#events.onHandshake(this.#bytes.subarray(0, HANDSHAKE_LENGTH));
    }
    this.#readMessages();
    if (this.#kept > MOST_KEPT) throw new ProtocolError('ERR_WIRE', 'the peer sends more than can be kept');
  }

  #readMessages(): void {
    const bytes = this.#bytes;
    let at = this.#kept;
    while (this.#end - at >= 4 && !this.#isStopped) {
      const length = readUint32(bytes, at);
      if (length > MOST_MESSAGE) throw new ProtocolError('ERR_WIRE', `the peer sent a message of ${length} bytes`);
      const next = at + 4 + length;
      if (next > this.#end) break;
      const isKept = length > 0 && this.#events.onMessage(bytes[at + 4]!, bytes.subarray(at + 5, next));
      if (isKept) {
        bytes.copyWithin(this.#kept, at, next);
        this.#kept += next - at;
      }
      at = next;
    }
    bytes.copyWithin(this.#kept, at, this.#end);
    this.#end -= at - this.#kept;
  }

  #append(chunk: Uint8Array): void {
    const end = this.#end + chunk.length;
    if (end > this.#bytes.length) {
      const larger = Buffer.alloc(Math.max(end, 2 * this.#bytes.length));
      this.#bytes.copy(larger, 0, 0, this.#end);
      this.#bytes = larger;
    }
    this.#bytes.set(chunk, this.#end);
    this.#end = end;
  }
}
