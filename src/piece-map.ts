/** What a download's pieces look like from afar, for a map of so many cells. */
import type { Tally } from './tally.js';
import type { Wanted } from './file/wanted.js';

/** What stands for the pieces of a cell: of several, the first of these that holds. */
export type PieceCell =
  /** All that is wanted is there. */
  | 'have'
  /** One is being fetched. */
  | 'inFlight'
  /** Some are there. */
  | 'some'
  /** None is there, and fewer connected peers have one than most others. */
  | 'rarest'
  /** None is there. */
  | 'missing'
  /** Nobody wants any. */
  | 'unwanted';

export interface PieceState {
  readonly wanted: Wanted;
  readonly tally: Tally;
  readonly isInFlight: (index: number) => boolean;
  /** How many connected peers have the piece. */
  readonly availability: (index: number) => number;
}

/** At most `cells` cells, in the order of the pieces; a look at every piece, so not for every moment. */
export function mapPieces(cells: number, state: PieceState): PieceCell[] {
  const { length } = state.wanted.pieces;
  const count = Math.min(cells, length);
  const rare = rarestOf(state);
  return Array.from({ length: count }, (_, cell) => {
    return cellOf(Math.floor((cell * length) / count), Math.floor(((cell + 1) * length) / count), rare, state);
  });
}

/** The pieces from `first` on, up to `end`. */
function cellOf(first: number, end: number, rare: number, state: PieceState): PieceCell {
  const { wanted, tally, isInFlight, availability } = state;
  let wantedCount = 0;
  let have = 0;
  let isRare = false;
  for (let index = first; index < end; index++) {
    if (!wanted.pieces.has(index)) continue;
    wantedCount++;
    if (tally.have.has(index)) have++;
    else if (isInFlight(index)) return 'inFlight';
    else if (availability(index) <= rare) isRare = true;
  }
  if (wantedCount === 0) return 'unwanted';
  if (have === wantedCount) return 'have';
  if (have > 0) return 'some';
  return isRare ? 'rarest' : 'missing';
}

/** What the rarest of the missing pieces have; -1 when all are equally rare. */
function rarestOf({ wanted, tally, availability }: PieceState): number {
  let least = Infinity;
  let most = -1;
  for (let index = 0; index < wanted.pieces.length; index++) {
    if (!wanted.pieces.has(index) || tally.have.has(index)) continue;
    const peers = availability(index);
    least = Math.min(least, peers);
    most = Math.max(most, peers);
  }
  return least < most ? least : -1;
}
