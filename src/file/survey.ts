import { lstatSync, statSync, type Stats } from 'node:fs';
import path from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { DiskError } from '../common/errors.js';
import type { MetainfoFile } from '../metainfo/metainfo.js';
import { codeOf, diskError, systemError } from './disk-error.js';
import { OutFolder } from './out-folder.js';

/** What is at a file's place: nothing, so many bytes, or something that cannot be read as a file. */
export type Sight = { readonly size: number } | { readonly trouble: DiskError } | undefined;

/** Files looked at before the event loop gets its turn. */
const FILES_PER_TURN = 256;

/**
 * What is at the places of a torrent's files below `dir`; undefined for pad files, which have none. It reads nothing, and
 * follows no links below `dir`, as downloads do not.
 * @throws {DiskError} when `dir` is not a folder; that it does not exist is no error
 */
export async function survey(dir: string, files: readonly MetainfoFile[], signal?: AbortSignal): Promise<Sight[]> {
  refuseOtherThanFolder(dir);
  const folder = new OutFolder(dir);
  /** What stands in the way to a folder, for those that were looked at. */
  const folders = new Map<string, Sight>();
  const sights: Sight[] = [];
  for (const { path: name, isPadding } of files) {
    if (sights.length % FILES_PER_TURN === 0) {
      await nextTurn();
      signal?.throwIfAborted();
    }
    sights.push(isPadding ? undefined : look(dir, name, folder, folders));
  }
  return sights;
}

function refuseOtherThanFolder(dir: string): void {
  try {
    if (!statSync(dir).isDirectory()) throw systemError('ENOTDIR', dir);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw diskError('read', dir, error);
  }
}

function look(dir: string, name: string, folder: OutFolder, folders: Map<string, Sight>): Sight {
  const parent = path.dirname(name);
  if (!folders.has(parent)) folders.set(parent, enter(folder, parent));
  const obstacle = folders.get(parent);
  if (!obstacle || 'trouble' in obstacle) return obstacle;
  const place = path.join(dir, name);
  try {
    const stats = lstatSync(place, { throwIfNoEntry: false });
    if (!stats) return undefined;
    refuseOtherThanFile(place, stats);
    return { size: stats.size };
  } catch (error) {
    return { trouble: diskError('read', place, error) };
  }
}

/** @throws an error of `fs` */
function refuseOtherThanFile(place: string, stats: Stats): void {
  if (stats.isSymbolicLink()) throw systemError('ELOOP', place);
  if (stats.isDirectory()) throw systemError('EISDIR', place);
  if (!stats.isFile()) throw systemError('ENXIO', place);
}

/** Whether a folder is there. */
function enter(folder: OutFolder, name: string): Sight {
  try {
    folder.enter(name, false);
    return { size: 0 };
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    return { trouble: diskError('read below', (error as NodeJS.ErrnoException).path ?? name, error) };
  }
}
