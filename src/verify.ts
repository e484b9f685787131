/** Compares files on disk with a torrent. Needs no network, writes nothing, and believes no resume state. */
import path from 'node:path';
import type { Watch } from './create.js';
import { Bitfield } from './common/bitfield.js';
import { diskError } from './file/disk-error.js';
import { hashPieces } from './file/hash-pieces.js';
import { FileLayout } from './file/layout.js';
import { survey, type Sight } from './file/survey.js';
import type { Metainfo } from './metainfo/metainfo.js';
import { readMetainfo } from './metainfo/read.js';

/**
 * - `ok`: all of it is there and right
 * - `damaged`: as long as it should be, but a piece with bytes of it is wrong
 * - `unproven`: as long as it should be, and nothing is known to be wrong; but it shares a piece with a file that is not
 *   all there, so that nobody can tell
 * - `too short`, `too long`: it has less or more bytes than it should; `badPieces` tells of those that it should have
 * - `missing`: nothing is there
 * - `unreadable`: what is there cannot be read, or is not a file
 */
export type FileState = 'ok' | 'damaged' | 'unproven' | 'too short' | 'too long' | 'missing' | 'unreadable';

export interface FileReport {
  /** Below the folder, as in `MetainfoFile`. */
  readonly path: string;
  /** Its place in `Metainfo.files`. */
  readonly index: number;
  readonly length: number;
  readonly state: FileState;
  /** Bytes that are there; undefined when it is missing or not a file. */
  readonly size?: number;
  /** Why it is unreadable, in a line. */
  readonly reason?: string;
  /** Pieces with bytes of it, and those of them that are wrong or not all there. */
  readonly pieces: number;
  readonly badPieces: number;
}

export interface VerifyReport {
  readonly metainfo: Metainfo;
  readonly pieces: {
    readonly count: number;
    readonly ok: number;
    /** All there, but wrong. */
    readonly corrupt: number;
    /** Not all there, or unreadable. */
    readonly missing: number;
    /** Those that are right, as in BEP 3: piece 0 is the high bit of byte 0. */
    readonly bitfield: Uint8Array;
  };
  /** In the torrent's order, without pad files. */
  readonly files: readonly FileReport[];
  /** Whether every file is `ok`. */
  readonly isComplete: boolean;
}

/**
 * Hashes on all cores what is below `dir` of a torrent, given by the path of its `.torrent`, its bytes or its metainfo.
 * What is wrong with single files is in the report, not thrown.
 * @throws {MetainfoError} @throws {DiskError} when `dir` is no folder @throws the signal's reason
 */
export async function verifyTorrent(
  source: string | Uint8Array | Metainfo,
  dir: string,
  { signal, onProgress }: Watch = {},
): Promise<VerifyReport> {
  const metainfo = await readMetainfo(source);
  const sights = await survey(dir, metainfo.files, signal);
  const layout = new FileLayout(metainfo, metainfo.files);
  const present = findPresent(metainfo, layout, sights);
  const files = metainfo.files.map(({ path: name, offset, length, isPadding }) => {
    return { place: isPadding ? undefined : path.join(dir, name), offset, length };
  });
  const digests = await hashPieces(
    { pieces: metainfo, files, followsLinks: false },
    {
      wanted: new Bitfield(metainfo.pieceCount, present.bytes), // a copy: `present` loses pieces on the way
      signal,
      onProgress,
      onFailure: ({ index, file, error }) => {
        present.delete(index);
        sights[file] = { trouble: diskError('read', files[file]!.place!, error) };
      },
    },
  );
  const right = findRight(metainfo, present, digests);
  return report(metainfo, layout, sights, present, right);
}

/** The pieces whose bytes are all there, as far as the files' lengths tell. */
function findPresent(metainfo: Metainfo, layout: FileLayout, sights: readonly Sight[]): Bitfield {
  const present = new Bitfield(metainfo.pieceCount);
  present.fill();
  for (const [file, { offset, length, isPadding }] of metainfo.files.entries()) {
    const size = sizeOf(sights[file]) ?? 0;
    if (isPadding || size >= length) continue;
    const { last } = layout.piecesOf(file);
    for (let index = Math.floor((offset + size) / metainfo.pieceLength); index <= last; index++) present.delete(index);
  }
  return present;
}

function findRight({ pieceCount, pieceHashes }: Metainfo, present: Bitfield, digests: Uint8Array): Bitfield {
  const right = new Bitfield(pieceCount);
  for (let index = 0; index < pieceCount; index++) {
    if (present.has(index) && isSame(digests, pieceHashes, index * 20)) right.add(index);
  }
  return right;
}

/** Whether the 20 bytes at `begin` are the same in both. */
function isSame(one: Uint8Array, other: Uint8Array, begin: number): boolean {
  for (let at = begin; at < begin + 20; at++) if (one[at] !== other[at]) return false;
  return true;
}

function report(
  metainfo: Metainfo,
  layout: FileLayout,
  sights: readonly Sight[],
  present: Bitfield,
  right: Bitfield,
): VerifyReport {
  const files: FileReport[] = [];
  for (const [index, { path: name, length, isPadding }] of metainfo.files.entries()) {
    if (isPadding) continue;
    const { first, last } = length > 0 ? layout.piecesOf(index) : { first: 0, last: -1 };
    const sight = sights[index];
    const { bad, corrupt } = countBad(first, last, present, right);
    files.push({
      ...{ path: name, index, length, state: stateOf(length, sight, bad, corrupt) },
      ...{ pieces: last - first + 1, badPieces: bad },
      ...(sight && ('size' in sight ? { size: sight.size } : { reason: sight.trouble.message })),
    });
  }
  const { pieceCount: count } = metainfo;
  const corrupt = present.count - right.count;
  return {
    metainfo,
    pieces: { count, ok: right.count, corrupt, missing: count - present.count, bitfield: right.bytes },
    files,
    isComplete: files.every(({ state }) => state === 'ok'),
  };
}

/** How many pieces from `first` to `last` are not right, and how many of those are there. */
function countBad(first: number, last: number, present: Bitfield, right: Bitfield): { bad: number; corrupt: number } {
  let bad = 0;
  let corrupt = 0;
  for (let index = first; index <= last; index++) {
    if (right.has(index)) continue;
    bad++;
    if (present.has(index)) corrupt++;
  }
  return { bad, corrupt };
}

function stateOf(length: number, sight: Sight, bad: number, corrupt: number): FileState {
  if (!sight) return 'missing';
  if ('trouble' in sight) return 'unreadable';
  if (sight.size < length) return 'too short';
  if (sight.size > length) return 'too long';
  if (corrupt > 0) return 'damaged';
  return bad > 0 ? 'unproven' : 'ok';
}

function sizeOf(sight: Sight): number | undefined {
  return sight && 'size' in sight ? sight.size : undefined;
}
