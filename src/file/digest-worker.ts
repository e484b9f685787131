/** The thread of `digest-files.ts`: digests the files that it is told to, until it is told `null`. */
import { createHash } from 'node:crypto';
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { bug } from '../common/errors.js';
import type { SystemError } from './disk-error.js';
import { NOFOLLOW } from './out-folder.js';

/** The file's digest in hex, or why it has none. */
export type DigestAnswer = string | SystemError;

/** Bytes read at once: they are hashed while they are in the processor's cache. */
const READ_LENGTH = 262_144;

const port = parentPort ?? bug('digest-worker.ts is not the main thread');
const algorithm = workerData as string;
const buffer = new Uint8Array(READ_LENGTH);

port.on('message', (place: string | null) => {
  if (place === null) port.close();
  else port.postMessage(digest(place));
});

function digest(place: string): DigestAnswer {
  try {
    const descriptor = openSync(place, constants.O_RDONLY | NOFOLLOW);
    try {
      const hash = createHash(algorithm);
      for (let length = readSync(descriptor, buffer); length > 0; length = readSync(descriptor, buffer)) {
        hash.update(buffer.subarray(0, length));
      }
      return hash.digest('hex');
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return { code, message };
  }
}
