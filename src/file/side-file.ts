import { lstatSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import type { Metainfo } from '../metainfo/metainfo.js';
import { diskError, systemError } from './disk-error.js';
import { STATE_FOLDER } from './out-folder.js';
import type { Wanted } from './wanted.js';

/**
 * The side file holds what nobody wants of the boundary pieces, so that these can be checked again and uploaded, and no
 * file of the user's gets bytes that he did not ask for. Each boundary piece has a slot as long as a piece, in their order;
 * bytes lie in it as they lie in the piece, and where those of wanted files would be, there are holes.
 *
 *     │ piece 1:  - - - b b │ piece 4:  b b b - - │ piece 9: …
 *
 * It is of one run's selection, and nothing but a hash is ever believed about it: what is in it from other selections, or
 * was damaged, is only wrong. It goes when all that is wanted is there.
 */
export interface SideSpec {
  /** Below the output folder: `.torrent-dl/<info hash>.side`. */
  readonly path: string;
  /** A bitfield: the files that are wanted. Bytes of the others go into the side file. */
  readonly wanted: Uint8Array;
  /** The boundary pieces, ascending. */
  readonly pieces: readonly number[];
}

/** Where a torrent's side file lies, below the output folder. */
export function sidePath({ infoHash }: Metainfo): string {
  return path.posix.join(STATE_FOLDER, `${Buffer.from(infoHash).toString('hex')}.side`);
}

/** What is needed of the side file; undefined when there is no need of one. */
export function sideSpecOf(metainfo: Metainfo, { files, boundary }: Wanted): SideSpec | undefined {
  if (boundary.count === 0) return undefined;
  const pieces: number[] = [];
  for (let index = 0; index < boundary.length; index++) if (boundary.has(index)) pieces.push(index);
  return { path: sidePath(metainfo), wanted: files.bytes, pieces };
}

/** Whether an earlier run left a side file. @throws {DiskError} when something else is in its place */
export function isSideThere(out: string, metainfo: Metainfo): boolean {
  const place = path.join(out, sidePath(metainfo));
  try {
    const stats = lstatSync(place, { throwIfNoEntry: false });
    if (stats?.isFile() === false) throw systemError('EEXIST', place);
    return stats !== undefined;
  } catch (error) {
    throw diskError('write', place, error);
  }
}

/** @throws {DiskError} */
export async function removeSide(out: string, metainfo: Metainfo): Promise<void> {
  const place = path.join(out, sidePath(metainfo));
  try {
    await rm(place, { force: true });
  } catch (error) {
    throw diskError('remove', place, error);
  }
}

/** Where bytes lie in the side file. */
export class SideLayout {
  readonly #wanted: Uint8Array;
  readonly #pieceLength: number;
  /** Boundary piece → its slot. */
  readonly #slots: ReadonlyMap<number, number>;

  constructor({ wanted, pieces }: SideSpec, pieceLength: number) {
    this.#wanted = wanted;
    this.#pieceLength = pieceLength;
    this.#slots = new Map(pieces.map((index, slot) => [index, slot]));
  }

  /** Whether the bytes of a file go into the side file. */
  holds(file: number): boolean {
    return (this.#wanted[file >> 3]! & (0x80 >> (file & 7))) === 0;
  }

  /**
   * The place of a byte, given by its place in the torrent's data, of a boundary piece. Slots of pieces that lie side by
   * side do so, too, so a stretch of bytes is one here as well.
   */
  offsetOf(position: number): number {
    const index = Math.floor(position / this.#pieceLength);
    return this.#slots.get(index)! * this.#pieceLength + (position % this.#pieceLength);
  }
}
