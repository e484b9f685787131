/** Digests whole files, several at once on all cores. */
import os from 'node:os';
import { diskError } from './disk-error.js';
import type { DigestAnswer } from './digest-worker.js';
import { HashThread } from './hash-thread.js';

/** What `sha256sum` and its kin compute. */
export type DigestAlgorithm = 'sha1' | 'sha256' | 'sha512';

/**
 * The digest of each file in hex, in the order of `places`, paths on disk.
 * @throws {DiskError} naming the file that cannot be read; the signal's reason
 */
export async function digestFiles(
  places: readonly string[],
  algorithm: DigestAlgorithm,
  signal?: AbortSignal,
): Promise<string[]> {
  const digests: string[] = [];
  const left = places.entries();
  const work = async (thread: HashThread<string, DigestAnswer>): Promise<void> => {
    for (const [file, place] of left) {
      signal?.throwIfAborted();
      const answer = await thread.run(place);
      if (typeof answer !== 'string') throw diskError('read', place, answer);
      digests[file] = answer;
    }
  };
  const count = Math.min(os.availableParallelism(), places.length);
  const threads = Array.from({ length: count }, () => new HashThread<string, DigestAnswer>('digest-worker', algorithm));
  try {
    await Promise.all(threads.map(work));
  } finally {
    await Promise.all(threads.map((thread) => thread.close()));
  }
  return digests;
}
