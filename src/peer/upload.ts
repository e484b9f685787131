import { lengthOfPiece, type PieceLayout } from '../common/pieces.js';
import type { Transport } from './transport.js';
import { encodeBlockHead, MESSAGE, MOST_BLOCK_LENGTH, REQUEST_LENGTH, writeRequest } from './wire.js';

/** Requests of one peer that we keep; told to it as `reqq` (BEP 10). */
export const MOST_QUEUED_REQUESTS = 2000;

/** Bytes handed to a socket and not yet sent, beyond which the next block waits. */
const MOST_UNSENT = 1_048_576;

/** Gives a block's bytes, at once when they are in memory. */
export interface BlockReader {
  read: (index: number, begin: number, length: number) => Uint8Array | Promise<Uint8Array>;
}

interface Request {
  readonly index: number;
  readonly begin: number;
  readonly length: number;
}

export interface UploadEvents {
  /** Payload bytes were handed to the transport. */
  onSent: (length: number) => void;
  /** A block that should be there could not be read. */
  onReadError: (error: unknown) => void;
}

/** Serves one peer's requests in their order, reading no further ahead than its socket takes. */
export class UploadQueue {
  readonly #layout: PieceLayout;
  readonly #reader: BlockReader;
  readonly #transport: Transport;
  readonly #events: UploadEvents;
  #queue: Request[] = [];
  #next = 0;
  #isReading = false;
  /** Rises when the queue is emptied: what was being read for the old one is not sent. */
  #round = 0;

  constructor(layout: PieceLayout, reader: BlockReader, transport: Transport, events: UploadEvents) {
    this.#layout = layout;
    this.#reader = reader;
    this.#transport = transport;
    this.#events = events;
  }

  get size(): number {
    return this.#queue.length - this.#next;
  }

  /** Takes a request; false when it is out of range or one too many. */
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
    const rejects = new Uint8Array(this.size * REQUEST_LENGTH);
    for (let at = 0; this.#next < this.#queue.length; at += REQUEST_LENGTH) {
      const { index, begin, length } = this.#queue[this.#next++]!;
      writeRequest(rejects, at, MESSAGE.rejectRequest, index, begin, length);
    }
    this.#queue = [];
    this.#next = 0;
    this.#round++;
    return rejects;
  }

  /** Sends what the socket takes. Called when a request came and when the socket has drained. */
  pump(): void {
    if (this.#isReading || this.size === 0) return;
    this.#transport.cork();
    while (this.size > 0 && this.#transport.queued < MOST_UNSENT) {
      const request = this.#queue[this.#next]!;
      const data = this.#reader.read(request.index, request.begin, request.length);
      if (data instanceof Promise) {
        this.#isReading = true;
        void this.#sendWhenRead(request, data);
        break;
      }
      this.#send(request, data);
    }
    this.#transport.uncork();
  }

  async #sendWhenRead(request: Request, data: Promise<Uint8Array>): Promise<void> {
    const round = this.#round;
    try {
      const bytes = await data;
      if (round === this.#round && this.#queue[this.#next] === request) this.#send(request, bytes);
    } catch (error) {
      if (round !== this.#round) return;
      this.clear();
      this.#events.onReadError(error);
    } finally {
      this.#isReading = false;
    }
    if (this.size > 0) this.pump();
  }

  #send({ index, begin, length }: Request, bytes: Uint8Array): void {
    this.#next++;
    if (this.#next === this.#queue.length || this.#next > 1024) {
      this.#queue = this.#queue.slice(this.#next);
      this.#next = 0;
    }
    this.#transport.write(encodeBlockHead(index, begin, length));
    this.#transport.write(bytes);
    this.#events.onSent(length);
  }
}
