import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import path from 'node:path';
import { Bitfield } from '../common/bitfield.js';
import { DiskError } from '../common/errors.js';
import type { Metainfo } from '../metainfo/metainfo.js';
import { planCheck, type CheckPlan } from './check.js';
import { codeOf, diskError, systemError } from './disk-error.js';
import { FileLayout } from './layout.js';
import { bootId, FileLock } from './lock.js';
import { OutFolder, STATE_FOLDER } from './out-folder.js';
import { claimsOf, refuseStateFolder } from './place.js';
import { readResume } from './resume.js';
import { isDiskFull } from './room.js';
import { longerFileError } from './scan.js';
import { isSideThere } from './side-file.js';
import { measureSpace, requireSpace, type Space } from './space.js';
import { findStaged } from './staged-files.js';
import { FileStamps, lookAt } from './stamps.js';
import { survey, type Sight } from './survey.js';
import { Wanted } from './wanted.js';

/** What a download would find on disk. Lengths are bytes. */
export interface Preview {
  /** Why it could not write, each with its reason; empty when it could. */
  readonly clashes: readonly DiskError[];
  /** Pieces that the resume state of an earlier run proves, and their length. */
  readonly proven: Bitfield;
  readonly provenLength: number;
  /** What is there and not proven: it would be hashed, and may be right or wrong. */
  readonly unprovenLength: number;
  /** Nothing is missing, as far as lengths tell: proven or not, all that is wanted is there. */
  readonly isAllThere: boolean;
  /** Undefined when the place cannot be looked at. */
  readonly space: Space | undefined;
}

export interface PreviewOptions {
  /** Default: the whole torrent. */
  readonly wanted?: Wanted;
  readonly isAtomic?: boolean;
  /** Everything would be hashed, whatever the resume state says. */
  readonly recheck?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** Looks at the place of a torrent below `out`; reads no data and changes nothing. @throws the signal's reason */
export async function preview(
  metainfo: Metainfo,
  out: string,
  { wanted = new Wanted(metainfo), isAtomic = false, recheck = false, signal }: PreviewOptions = {},
): Promise<Preview> {
  const clashes: DiskError[] = [];
  const note = (error: unknown): undefined => {
    if (!(error instanceof DiskError)) throw error;
    clashes.push(error);
  };
  await requireFolder(out).catch(note);
  const isFolder = clashes.length === 0; // below anything else there is nothing to look at
  const claims = claimsOf(metainfo, wanted.files);
  try {
    refuseStateFolder(claims);
  } catch (error) {
    note(error);
  }
  const holder = await FileLock.heldBy(out, claims);
  if (holder) note(holder);
  const folder = isAtomic ? ((await findStaged(metainfo, out, wanted.files).catch(note)) ?? out) : out;
  const sights = isFolder ? ((await survey(folder, metainfo.files, signal).catch(note)) ?? []) : [];
  if (clashes.length === 0) clashes.push(...obstacles(metainfo, wanted, folder, sights));
  const { proven, length, jobs } = await findPieces(metainfo, wanted, folder, sights, recheck);
  const wish = { metainfo, have: proven, wanted };
  const isBesideRoom = (error: unknown): unknown => isDiskFull(error) || note(error); // how much room is told below
  if (clashes.length === 0) await requireSpace(folder, wish).catch(isBesideRoom);
  return {
    clashes,
    proven,
    provenLength: lengthOfPieces(wanted, proven),
    unprovenLength: length,
    isAllThere: jobs.reduce((sum, { count }) => sum + count, proven.count) === wanted.pieces.count,
    space: await measureSpace(folder, wish).catch(() => undefined), // said by a clash
  };
}

/** @throws {DiskError} when `out` is no folder to write to, nor can be made, or our own folder in it is something else */
async function requireFolder(out: string): Promise<void> {
  try {
    await requireWritable(path.resolve(out));
    new OutFolder(out).enter(STATE_FOLDER, false);
  } catch (error) {
    const isMissing = codeOf(error) === 'ENOENT'; // it will be made
    if (!isMissing) throw diskError('write below', out, error);
  }
}

/** @throws an error of `fs` when the folder cannot be written to, or made where its parent is */
async function requireWritable(folder: string): Promise<void> {
  try {
    if (!(await stat(folder)).isDirectory()) throw systemError('ENOTDIR', folder);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT' || folder === path.dirname(folder)) throw error;
    return requireWritable(path.dirname(folder));
  }
  await access(folder, constants.W_OK | constants.X_OK);
}

/** What stands at the places of files and is not a part of them. */
function obstacles({ files }: Metainfo, wanted: Wanted, folder: string, sights: readonly Sight[]): DiskError[] {
  return files.flatMap(({ path: name, length }, file) => {
    const sight = sights[file];
    const place = path.join(folder, name);
    if (!sight || !wanted.files.has(file)) return [];
    if ('trouble' in sight) return diskError('write', place, sight.trouble.cause);
    return sight.size > length ? longerFileError(place, sight.size, length) : [];
  });
}

/** The pieces that need no hashing, and the length of those that would be hashed. */
async function findPieces(
  metainfo: Metainfo,
  wanted: Wanted,
  folder: string,
  sights: readonly Sight[],
  recheck: boolean,
): Promise<CheckPlan> {
  const { files, pieceCount } = metainfo;
  const stamps = new FileStamps(files.length);
  const there = [...files.entries()].filter(([file, { length }]) => {
    const sight = sights[file];
    return wanted.files.has(file) && sight && 'size' in sight && sight.size <= length;
  });
  await lookAt(
    folder,
    there.map(([file, { path: name }]) => [file, name] as const),
    (file, stats) => {
      if (stats) stamps.set(file, stats);
    },
  );
  if (there.length === 0) return { proven: new Bitfield(pieceCount), jobs: [], length: 0 };
  const state = recheck ? undefined : await readResume(folder, metainfo, () => undefined);
  const found = { wanted, disk: stamps, hasSide: isSideThere(folder, metainfo) };
  return planCheck(metainfo, new FileLayout(metainfo, files), found, state, bootId());
}

function lengthOfPieces(wanted: Wanted, pieces: Bitfield): number {
  let length = 0;
  for (let index = 0; index < pieces.length; index++) if (pieces.has(index)) length += wanted.lengthOf(index);
  return length;
}
