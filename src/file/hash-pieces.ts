/** Hashes files on all cores, to make a torrent of them or to compare them with one. Reads, and writes nothing. */
import os from 'node:os';
import type { Bitfield } from '../common/bitfield.js';
import { lengthOfPiece, lengthOfPieces, type PieceLayout } from '../common/pieces.js';
import { HashThread } from './hash-thread.js';
import type { HashAnswer, HashJob } from './hash-worker.js';
import type { HashSpec, PieceFailure } from './piece-hasher.js';

export type { HashedFile, PieceFailure } from './piece-hasher.js';

const HASH_LENGTH = 20;

/** Bytes of one job: some 10 ms of work, so that an abort is heard and progress moves; less when all is soon done. */
const MOST_JOB = 16 * 1024 * 1024;
const LEAST_JOB = 1024 * 1024;

/** Jobs for each thread, if they are not larger than `MOST_JOB`: so that none works long when the others are done. */
const JOBS_PER_THREAD = 8;

/** Jobs at a thread at once: the next one is there when one ends. */
const JOBS_IN_FLIGHT = 2;

export interface HashOptions {
  /** The pieces to hash; by default all. */
  readonly wanted?: Bitfield;
  /** How many threads; by default as many as the processor has cores. */
  readonly threads?: number;
  /** Bytes, of those that are to be hashed. */
  readonly onProgress?: ((hashedBytes: number, totalBytes: number) => void) | undefined;
  /** A piece could not be read. What it throws ends the work. */
  readonly onFailure: (failure: PieceFailure) => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * SHA-1 of each piece, 20 bytes each, zeros where there is none: not wanted, or failed. Memory: these, and 256 KiB for each
 * thread.
 * @throws what `onFailure` throws, {DiskError} when a thread dies, and the signal's reason
 */
export async function hashPieces(
  { pieces: { pieceLength, pieceCount, totalLength }, files, followsLinks }: Omit<HashSpec, 'digests'>,
  { wanted, threads: count = os.availableParallelism(), onProgress, onFailure, signal }: HashOptions,
): Promise<Uint8Array> {
  signal?.throwIfAborted();
  const pieces = { pieceLength, pieceCount, totalLength }; // and nothing else of what may be a metainfo
  const digests = new SharedArrayBuffer(pieceCount * HASH_LENGTH);
  const total = wanted ? lengthOfPieces(pieces, wanted) : totalLength;
  const most = Math.max(LEAST_JOB, Math.min(MOST_JOB, total / (count * JOBS_PER_THREAD)));
  const jobs = cutIntoJobs(pieces, most, wanted);
  let hashed = 0;
  onProgress?.(0, total);

  // All loops draw from the one generator; where one throws, `for … of` ends it for all.
  const work = async (thread: HashThread<HashJob, HashAnswer>): Promise<void> => {
    for (const job of jobs) {
      signal?.throwIfAborted();
      for (const failure of await thread.run(job)) onFailure(failure);
      hashed += job.length;
      onProgress?.(hashed, total);
    }
  };

  const needed = Math.min(count, Math.ceil(total / Math.max(most, pieceLength)));
  const spec = { pieces, files, followsLinks, digests };
  const threads = Array.from({ length: needed }, () => new HashThread<HashJob, HashAnswer>('hash-worker', spec));
  try {
    await Promise.all(threads.flatMap((thread) => Array.from({ length: JOBS_IN_FLIGHT }, () => work(thread))));
  } finally {
    await Promise.all(threads.map((thread) => thread.close()));
  }
  signal?.throwIfAborted();
  return new Uint8Array(digests);
}

/** Runs of wanted pieces, none longer than `most` bytes unless it is one piece. */
function* cutIntoJobs(pieces: PieceLayout, most: number, wanted: Bitfield | undefined): Generator<HashJob, void> {
  const mostPieces = Math.max(1, Math.floor(most / pieces.pieceLength));
  for (let first = 0; first < pieces.pieceCount;) {
    let count = 0;
    let length = 0;
    while (count < mostPieces && first + count < pieces.pieceCount && (wanted?.has(first + count) ?? true)) {
      length += lengthOfPiece(pieces, first + count++);
    }
    if (count > 0) yield { first, count, length };
    first += Math.max(1, count);
  }
}
