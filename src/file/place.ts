import type { Bitfield } from '../common/bitfield.js';
import { DiskError } from '../common/errors.js';
import type { Metainfo } from '../metainfo/metainfo.js';
import { quoted } from './disk-error.js';
import { FileLock } from './lock.js';
import { STATE_FOLDER } from './out-folder.js';
import { makeOutFolder } from './scan.js';

/** Errors of a place that can be read and not be written to. */
const REFUSALS = new Set(['ERR_READ_ONLY', 'ERR_PERMISSION']);

/**
 * What a download has to itself below its output folder: the names at the top of its wanted files (all by default), and
 * behind a `/`, where no file can be, the info hash, by which its state is called.
 */
export function claimsOf({ files, infoHash }: Metainfo, wanted?: Bitfield): string[] {
  const names = new Set<string>();
  for (const [file, { path, isPadding }] of files.entries()) {
    if (!isPadding && wanted?.has(file) !== false) names.add(path.split('/', 1)[0]!);
  }
  return [...names, `/${Buffer.from(infoHash).toString('hex')}`];
}

/** @throws {DiskError} when a file would be where our state lies */
export function refuseStateFolder(claims: readonly string[]): void {
  const name = claims.find((claim) => claim.toLowerCase() === STATE_FOLDER);
  if (name === undefined) return;
  throw new DiskError('ERR_IN_THE_WAY', `cannot write ${quoted(name)}: the name is taken for our own state`);
}

/**
 * Makes the output folder and locks what is claimed in it; or says why, where nothing can be written, there is no lock.
 * @throws {DiskError} when another run has a part of it, …
 */
export async function takePlace(out: string, claims: readonly string[]): Promise<FileLock | DiskError> {
  try {
    makeOutFolder(out);
    return await FileLock.acquire(out, claims);
  } catch (error) {
    if (error instanceof DiskError && REFUSALS.has(error.code)) return error;
    throw error;
  }
}
