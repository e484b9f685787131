import type { Bucket, Waiter } from '../common/bucket.js';
import { lengthOfPiece, type PieceLayout } from '../common/pieces.js';
import type { Transport } from './transport.js';
import { BLOCK_HEAD_LENGTH, MESSAGE, MOST_BLOCK_LENGTH, REQUEST_LENGTH, writeBlockHead, writeRequest } from './wire.js';

/** Requests of one peer that we keep; told to it as `reqq` (BEP 10). */
export const MOST_QUEUED_REQUESTS = 2000;

/** Room for 16 blocks of the usual length and their heads. */
const FRAME_LENGTH = 16 * (BLOCK_HEAD_LENGTH + 16_384);
/** Per peer: one is read while one is sent, and one makes up for what is late. */
const MOST_FRAMES = 3;

/** Gives the bytes of pieces that we have. */
export interface BlockReader {
  /** Fills `parts`, one after the other, from byte `begin` of a piece on; may run on into the pieces behind it. */
  read: (index: number, begin: number, parts: readonly Uint8Array[]) => Promise<void>;
}

interface Request {
  readonly index: number;
  readonly begin: number;
  readonly length: number;
}

/** Memory for blocks that lie side by side, each behind its head, as they go over the wire. */
interface Frame {
  readonly bytes: Buffer;
  /** Bytes in use. */
  length: number;
  requests: Request[];
  isRead: boolean;
}

export interface UploadEvents {
  /** Payload bytes were handed to the transport. */
  onSent: (length: number) => void;
  /** A block that should be there could not be read. */
  onReadError: (error: unknown) => void;
}

/**
 * Serves one peer's requests in their order, reading no further ahead than its frames hold. The disk reads straight into
 * a frame, and the socket sends straight from it:
 *
 *     add ──► waiting ──pump──► loading ──read, in order──► with the transport ──sent──► free
 *
 * Most peers ask for one block after the other, so one read and one write serve up to 16 of them.
 */
export class UploadQueue implements Waiter {
  readonly #layout: PieceLayout;
  readonly #reader: BlockReader;
  readonly #transport: Transport;
  readonly #events: UploadEvents;
  readonly #limit: Bucket | undefined;
  /** Requests that wait: those from `#next` on. */
  #queue: Request[] = [];
  #next = 0;
  #loading: Frame[] = [];
  #free: Frame[] = [];
  /** Frames in all. */
  #frames = 0;
  /** Rises when the queue is emptied: what was being read for the old one is not sent, and its frames are dropped. */
  #round = 0;

  /** `limit` is what all peers together may be sent; without one it goes as fast as they take it. */
  constructor(layout: PieceLayout, reader: BlockReader, transport: Transport, events: UploadEvents, limit?: Bucket) {
    this.#layout = layout;
    this.#reader = reader;
    this.#transport = transport;
    this.#events = events;
    this.#limit = limit;
  }

  /** Requests that wait to be read. */
  get size(): number {
    return this.#queue.length - this.#next;
  }

