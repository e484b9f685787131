import { open, rename, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { makeFolders } from './folders.js';

/** Where programs keep what they can do without: the XDG folder, or what the system has in its stead. */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env, platform = process.platform): string {
  const fallback = platform === 'win32' ? env['LOCALAPPDATA'] : undefined;
  const folder = [env['XDG_CACHE_HOME'], fallback].find((value) => value !== undefined && path.isAbsolute(value));
  return path.join(folder ?? path.join(os.homedir(), '.cache'), 'torrent-dl');
}

/** A small file of the cache; undefined when it cannot be read or is longer than `most` bytes. */
export async function readCache(file: string, most: number): Promise<Uint8Array | undefined> {
  try {
    await using handle = await open(file, 'r');
    const { size } = await handle.stat();
    return size <= most ? await handle.readFile() : undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === undefined) throw error;
    return undefined;
  }
}

/** Replaces a file of the cache, whole or not at all. @throws an error of `fs` */
export async function writeCache(file: string, bytes: Uint8Array): Promise<void> {
  makeFolders(path.dirname(file), 0o700);
  const draft = `${file}.${process.pid}.new`;
  try {
    await using handle = await open(draft, 'w', 0o600);
    await handle.writeFile(bytes);
    await rename(draft, file);
  } catch (error) {
    await rm(draft, { force: true }).catch(() => undefined); // the first error is the one to tell
    throw error;
  }
}
