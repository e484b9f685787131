import { spawnSync } from 'node:child_process';
import { closeSync, openSync, writeSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';

/** A file system of its own, in memory, with little room. */
export interface SmallDisk extends AsyncDisposable {
  readonly folder: string;
  /** Takes all room that is left, by a file `filler`. */
  fill: () => void;
  /** Gives it back. */
  empty: () => Promise<void>;
}

/** Mounts one of so many bytes; undefined where that is not allowed. */
export async function openSmallDisk(length: number): Promise<SmallDisk | undefined> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'torrent-dl-disk-'));
  const mount = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${length}`, 'tmpfs', folder]);
  if (mount.status !== 0) {
    await rm(folder, { recursive: true });
    return undefined;
  }
  const filler = path.join(folder, 'filler');
  return {
    folder,
    fill: () => fill(filler),
    empty: () => rm(filler),
    async [Symbol.asyncDispose]() {
      spawnSync('umount', ['-l', folder]);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function fill(file: string): void {
  const descriptor = openSync(file, 'w');
  const page = Buffer.alloc(4096);
  try {
    for (;;) writeSync(descriptor, page);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  } finally {
    closeSync(descriptor);
  }
}