  /** Takes a request, for the next `pump`; false when it is out of range or one too many. */
  add(index: number, begin: number, length: number): boolean {
    if (index >= this.#layout.pieceCount || length === 0 || length > MOST_BLOCK_LENGTH) return false;
    if (begin + length > lengthOfPiece(this.#layout, index) || this.size >= MOST_QUEUED_REQUESTS) return false;
    this.#queue.push({ index, begin, length });
    return true;
  }

  /** Takes a request back; says whether it was still waiting. */
  cancel(index: number, begin: number, length: number): boolean {
    const at = this.#queue.findIndex(
      (request, place) =>
        place >= this.#next && request.index === index && request.begin === begin && request.length === length,
    );
    if (at < 0) return false;
    this.#queue.splice(at, 1);
    return true;
  }

  /** Drops all requests; returns a `reject` for each of them (BEP 6). */
  clear(): Uint8Array {
    this.#limit?.giveBack(this.#loading.reduce((sum, frame) => sum + payloadOf(frame), 0));
    this.#limit?.leave(this);
    const dropped = [...this.#loading.flatMap((frame) => frame.requests), ...this.#queue.slice(this.#next)];
    const rejects = new Uint8Array(dropped.length * REQUEST_LENGTH);
    for (const [n, { index, begin, length }] of dropped.entries()) {
      writeRequest(rejects, n * REQUEST_LENGTH, MESSAGE.rejectRequest, index, begin, length);
    }
    this.#queue = [];
    this.#next = 0;
    this.#loading = [];
    this.#free = [];
    this.#frames = 0;
    this.#round++;
    return rejects;
  }

  /** Reads and sends what the frames hold. Called when requests came; goes on by itself when frames were sent. */
  pump(): void {
    while (this.size > 0 && this.#hasFrame()) {
      const most = this.#limit ? this.#limit.ask(this) : Infinity;
      if (most <= 0) return;
      void this.#load(this.#free.pop() ?? this.#newFrame(), most);
    }
  }

  /** The limit has so much for this peer. */
  onTurn(bytes: number): void {
    if (this.size === 0 || !this.#hasFrame()) return;
    void this.#load(this.#free.pop() ?? this.#newFrame(), bytes);
    if (this.size > 0 && this.#hasFrame()) this.#limit?.wait(this);
  }

  #hasFrame(): boolean {
    return this.#free.length > 0 || this.#frames < MOST_FRAMES;
  }

  #newFrame(): Frame {
    this.#frames++;
    return { bytes: Buffer.allocUnsafeSlow(FRAME_LENGTH), length: 0, requests: [], isRead: false };
  }

  async #load(frame: Frame, most: number): Promise<void> {
    const round = this.#round;
    const parts = this.#takeRun(frame, most);
    this.#limit?.take(payloadOf(frame));
    const { index, begin } = frame.requests[0]!;
    this.#loading.push(frame);
    try {
      await this.#reader.read(index, begin, parts);
    } catch (error) {
      if (round !== this.#round) return;
      this.clear();
      this.#events.onReadError(error);
      return;
    }
    if (round !== this.#round) return;
    frame.isRead = true;
    while (this.#loading[0]?.isRead) this.#send(this.#loading.shift()!);
  }

  /**
   * Takes requests of bytes that lie side by side, as many as fit and until they come to `most` bytes; returns the places
   * of their blocks in the frame.
   */
  #takeRun(frame: Frame, most: number): Uint8Array[] {
    const parts: Uint8Array[] = [];
    frame.requests = [];
    frame.length = 0;
    frame.isRead = false;
    let position = -1;
    for (let request = this.#queue[this.#next]; request; request = this.#queue[this.#next]) {
      const { index, begin, length } = request;
      const start = index * this.#layout.pieceLength + begin;
      const at = frame.length + BLOCK_HEAD_LENGTH;
      const isFull = at + length > FRAME_LENGTH || payloadOf(frame) >= most;
      if (parts.length > 0 && (start !== position || isFull)) break;
      writeBlockHead(frame.bytes, frame.length, index, begin, length);
      parts.push(frame.bytes.subarray(at, at + length));
      frame.requests.push(request);
      frame.length = at + length;
      position = start + length;
      this.#next++;
    }
    if (this.#next === this.#queue.length || this.#next > 1024) {
      this.#queue = this.#queue.slice(this.#next);
      this.#next = 0;
    }
    return parts;
  }

  #send(frame: Frame): void {
    const round = this.#round;
    this.#transport.write(frame.bytes.subarray(0, frame.length), () => {
      if (round !== this.#round) return;
      this.#free.push(frame);
      this.pump();
    });
    this.#events.onSent(payloadOf(frame));
  }
}

/** Bytes of blocks in the frame, without their heads. */
function payloadOf({ length, requests }: Frame): number {
  return length - requests.length * BLOCK_HEAD_LENGTH;
}
