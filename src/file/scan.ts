import { lstatSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Bitfield } from '../common/bitfield.js';
import { DiskError } from '../common/errors.js';
import { makeFolders } from '../common/folders.js';
import type { MetainfoFile } from '../metainfo/metainfo.js';
import { codeOf, diskError, quoted, systemError } from './disk-error.js';
import { OutFolder, STATE_FOLDER } from './out-folder.js';
import { FileStamps, lookAt } from './stamps.js';

/** Makes the output folder and, in it, the one for state. @throws {DiskError} */
export function makeOutFolder(out: string): void {
  try {
    makeFolders(path.resolve(out));
  } catch (error) {
    throw diskError('create the folder', out, codeOf(error) === 'EEXIST' ? systemError('ENOTDIR', out) : error);
  }
  try {
    new OutFolder(out).enter(STATE_FOLDER, true);
  } catch (error) {
    throw diskError('write to', (error as NodeJS.ErrnoException).path ?? out, error);
  }
}

/** Makes the wanted files (all by default) that have no bytes. @throws {DiskError} */
export function makeEmptyFiles(out: string, files: readonly MetainfoFile[], wanted?: Bitfield): void {
  const folder = new OutFolder(out);
  for (const [file, { path: name, length, isPadding, isExecutable }] of files.entries()) {
    if (length > 0 || isPadding || wanted?.has(file) === false) continue;
    try {
      folder.touch(name, isExecutable ? 0o777 : 0o666);
    } catch (error) {
      throw diskError('create', path.join(out, name), error);
    }
  }
}

/**
 * What is on disk now at the places of a torrent's files, or of those of them that are in `wanted`.
 * @throws {DiskError} naming the file when something is in the way: a folder, a link, a longer file, …
 */
export async function scan(out: string, files: readonly MetainfoFile[], wanted?: Bitfield): Promise<FileStamps> {
  const stamps = new FileStamps(files.length);
  await lookAt(out, filesInFolders(out, files, wanted), (file, stats) => {
    if (!stats) return;
    const { path: name, length } = files[file]!;
    const place = path.join(out, name);
    if (stats.isSymbolicLink()) throw diskError('write', place, systemError('ELOOP', place));
    if (stats.isDirectory()) throw diskError('write', place, systemError('EISDIR', place));
    if (!stats.isFile()) throw diskError('write', place, systemError('ENXIO', place));
    if (stats.size > BigInt(length)) {
      throw longerFileError(place, Number(stats.size), length);
    }
    stamps.set(file, stats);
  });
  return stamps;
}

/** At the place of a file is another one, which has `size` bytes instead of `length`. */
export function longerFileError(place: string, size: number, length: number): DiskError {
  const sizes = `${size} bytes are there, ${length} belong there`;
  return new DiskError(
    'ERR_LONGER_FILE',
    `cannot write ${quoted(place)}: it is another, longer file (${sizes}); move it away or choose another folder`,
  );
}

/** The files that can be there because their folder is; looks at each folder once. */
function* filesInFolders(
  out: string,
  files: readonly MetainfoFile[],
  wanted: Bitfield | undefined,
): Generator<readonly [number, string]> {
  const folder = new OutFolder(out);
  const known = new Map<string, boolean>();
  for (const [file, { path: name, isPadding }] of files.entries()) {
    if (isPadding || wanted?.has(file) === false) continue;
    const parent = path.dirname(name);
    let isThere = known.get(parent);
    if (isThere === undefined) known.set(parent, (isThere = canEnter(folder, parent)));
    if (isThere) yield [file, name];
  }
}

function canEnter(folder: OutFolder, name: string): boolean {
  try {
    folder.enter(name, false);
    return true;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false;
    throw diskError('write below', (error as NodeJS.ErrnoException).path ?? name, error);
  }
}

/** @throws {DiskError} when two files would be one on this disk, because it takes upper and lower case for the same */
export function refuseTwins(out: string, files: readonly MetainfoFile[]): void {
  const twins = findTwins(files);
  if (!twins || !foldsCase(out)) return;
  const [one, other] = twins.map((name) => quoted(path.join(out, name)));
  throw new DiskError('ERR_SAME_FILE', `cannot write ${one} and ${other}: on this disk the two names are one`);
}

/** Two paths that differ in case or Unicode form only. */
export function findTwins(files: readonly MetainfoFile[]): [string, string] | undefined {
  const seen = new Map<string, string>();
  for (const { path: name, isPadding } of files) {
    if (isPadding) continue;
    const folded = name.normalize('NFC').toLowerCase();
    const twin = seen.get(folded);
    if (twin !== undefined) return [twin, name];
    seen.set(folded, name);
  }
  return undefined;
}

function foldsCase(out: string): boolean {
  const probe = path.join(out, STATE_FOLDER, `probe-${process.pid}`);
  try {
    writeFileSync(probe, '', { flag: 'wx' });
    return lstatSync(probe.replace(/probe-(\d+)$/, 'PROBE-$1'), { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    throw diskError('write', probe, error);
  } finally {
    rmSync(probe, { force: true });
  }
}
