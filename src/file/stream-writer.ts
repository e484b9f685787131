/** Stage 5, without a disk: full pieces → a stream. */
import { WriteStream } from 'node:fs';
import { Socket } from 'node:net';
import type { Writable } from 'node:stream';
import createDebug from 'debug';
import { Bitfield } from '../common/bitfield.js';
import { DiskError, type OutputClosedError } from '../common/errors.js';
import { lengthOfPiece } from '../common/pieces.js';
import type { Metainfo } from '../metainfo/metainfo.js';
import { outputError } from './disk-error.js';
import type { Answer } from './disk-thread.js';
import { RESULT } from './job-ring.js';
import type { CheckOptions, CheckResult, PieceSink } from './piece-sink.js';
import { piecesOf, type StreamPart, type StreamPlan } from './stream-plan.js';
import type { DiskThreads } from './threads.js';

const log = createDebug('torrent-dl:file');

/**
 * One write ends when it has so many bytes, or an eighth of the slots' memory: less, and the stream would wait for this
 * thread between writes; more, and slots would be free later.
 */
const MOST_AT_ONCE = 4 * 1024 * 1024;
const PART_AT_ONCE = 1 / 8;

export interface StreamWriterOptions {
  readonly threads: DiskThreads;
  /** The slots: a piece to write lies at `slot * slotLength`. */
  readonly memory: SharedArrayBuffer;
  readonly slotLength: number;
  /** What leaves, in order. */
  readonly plan: StreamPlan;
  /** Where to; its owner ends it, after the last piece. */
  readonly output: Writable;
  /** A piece is right, and waits in its slot for its turn. */
  readonly onHeld: (slot: number, index: number) => void;
  /** A piece was wrong, or all its bytes have left: from then on the slot is free. Right pieces are told of in order. */
  readonly onPiece: (slot: number, index: number, result: 'ok' | 'corrupt' | DiskError) => void;
  /** All bytes of a file have left. Not told of empty files. */
  readonly onFile?: (file: number) => void;
  /** Nothing more will leave: the reader went away, or the output cannot be written to. Told once. */
  readonly onError: (error: DiskError | OutputClosedError) => void;
}

/**
 * Writes verified pieces to a stream, in order. It keeps nothing and touches no folder. A piece that is early waits in
 * its slot, so that no byte is copied, and its slot stays taken while the stream has it: when the reader stops, so do
 * the slots, hence the picker, hence the requests.
 *
 *     slots ──hashed by a thread──► onHeld, #verified ──its turn──► output ──bytes taken──► onPiece, free
 */
export class StreamWriter implements PieceSink {
  readonly #metainfo: Metainfo;
  readonly #options: StreamWriterOptions;
  readonly #needed: Bitfield;
  /** The torrent's number at the threads. */
  readonly #id: number;
  readonly #parts: Iterator<StreamPart, void>;
  /** What leaves now, and how much of it has been handed to the output; undefined at the end. */
  #part: StreamPart | undefined;
  #done = 0;
  /** Right pieces by index, each with its slot, until all their bytes have left. */
  readonly #verified = new Map<number, number>();
  /** Those of them that are under way or about to be free, in order; and the files that end there. */
  #leaving: number[] = [];
  #ending: number[] = [];
  #isWriting = false;
  /** Whether the output keeps no chunk after its callback; others get copies. */
  readonly #isPrompt: boolean;
  #isClosed = false;
  #failure: DiskError | OutputClosedError | undefined;
  #onOver: (() => void) | undefined;

