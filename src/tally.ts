/** What a download counts. */
import { Bitfield } from './common/bitfield.js';
import { lengthOfPiece } from './common/pieces.js';
import { RateMeter } from './common/rate.js';
import type { Metainfo } from './metainfo/metainfo.js';

/** The pieces that we have, and the bytes that went either way in this run. */
export class Tally {
  /** The pieces that are verified and on disk, or handed to the output stream. */
  have = new Bitfield(0);
  haveLength = 0;
  corruptPieces = 0;
  downloaded = 0;
  uploaded = 0;
  wasted = 0;
  readonly downloadRate = new RateMeter(performance.now());
  readonly uploadRate = new RateMeter(performance.now());
  #metainfo: Metainfo | undefined;
  /** Zero: since the clock was read last. */
  #lastBlockAt = performance.now();

  /** The torrent is known; nothing of it is there. */
  begin(metainfo: Metainfo): void {
    this.#metainfo = metainfo;
    this.have = new Bitfield(metainfo.pieceCount);
  }

  addPiece(index: number): void {
    if (this.have.add(index)) this.haveLength += lengthOfPiece(this.#metainfo!, index);
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
