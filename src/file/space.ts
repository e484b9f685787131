import { statfs } from 'node:fs/promises';
import path from 'node:path';
import type { Bitfield } from '../common/bitfield.js';
import { formatBytes } from '../common/byte-text.js';
import { DiskError } from '../common/errors.js';
import type { Metainfo } from '../metainfo/metainfo.js';
import { codeOf, diskError, quoted, systemError } from './disk-error.js';
import { largestFile } from './largest-file.js';
import { FileLayout } from './layout.js';
import { lookAt } from './stamps.js';
import type { Wanted } from './wanted.js';

/** Units of `Stats.blocks`, whatever the file system's own are. */
const STAT_BLOCK = 512;
/** Files take whole blocks. Some file systems name much larger ones, and take less for the last of a file. */
const MOST_ROUNDING = 4096;

/** Room on a disk, in bytes. */
export interface Space {
  /** What has to be allocated yet for the wanted files. */
  readonly needed: number;
  /** What there is for us; undefined where the file system does not tell. */
  readonly free: number | undefined;
}

/** What space is measured for. */
export interface SpaceWish {
  readonly metainfo: Metainfo;
  /** Pieces that need not be written any more. */
  readonly have: Bitfield;
  /** What is written. Default: the whole torrent. */
  readonly wanted?: Wanted | undefined;
}

/**
 * How much a torrent still takes below `out`, and how much is free there, or where `out` will be made. What is allocated
 * already counts as there, whether it is data or was set aside; the holes of sparse files do not.
 * @throws {DiskError} when the place cannot be looked at
 */
export async function measureSpace(out: string, wish: SpaceWish): Promise<Space> {
  const { free, blockLength } = await measureFree(out);
  const missing = missingPerFile(wish, blockLength);
  const needed = await unallocated(out, wish.metainfo, missing, blockLength);
  return { needed: needed + besideFiles(wish, blockLength), free };
}

/**
 * @throws {DiskError} `ERR_NO_SPACE` when the wanted files cannot have room below `out`, `ERR_FILE_TOO_LARGE` when one of
 * them can be written by nobody there, or not by us
 */
export async function requireSpace(out: string, wish: SpaceWish): Promise<void> {
  const { free, blockLength, largest } = await measureFree(out);
  const missing = missingPerFile(wish, blockLength);
  refuseLarger(out, wish.metainfo, missing, largest);
  if (free === undefined) return;
  const beside = besideFiles(wish, blockLength);
  const most = missing.reduce((sum, length) => sum + length, beside);
  if (most <= free) return; // nearly always; the files need not be looked at
  const needed = beside + (await unallocated(out, wish.metainfo, missing, blockLength));
  if (needed > free) throw noSpaceError(out, { needed, free });
}

/** @throws {DiskError} when a file that is not all there has more than `largest` bytes */
function refuseLarger(out: string, { files }: Metainfo, missing: readonly number[], largest: number): void {
  const tooLarge = files.find(({ length }, file) => length > largest && missing[file]! > 0);
  const place = tooLarge && path.join(out, tooLarge.path);
  if (place !== undefined) throw diskError('write', place, systemError('EFBIG', place));
}

/** `cannot write below "out": 3.10 GiB needed, 1.20 GiB free`. */
export function noSpaceError(out: string, { needed, free = 0 }: Space): DiskError {
  const figures = `${formatBytes(needed)} needed, ${formatBytes(free)} free`;
  return new DiskError('ERR_NO_SPACE', `cannot write below ${quoted(out)}: ${figures}`);
}

/** The same error of a full disk with how much is missing, as far as that can be told. */
export async function withMissingRoom(error: DiskError, out: string, wish: SpaceWish): Promise<DiskError> {
  const space = await measureSpace(out, wish).catch(() => undefined);
  const missing = space?.free === undefined ? 0 : space.needed - space.free;
  if (missing <= 0) return error;
  const { code, message, cause } = error;
  return new DiskError(code, `${message} (${formatBytes(missing)} more needed)`, { cause });
}

interface Room {
  readonly free: number | undefined;
  readonly blockLength: number;
  /** Bytes of the largest file that could be written. */
  readonly largest: number;
}

async function measureFree(out: string): Promise<Room> {
  for (let place = path.resolve(out); ; place = path.dirname(place)) {
    try {
      const { type, bsize, blocks, bavail } = await statfs(place, { bigint: true });
      const isKnown = blocks > 0n; // some network and user-space file systems say 0 of 0
      return {
        free: isKnown ? Number(bavail * bsize) : undefined,
        blockLength: Math.min(Number(bsize), MOST_ROUNDING),
        largest: largestFile(type),
      };
    } catch (error) {
      const isMissing = codeOf(error) === 'ENOENT' && place !== path.dirname(place);
      if (!isMissing) throw diskError('write below', out, error);
    }
  }
}

/** For each file the bytes of pieces that are to be written, in whole blocks. */
function missingPerFile({ metainfo, have, wanted }: SpaceWish, blockLength: number): number[] {
  const layout = new FileLayout(metainfo, metainfo.files);
  return metainfo.files.map(({ length, offset, isPadding }, file) => {
    if (isPadding || length === 0 || wanted?.files.has(file) === false) return 0;
    const missing =
      have.count === 0 ? length : missingOf(metainfo.pieceLength, layout.piecesOf(file), have, offset, length);
    return roundUp(missing, blockLength);
  });
}

/** What the side file grows by. */
function besideFiles({ have, wanted }: SpaceWish, blockLength: number): number {
  return roundUp(wanted?.otherLength(have) ?? 0, blockLength);
}

function missingOf(
  pieceLength: number,
  { first, last }: { readonly first: number; readonly last: number },
  have: Bitfield,
  offset: number,
  length: number,
): number {
  let missing = 0;
  for (let index = first; index <= last; index++) {
    if (have.has(index)) continue;
    const begin = Math.max(index * pieceLength, offset);
    missing += Math.min((index + 1) * pieceLength, offset + length) - begin;
  }
  return missing;
}

/** The part of `missing` for which the files have nothing allocated. */
async function unallocated(
  out: string,
  { files }: Metainfo,
  missing: readonly number[],
  blockLength: number,
): Promise<number> {
  let needed = 0;
  const named = [...files.entries()]
    .filter(([file]) => missing[file]! > 0)
    .map(([file, { path: name }]) => [file, name] as const);
  await lookAt(out, named, (file, stats) => {
    const allocated = stats?.isFile() ? Number(stats.blocks) * STAT_BLOCK : 0;
    const rest = Math.max(0, roundUp(files[file]!.length, blockLength) - allocated);
    needed += Math.min(missing[file]!, rest);
  });
  return needed;
}

function roundUp(length: number, unit: number): number {
  return Math.ceil(length / unit) * unit;
}
