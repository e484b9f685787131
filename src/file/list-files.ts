import { accessSync, constants, lstatSync, readdirSync, statSync, type BigIntStats } from 'node:fs';
import path from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { DiskError, UsageError } from '../common/errors.js';
import { decodeUtf8 } from '../common/text.js';
import { codeOf, diskError, quoted } from './disk-error.js';
import { STATE_FOLDER } from './out-folder.js';

/** A file that was found, and what it looked like. */
export interface FoundFile {
  /** Below the root, `/` between components; empty for a root that is a file. */
  readonly name: string;
  /** Its path on disk. */
  readonly place: string;
  readonly length: number;
  /** In nanoseconds. */
  readonly modifiedNs: bigint;
  readonly inode: bigint;
}

/** Something left out, and its kind in the plural: `symbolic links`. */
export interface Skipped {
  readonly text: string;
  readonly kind: string;
}

export interface FileList {
  readonly isFolder: boolean;
  /** In the order of their names' bytes, which is the same on every machine. */
  readonly files: readonly FoundFile[];
  readonly skipped: readonly Skipped[];
}

export interface ListOptions {
  /** Whether symbolic links below the root are followed, or left out. The root itself may always be one. */
  readonly followsLinks: boolean;
  /** What is about to be replaced by the torrent, if it is there. */
  readonly torrentFile?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Entries looked at before the event loop gets its turn. */
const ENTRIES_PER_TURN = 256;

/** A folder to look into, and those that lead to it. */
interface Folder {
  readonly name: string;
  readonly place: string;
  readonly id: string;
  readonly parent: Folder | undefined;
}

/**
 * The file `root`, or all files below it. Empty folders are not seen; links, pipes and the like, our own state and
 * the torrent's file are left out and told of.
 * @throws {DiskError} naming what cannot be read
 * @throws {UsageError} on a name that is not UTF-8: torrents have no other (BEP 3); when the root is the torrent's file
 * @throws the signal's reason
 */
export async function listFiles(root: string, options: ListOptions): Promise<FileList> {
  const stats = lookAtRoot(root);
  const replaced = replacedBy(options.torrentFile);
  if (replaced !== undefined && [stats, lstatSync(root, { bigint: true })].some((found) => idOf(found) === replaced)) {
    throw new UsageError(
      'ERR_SAME_FILE',
      `the torrent would replace what it shares, ${quoted(root)}; name another file`,
    );
  }
  if (stats.isFile()) return { isFolder: false, files: [foundFile('', root, stats)], skipped: [] };
  if (!stats.isDirectory()) {
    throw new DiskError('ERR_IN_THE_WAY', `cannot read ${quoted(root)}: it is neither a file nor a folder`);
  }
  const files: FoundFile[] = [];
  const skipped: Skipped[] = [];
  const folders: Folder[] = [{ name: '', place: root, id: idOf(stats), parent: undefined }];
  let left = ENTRIES_PER_TURN;
  for (let folder = folders.pop(); folder; folder = folders.pop()) {
    for (const entry of namesIn(folder.place)) {
      if (--left <= 0) {
        await nextTurn();
        options.signal?.throwIfAborted();
        left = ENTRIES_PER_TURN;
      }
      const found = lookAtEntry(folder, entry, options.followsLinks, replaced);
      if ('kind' in found) skipped.push(found);
      else if ('parent' in found) folders.push(found);
      else files.push(found);
    }
  }
  return { isFolder: true, files: sorted(files), skipped };
}

/** The first file that is not what it was when it was found, for somebody writes to it. @throws {DiskError} */
export async function findChanged(files: readonly FoundFile[]): Promise<FoundFile | undefined> {
  for (const [index, file] of files.entries()) {
    if (index % ENTRIES_PER_TURN === 0) await nextTurn();
    const stats = look(() => statSync(file.place, { bigint: true }), file.place);
    const isSame = stats.ino === file.inode && Number(stats.size) === file.length && stats.mtimeNs === file.modifiedNs;
    if (!isSame) return file;
  }
  return undefined;
}

function lookAtRoot(root: string): BigIntStats {
  try {
    return statSync(root, { bigint: true });
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw diskError('read', root, error);
    throw new DiskError('ERR_NO_SUCH_FILE', `cannot read ${quoted(root)}: no such file or folder`, { cause: error });
  }
}

/** The id of what a rename onto `place` replaces: of a link, its own. */
function replacedBy(place: string | undefined): string | undefined {
  if (place === undefined) return undefined;
  const stats = look(() => lstatSync(place, { bigint: true, throwIfNoEntry: false }), place);
  return stats && idOf(stats);
}

function namesIn(folder: string): string[] {
  return look(() => readdirSync(folder, { encoding: 'buffer' }), folder).map((bytes) => {
    const name = decodeUtf8(bytes);
    if (name !== undefined) return name;
    const shown = quoted(path.join(folder, bytes.toString('latin1')));
    throw new UsageError('ERR_FILE_NAME', `cannot share ${shown}: its name is not UTF-8; rename it`);
  });
}

function lookAtEntry(
  folder: Folder,
  entry: string,
  followsLinks: boolean,
  replaced: string | undefined,
): FoundFile | Folder | Skipped {
  const name = folder.name === '' ? entry : `${folder.name}/${entry}`;
  const place = path.join(folder.place, entry);
  let stats: BigIntStats | undefined = look(() => lstatSync(place, { bigint: true }), place);
  if (idOf(stats) === replaced) return skip('the file of the torrent itself', place, 'such files');
  if (stats.isSymbolicLink()) {
    if (!followsLinks) return skip('the symbolic link', place, 'symbolic links');
    stats = look(() => statSync(place, { bigint: true, throwIfNoEntry: false }), place);
    if (!stats) return skip('the symbolic link that leads nowhere', place, 'such links');
    if (isAbove(folder, idOf(stats))) return skip('the symbolic link to a folder around it', place, 'such links');
  }
  if (idOf(stats) === replaced) return skip('the symbolic link to the file of the torrent', place, 'such links');
  if (stats.isFile()) return foundFile(name, place, stats);
  if (!stats.isDirectory()) return skip('the pipe, socket or device', place, 'special files');
  if (entry === STATE_FOLDER) return skip('the state of downloads in', place, 'such folders');
  return { name, place, id: idOf(stats), parent: folder };
}

function skip(what: string, place: string, kind: string): Skipped {
  return { text: `${what} ${quoted(place)} is left out`, kind };
}

function isAbove(folder: Folder, id: string): boolean {
  for (let at: Folder | undefined = folder; at; at = at.parent) if (at.id === id) return true;
  return false;
}

function idOf({ dev, ino }: BigIntStats): string {
  return `${dev}:${ino}`;
}

/** Also tries whether it may be read: better now than when other files have been hashed for an hour. */
function foundFile(name: string, place: string, stats: BigIntStats): FoundFile {
  look(() => accessSync(place, constants.R_OK), place);
  return { name, place, length: Number(stats.size), modifiedNs: stats.mtimeNs, inode: stats.ino };
}

function sorted(files: readonly FoundFile[]): FoundFile[] {
  return files
    .map((file) => ({ file, bytes: Buffer.from(file.name) }))
    .sort((one, other) => Buffer.compare(one.bytes, other.bytes))
    .map(({ file }) => file);
}

function look<T>(act: () => T, place: string): T {
  try {
    return act();
  } catch (error) {
    throw diskError('read', place, error);
  }
}
