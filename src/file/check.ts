import { Bitfield } from '../common/bitfield.js';
import { lengthOfPiece } from '../common/pieces.js';
import type { Metainfo } from '../metainfo/metainfo.js';
import type { FileLayout } from './layout.js';
import type { CheckOptions } from './piece-sink.js';
import type { ResumeState } from './resume.js';
import type { FileStamps } from './stamps.js';
import type { Wanted } from './wanted.js';

/** Bytes that a thread hashes for one job: some 10 ms of work, so that an abort is heard and progress moves. */
const JOB_LENGTH = 16 * 1024 * 1024;

const UNTOUCHED = 0; // nothing on disk speaks against what the resume state says of it
const HASH = 1; // all of it is there, and of some file nobody knows whether it is right
const MISSING = 2; // some of it is not there

/** What a check begins with. */
export interface Found {
  readonly wanted: Wanted;
  /** The wanted files as they are on disk. */
  readonly disk: FileStamps;
  readonly hasSide: boolean;
}

/** What a check has to do. */
export interface CheckPlan {
  /** Pieces that the resume state proves. */
  readonly proven: Bitfield;
  /** Pieces to hash, in jobs. */
  readonly jobs: readonly { readonly first: number; readonly count: number; readonly length: number }[];
  /** Bytes to hash. */
  readonly length: number;
}

/**
 * Sorts the wanted pieces by what is on disk. Of a boundary piece the resume state proves what is wanted of it; to hash it
 * the side file is needed (`hasSide`). A file speaks for the resume state when its stamp is the noted one, and, if its
 * data may not have reached the disk then, when the machine has been up since.
 */
export function planCheck(
  metainfo: Metainfo,
  layout: FileLayout,
  { wanted, hasSide, disk }: Found,
  state: ResumeState | undefined,
  boot: string,
): CheckPlan {
  const { pieceCount, pieceLength } = metainfo;
  const fates = new Uint8Array(pieceCount);
  const isSameBoot = state?.boot === boot;
  for (const [file, { length, offset, isPadding }] of metainfo.files.entries()) {
    if (length === 0 || isPadding || !wanted.files.has(file)) continue;
    const isTrusted = state?.stamps.equals(file, disk) === true && (isSameBoot || !state.unsynced.has(file));
    if (isTrusted) continue;
    const { first, last } = layout.piecesOf(file);
    const size = disk.has(file) ? disk.size(file) : 0;
    for (let index = first; index <= last; index++) {
      const end = Math.min(index * pieceLength + lengthOfPiece(metainfo, index), offset + length);
      const fate = end <= offset + size ? HASH : MISSING;
      if (fate > fates[index]!) fates[index] = fate;
    }
  }
  const proven = new Bitfield(pieceCount);
  for (let index = 0; index < pieceCount; index++) {
    const isBeyondProof = !hasSide && fates[index] === HASH && wanted.boundary.has(index);
    if (isBeyondProof || !wanted.pieces.has(index)) fates[index] = MISSING;
    if (fates[index] !== UNTOUCHED) continue;
    if (state?.have.has(index)) proven.add(index);
    else if (!state) fates[index] = HASH; // nothing but padding
  }
  return { proven, ...cutIntoJobs(metainfo, fates) };
}

/** Runs of pieces to hash, none longer than `JOB_LENGTH` unless it is one piece. */
function cutIntoJobs(metainfo: Metainfo, fates: Uint8Array): Pick<CheckPlan, 'jobs' | 'length'> {
  const jobs: { first: number; count: number; length: number }[] = [];
  const most = Math.max(1, Math.floor(JOB_LENGTH / metainfo.pieceLength));
  let total = 0;
  for (let first = 0; first < fates.length;) {
    let count = 0;
    let length = 0;
    while (count < most && fates[first + count] === HASH) length += lengthOfPiece(metainfo, first + count++);
    if (count > 0) jobs.push({ first, count, length });
    total += length;
    first += Math.max(1, count);
  }
  return { jobs, length: total };
}

/**
 * Has `hash` do the jobs of a plan, so many at once: enough to keep every thread busy, and two waiting.
 * @throws what `hash` rejects with; the signal's reason
 */
export async function runJobs(
  { jobs, length: total }: CheckPlan,
  hash: (first: number, count: number) => Promise<void>,
  atOnce: number,
  { onProgress, signal }: CheckOptions,
): Promise<void> {
  let next = 0;
  let checked = 0;
  onProgress?.(0, total);
  const work = async (): Promise<void> => {
    for (let job = jobs[next++]; job; job = jobs[next++]) {
      signal?.throwIfAborted();
      try {
        await hash(job.first, job.count);
      } catch (error) {
        next = jobs.length; // nobody starts another
        throw error;
      }
      checked += job.length;
      onProgress?.(checked, total);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  signal?.throwIfAborted();
}
