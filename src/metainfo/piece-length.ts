import { UsageError } from '../common/errors.js';

const LEAST = 16 * 1024;
const MOST_CHOSEN = 16 * 1024 * 1024;
const MOST_GIVEN = 256 * 1024 * 1024;

/** Pieces that a torrent should not have more of. */
const MANY = 2000;

/** libtorrent refuses torrents of more. */
const MOST_PIECES = 2 ** 21;

/**
 * A piece length for so many bytes: the smallest power of two, 16 KiB … 16 MiB, that makes at most 2,000 pieces.
 *
 *     bytes              piece length   pieces
 *     up to 31 MiB       16 KiB         up to 2,000
 *     700 MiB            512 KiB        1,400
 *     4.4 GiB            4 MiB          1,127
 *     31 GiB and more    16 MiB         1,984 and more
 *
 * So a torrent has some 20–40 KB of hashes, which peers of a magnet link fetch in two or three blocks (BEP 9), and what one
 * wrong byte costs, or what has to be whole before it can be shared, is a thousandth of the whole.
 */
export function choosePieceLength(totalLength: number): number {
  let length = LEAST;
  while (length < MOST_CHOSEN && totalLength > length * MANY) length *= 2;
  return length;
}

/** @throws {UsageError} when `pieceLength` is nothing that other programs take, for so many bytes */
export function checkPieceLength(pieceLength: number, totalLength: number): void {
  const isPowerOfTwo = Number.isInteger(Math.log2(pieceLength));
  if (!isPowerOfTwo || pieceLength < LEAST || pieceLength > MOST_GIVEN) {
    const what = `a piece length of ${pieceLength} is not possible: a power of two is, ${LEAST} … ${MOST_GIVEN}`;
    throw new UsageError('ERR_PIECE_LENGTH', what);
  }
  const pieces = Math.ceil(totalLength / pieceLength);
  if (pieces <= MOST_PIECES) return;
  const what = `${pieces} pieces of ${pieceLength} bytes are more than other programs take (${MOST_PIECES})`;
  throw new UsageError('ERR_PIECE_LENGTH', `${what}: choose a larger piece length`);
}
