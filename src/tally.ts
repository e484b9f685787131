/** What a download counts. */
import { Bitfield } from './common/bitfield.js';
import { RateMeter } from './common/rate.js';
import type { Wanted } from './file/wanted.js';

/** The pieces that we have, and the bytes that went either way in this run. */
export class Tally {
  /** The wanted pieces that are verified, and all that is wanted of them is on disk or was handed to the output stream. */
  have = new Bitfield(0);
  /** Those of them that can be read whole: peers are told of these. */
  readable = new Bitfield(0);
  /** Pieces that need not be fetched: those in `have`, and those that nobody wants. */
  settled = new Bitfield(0);
  /** Bytes of wanted files. */
  haveLength = 0;
  corruptPieces = 0;
  downloaded = 0;
  uploaded = 0;
  wasted = 0;
  readonly downloadRate = new RateMeter(performance.now());
  readonly uploadRate = new RateMeter(performance.now());
  #wanted: Wanted | undefined;
  /** Zero: since the clock was read last. */
  #lastBlockAt = performance.now();

  /** It is known what is wanted; nothing of it is there. */
  begin(wanted: Wanted): void {
    this.#wanted = wanted;
    const { length } = wanted.pieces;
    this.have = new Bitfield(length);
    this.readable = new Bitfield(length);
    this.settled = new Bitfield(length);
    for (let index = 0; index < length; index++) if (!wanted.pieces.has(index)) this.settled.add(index);
  }

  /** Bytes of wanted files, there or not; undefined before `begin`. */
  get wantedLength(): number | undefined {
    return this.#wanted?.totalLength;
  }

  /** How many pieces are wanted. */
  get wantedPieces(): number {
    return this.#wanted?.pieces.count ?? 0;
  }

  /** Whether nothing is left to fetch. */
  get isComplete(): boolean {
    return this.settled.isFull;
  }

  /** A wanted piece was verified. */
  addPiece(index: number, isReadable = true): void {
    if (isReadable) this.readable.add(index);
    this.settled.add(index);
    if (this.have.add(index)) this.haveLength += this.#wanted!.lengthOf(index);
  }

  /** Payload came, of which `wasted` bytes were of no use. */
  addPayload(received: number, wasted: number): void {
    this.downloaded += received;
    this.wasted += wasted;
    this.downloadRate.add(received);
  }

  /** A block is whole; parts of blocks may be lost again, for ever. */
  addBlock(): void {
    this.#lastBlockAt = 0; // a clock is read by `idleMs`, and not for each block
  }

  addUploaded(length: number): void {
    this.uploaded += length;
    this.uploadRate.add(length);
  }

  /** Waiting begins anew: the phase has changed, or nothing has to come. */
  restartIdle(now: number): void {
    this.#lastBlockAt = now;
  }

  /** For how long no block came, as far as calls of this tell. */
  idleMs(now: number): number {
    if (this.#lastBlockAt === 0) this.#lastBlockAt = now;
    return now - this.#lastBlockAt;
  }
}
