import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { codeOf, diskError } from './disk-error.js';
import { NOFOLLOW, OutFolder, STATE_FOLDER } from './out-folder.js';
import { makeOutFolder } from './scan.js';

/** Nothing larger was ever kept. */
const MOST_LENGTH = 64 * 1024 * 1024;

/**
 * Keeps the info dictionary that a magnet link stood for, beside the resume state, so that a later run need not ask peers
 * for it: `<out>/.torrent-dl/<info hash>.info`. The folder `out` is made when missing.
 * @throws {DiskError}
 */
export async function keepInfo(out: string, infoHash: Uint8Array, infoBytes: Uint8Array): Promise<void> {
  const place = placeOf(out, infoHash);
  const draft = `${place}.${process.pid}.new`;
  makeOutFolder(out);
  try {
    new OutFolder(out).enter(STATE_FOLDER, true);
    await rm(draft, { force: true });
    await using file = await open(draft, 'wx');
    await file.writeFile(infoBytes);
    await rename(draft, place);
  } catch (error) {
    await rm(draft, { force: true }).catch(() => undefined); // the first error is the one to tell
    throw diskError('write', place, error);
  }
}

/** What `keepInfo` kept; undefined when there is nothing, or not what the info hash stands for. */
export async function readKeptInfo(out: string, infoHash: Uint8Array): Promise<Uint8Array | undefined> {
  try {
    await using file = await open(placeOf(out, infoHash), constants.O_RDONLY | NOFOLLOW);
    if ((await file.stat()).size > MOST_LENGTH) return undefined;
    const infoBytes = await file.readFile();
    return createHash('sha1').update(infoBytes).digest().equals(infoHash) ? infoBytes : undefined;
  } catch (error) {
    if (codeOf(error) === undefined) throw error;
    return undefined; // peers have it
  }
}

function placeOf(out: string, infoHash: Uint8Array): string {
  return path.join(out, STATE_FOLDER, `${Buffer.from(infoHash).toString('hex')}.info`);
}
