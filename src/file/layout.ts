import { lengthOfPiece, type PieceLayout } from '../common/pieces.js';
import { SideLayout, type SideSpec } from './side-file.js';

/** A stretch of bytes that lies in one file. */
export interface Span {
  /** The file's place in `Metainfo.files`; one behind the last is the side file. */
  readonly file: number;
  /** First byte, counted from the file's start. */
  readonly offset: number;
  readonly length: number;
}

/** What the layout needs to know of a file; every `MetainfoFile` is one. */
export interface FilePlace {
  readonly offset: number;
  readonly length: number;
}

/**
 * Where the bytes of pieces lie in files; with a side file, those of files that are not wanted lie there. Holds one number
 * per file and nothing per piece.
 */
export class FileLayout {
  readonly #pieces: PieceLayout;
  readonly #side: SideLayout | undefined;
  /** The first byte of each file, in the torrent's data; one more for the end. */
  readonly #starts: Float64Array;

  constructor(pieces: PieceLayout, files: readonly FilePlace[], side?: SideSpec) {
    this.#pieces = pieces;
    this.#side = side && new SideLayout(side, pieces.pieceLength);
    this.#starts = new Float64Array(files.length + 1);
    for (const [file, { offset }] of files.entries()) this.#starts[file] = offset;
    this.#starts[files.length] = pieces.totalLength;
  }

  /** The file that holds the byte at `position`, 0 … `totalLength` - 1; never an empty one. */
  fileAt(position: number): number {
    let low = 0;
    let high = this.#starts.length - 1;
    // The last file that starts at or before `position`: of files that share a start only the last can have bytes.
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.#starts[middle]! <= position) low = middle;
      else high = middle;
    }
    return low;
  }

  /** The spans of `length` bytes from `position` on, in order; none of them is empty. */
  spans(position: number, length: number): Span[] {
    const spans: Span[] = [];
    const end = position + length;
    for (let file = this.fileAt(position); position < end; file++) {
      const until = Math.min(end, this.#starts[file + 1]!);
      if (until <= position) continue;
      const length = until - position;
      if (!this.#side?.holds(file)) spans.push({ file, offset: position - this.#starts[file]!, length });
      else spans.push({ file: this.#starts.length - 1, offset: this.#side.offsetOf(position), length });
      position = until;
    }
    return spans;
  }

  /** The spans of a whole piece. */
  spansOf(index: number): Span[] {
    return this.spans(index * this.#pieces.pieceLength, lengthOfPiece(this.#pieces, index));
  }

  /** First and last piece with bytes of a file that is not empty. */
  piecesOf(file: number): { readonly first: number; readonly last: number } {
    const { pieceLength } = this.#pieces;
    return {
      first: Math.floor(this.#starts[file]! / pieceLength),
      last: Math.floor((this.#starts[file + 1]! - 1) / pieceLength),
    };
  }
}
