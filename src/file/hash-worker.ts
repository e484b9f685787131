/** The thread of `hash-pieces.ts`: hashes what it is told to, until it is told `null`. */
import { parentPort, workerData } from 'node:worker_threads';
import { bug } from '../common/errors.js';
import { PieceHasher, type HashSpec, type PieceFailure } from './piece-hasher.js';

/** Pieces to hash, and how many bytes those have. */
export interface HashJob {
  readonly first: number;
  readonly count: number;
  readonly length: number;
}

/** The answer to a job: the pieces that could not be read. */
export type HashAnswer = readonly PieceFailure[];

const port = parentPort ?? bug('hash-worker.ts is not the main thread');
const hasher = new PieceHasher(workerData as HashSpec);

port.on('message', (job: HashJob | null) => {
  if (!job) port.close();
  else port.postMessage(hasher.hash(job.first, job.count) satisfies HashAnswer);
});
