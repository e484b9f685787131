import { Bitfield } from '../common/bitfield.js';
import { lengthOfPiece } from '../common/pieces.js';
import type { Metainfo } from '../metainfo/metainfo.js';
import { FileLayout } from './layout.js';

/**
 * What is wanted of a torrent: some files, and the pieces with bytes of them. A boundary piece has bytes of other files,
 * too; it has to be fetched whole to be proven.
 *
 *     files   │   wanted   │      not wanted      │ wanted │
 *     pieces  │   0   │   1   │   2   │   3   │   4   │
 *                      boundary              boundary
 */
export class Wanted {
  /** By their places in `Metainfo.files`; pad files (BEP 47) are in. */
  readonly files: Bitfield;
  readonly pieces: Bitfield;
  /** Pieces with bytes of files that are wanted, and of such that are not. */
  readonly boundary: Bitfield;
  /** Bytes of the wanted files; of the whole torrent, when nothing was chosen. */
  readonly totalLength: number;
  readonly #isChosen: boolean;
  readonly #metainfo: Metainfo;
  readonly #layout: FileLayout;

  /** The whole torrent, or the files in `chosen`. */
  constructor(metainfo: Metainfo, chosen?: Bitfield) {
    const { files, pieceCount } = metainfo;
    this.#metainfo = metainfo;
    this.#layout = new FileLayout(metainfo, files);
    this.#isChosen = chosen !== undefined;
    this.files = new Bitfield(files.length);
    for (const [file, { isPadding }] of files.entries()) {
      if (isPadding || (chosen?.has(file) ?? true)) this.files.add(file);
    }
    this.pieces = new Bitfield(pieceCount);
    this.boundary = new Bitfield(pieceCount);
    this.totalLength = metainfo.totalLength;
    if (!chosen) this.pieces.fill();
    else {
      this.#sortPieces();
      this.totalLength = this.#lengthOfFiles();
    }
  }

  /** Whether all that is wanted is in `have`. */
  isIn(have: Bitfield): boolean {
    return this.pieces.countWithout(have) === 0;
  }

  /** Wanted bytes in a piece; over all wanted pieces they add up to `totalLength`. */
  lengthOf(index: number): number {
    const { files, pieceLength } = this.#metainfo;
    const length = lengthOfPiece(this.#metainfo, index);
    if (!this.#isChosen) return length;
    return this.#layout
      .spans(index * pieceLength, length)
      .filter(({ file }) => this.files.has(file) && !files[file]!.isPadding)
      .reduce((sum, span) => sum + span.length, 0);
  }

  /** Bytes of other files in the boundary pieces that are not in `have`: so much goes into the side file. */
  otherLength(have: Bitfield): number {
    let length = 0;
    for (let index = 0; index < this.boundary.length; index++) {
      if (!this.boundary.has(index) || have.has(index)) continue;
      length += lengthOfPiece(this.#metainfo, index) - this.lengthOf(index);
    }
    return length;
  }

  #sortPieces(): void {
    const others = new Bitfield(this.pieces.length);
    for (const [file, { length, isPadding }] of this.#metainfo.files.entries()) {
      if (length === 0 || isPadding) continue;
      const pieces = this.files.has(file) ? this.pieces : others;
      const { first, last } = this.#layout.piecesOf(file);
      for (let index = first; index <= last; index++) pieces.add(index);
    }
    this.boundary.load(this.pieces.bytes.map((byte, at) => byte & others.bytes[at]!));
  }

  #lengthOfFiles(): number {
    return this.#metainfo.files.reduce((sum, { length, isPadding }, file) => {
      return isPadding || !this.files.has(file) ? sum : sum + length;
    }, 0);
  }
}
