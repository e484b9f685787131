import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { diskError } from './disk-error.js';
import { isOutOfDescriptors, OPEN_RETRIES, OPEN_RETRY_MS } from './open-files.js';

/** Enough for the disk to take several files in one go, and few enough for the thread pool that others need too. */
const AT_ONCE = 2;

/** Brings the data of files to the disk. @throws {DiskError} */
export async function syncFiles(places: readonly string[]): Promise<void> {
  let next = 0;
  const work = async (): Promise<void> => {
    for (let place = places[next++]; place !== undefined; place = places[next++]) await syncFile(place);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

/** Makes what happened to a folder's entries last. Windows has nothing of the kind. @throws an error of `fs` */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const file = await open(folder, constants.O_RDONLY);
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

async function syncFile(place: string): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      // Windows flushes only what is open for writing.
      const file = await open(place, process.platform === 'win32' ? constants.O_RDWR : constants.O_RDONLY);
      try {
        await file.datasync();
      } finally {
        await file.close();
      }
      return;
    } catch (error) {
      if (!isOutOfDescriptors(error) || tries === OPEN_RETRIES) throw diskError('write', place, error);
      await sleep(OPEN_RETRY_MS);
    }
  }
}