  constructor(metainfo: Metainfo, options: StreamWriterOptions) {
    const { plan, threads, output } = options;
    this.#metainfo = metainfo;
    this.#options = options;
    this.#needed = piecesOf(plan, metainfo);
    this.#parts = plan.parts();
    this.#nextPart();
    this.#isPrompt = output instanceof Socket || output instanceof WriteStream;
    this.#id = threads.add(this.#spec(), {
      onWritten: (slot, index, answer) => this.#onHashed(slot, index, answer),
      onChecked: () => undefined,
    });
    output.on('error', this.#onError);
    output.on('close', this.#onClose);
  }

  /** Whether verified bytes wait for the reader: then nothing has to arrive, and nobody is to blame for it. */
  get isWaitingForReader(): boolean {
    return this.#isWriting;
  }

  /** Has a full piece hashed; `onPiece` tells when it is wrong, or when all its bytes have left. */
  write(slot: number, index: number): void {
    this.#options.threads.write(this.#id, slot, index);
  }

  /**
   * Nothing is there beforehand. Begins to write; resolves at the end when there is nothing to fetch at all.
   * @throws {DiskError} {OutputClosedError} the signal's reason
   */
  async check({ onProgress, signal }: CheckOptions = {}): Promise<CheckResult> {
    onProgress?.(0, 0);
    this.#write();
    if (this.#needed.count === 0 && !this.#isOver) await this.#end(signal);
    if (this.#failure) throw this.#failure;
    signal?.throwIfAborted();
    const { pieceCount } = this.#metainfo;
    return { have: new Bitfield(pieceCount), readable: new Bitfield(pieceCount) };
  }

  /** There is no next run to note anything for. */
  save(): Promise<void> {
    return Promise.resolve();
  }

  finish(): Promise<void> {
    return Promise.resolve();
  }

  /** Waits for the threads, and not for the reader. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#onOver?.();
    await this.#options.threads.remove(this.#id);
    this.#options.output.off('close', this.#onClose); // errors are still listened to: nobody else does
  }

  // ── Hashing ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** To the threads all data is padding: hashed, and not written. */
  #spec() {
    const { pieceLength, pieceCount, totalLength, pieceHashes: hashes } = this.#metainfo;
    const { memory, slotLength } = this.#options;
    const pieceHashes = new SharedArrayBuffer(hashes.length);
    new Uint8Array(pieceHashes).set(hashes);
    return {
      out: '',
      pieces: { pieceLength, pieceCount, totalLength },
      files: [{ path: '', offset: 0, length: totalLength, isPadding: true, isExecutable: false }],
      pieceHashes,
      memory,
      slotLength,
      found: new SharedArrayBuffer(0),
      reached: new SharedArrayBuffer(0),
    };
  }

  #onHashed(slot: number, index: number, answer: Answer): void {
    if (this.#isClosed) return;
    if (answer === RESULT.ok) {
      this.#verified.set(index, slot);
      this.#options.onHeld(slot, index);
      this.#write();
    } else this.#options.onPiece(slot, index, answer instanceof DiskError ? answer : 'corrupt');
  }

  // ── Writing ───────────────────────────────────────────────────────────────────────────────────────────────────────

  get #isOver(): boolean {
    return !this.#part && !this.#isWriting;
  }

  /** Hands over what can leave, one write at a time. */
  #write(): void {
    if (this.#isWriting || this.#isClosed || this.#failure) return;
    const chunks = this.#take();
    const last = chunks.pop();
    if (!last) return;
    const { output } = this.#options;
    this.#isWriting = true;
    output.cork();
    for (const chunk of chunks) output.write(chunk);
    output.write(last, (error) => this.#onTaken(error));
    output.uncork();
  }

  /** The output has taken all that it was given. */
  #onTaken(error: Error | null | undefined): void {
    if (error) return this.#onError(error);
    this.#isWriting = false;
    if (this.#isClosed || this.#failure) return;
    this.#release();
    if (this.#isOver) this.#onOver?.();
    else this.#write();
  }

  /** The next bytes, in order; nothing when their piece is not here yet. */
  #take(): Uint8Array[] {
    const chunks: Uint8Array[] = [];
    const most = Math.max(1, Math.min(MOST_AT_ONCE, this.#options.memory.byteLength * PART_AT_ONCE));
    for (let length = 0; length < most;) {
      const chunk = this.#takeChunk();
      if (!chunk) break;
      chunks.push(chunk);
      length += chunk.length;
    }
    return chunks;
  }

  #takeChunk(): Uint8Array | undefined {
    const part = this.#part;
    if (!part) return undefined;
    if ('bytes' in part) {
      this.#nextPart();
      return part.bytes;
    }
    const position = part.offset + this.#done;
    const index = Math.floor(position / this.#metainfo.pieceLength);
    const slot = this.#verified.get(index);
    if (slot === undefined) return undefined;
    if (this.#leaving.at(-1) !== index) this.#leaving.push(index);
    const begin = position - index * this.#metainfo.pieceLength;
    const length = Math.min(part.length - this.#done, lengthOfPiece(this.#metainfo, index) - begin);
    this.#done += length;
    if (this.#done === part.length) {
      this.#ending.push(part.file);
      this.#nextPart();
    }
    const chunk = Buffer.from(this.#options.memory, slot * this.#options.slotLength + begin, length);
    return this.#isPrompt ? chunk : Buffer.from(chunk);
  }

  #nextPart(): void {
    this.#part = this.#parts.next().value ?? undefined;
    this.#done = 0;
  }

  /**
   * Gives the slots free of which no byte is needed any more. The last piece goes with what stands behind it: whoever
   * hears of it knows that all is written.
   */
  #release(): void {
    const { onPiece, onFile } = this.#options;
    const part = this.#part;
    if (part && 'bytes' in part) return;
    const next = part ? Math.floor((part.offset + this.#done) / this.#metainfo.pieceLength) : Infinity;
    const gone = this.#leaving.filter((index) => index < next);
    this.#leaving = this.#leaving.filter((index) => index >= next);
    const ended = this.#ending;
    this.#ending = [];
    for (const file of ended) onFile?.(file);
    for (const index of gone) {
      const slot = this.#verified.get(index)!;
      this.#verified.delete(index);
      onPiece(slot, index, 'ok');
    }
  }

  // ── Ends ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  readonly #onError = (error?: Error): void => {
    if (this.#failure || this.#isClosed || this.#isOver) return;
    log('the output failed: %o', error);
    this.#failure = outputError(error);
    this.#onOver?.();
    this.#options.onError(this.#failure);
  };

  readonly #onClose = (): void => this.#onError();

  /** Resolves when everything was taken, or cannot be, or is not waited for any more. */
  async #end(signal: AbortSignal | undefined): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#onOver = resolve;
      signal?.addEventListener('abort', () => resolve(), { once: true });
    });
  }
}
