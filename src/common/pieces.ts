import type { Bitfield } from './bitfield.js';

/** Unit of request: what every client asks for and serves (BEP 3). */
export const BLOCK_LENGTH = 16_384;

/** What the arithmetic of pieces needs to know; every `Metainfo` is one. */
export interface PieceLayout {
  readonly pieceLength: number;
  readonly pieceCount: number;
  readonly totalLength: number;
}

/** Length of a piece: `pieceLength`, but less for the last one. */
export function lengthOfPiece({ pieceLength, totalLength }: PieceLayout, index: number): number {
  return Math.min(pieceLength, totalLength - index * pieceLength);
}

/** Bytes of the pieces in a set. */
export function lengthOfPieces(layout: PieceLayout, pieces: Bitfield): number {
  const { pieceLength, pieceCount } = layout;
  const last = pieceCount - 1;
  const shortBy = pieces.has(last) ? pieceLength - lengthOfPiece(layout, last) : 0;
  return pieces.count * pieceLength - shortBy;
}
