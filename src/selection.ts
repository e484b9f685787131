/** Which files of a torrent are wanted: words of the user, or indexes of a magnet link (BEP 53), → a set of files. */
import picomatch from 'picomatch';
import { Bitfield } from './common/bitfield.js';
import { UsageError } from './common/errors.js';
import { escapeControl } from './common/text.js';
import type { IndexRange } from './metainfo/magnet.js';
import type { Metainfo, MetainfoFile } from './metainfo/metainfo.js';

/**
 * What to choose files by. A word of nothing but digits, commas and `-` is a list of indexes (`0,3-5,8-`), counted from 0
 * as `--list` does; a file that is called `12` is chosen by `[1]2`. Every other word is a glob (`*`, `?`, `[a-z]`,
 * `{a,b}`, `**`), upper and lower case told apart:
 * - with a `/` in it, it is matched against the whole path, and against the path below the torrent's own folder
 *   (`/a` is such a path of one name);
 * - without, against each name on the path, at any depth;
 * - a folder that matches stands for all below it;
 * - a name as it is always matches itself, whatever stars and brackets are in it.
 */
export interface Selection {
  /** Files to take; all when missing or empty. */
  readonly select?: readonly string[] | undefined;
  /** Files to leave out of those. */
  readonly exclude?: readonly string[] | undefined;
  /** Only the largest of what is left, the first among equals. */
  readonly largest?: boolean | undefined;
}

export interface Choice {
  /** By their places in `Metainfo.files`. Pad files (BEP 47) are never in. */
  readonly files: Bitfield;
  /** Words of `exclude` that match no file. */
  readonly unmatched: readonly string[];
}

/** No path is longer, and the matcher takes no more than 64 KiB. */
const MOST_GLOB = 4096;

type TorrentFiles = Pick<Metainfo, 'files' | 'isMultiFile'>;

/** Whether anything was said at all. */
export function isSelective({ select = [], exclude = [], largest = false }: Selection): boolean {
  return select.length > 0 || exclude.length > 0 || largest;
}

/**
 * The files that a selection stands for. `selectOnly`, of a magnet link, holds when there is no `select`.
 * @throws {UsageError} when a word of `select` matches no file, a list of indexes is none, or no file is left
 */
export function chooseFiles(torrent: TorrentFiles, selection: Selection, selectOnly?: readonly IndexRange[]): Choice {
  const { select = [], exclude = [], largest = false } = selection;
  const { files } = torrent;
  let chosen = new Bitfield(files.length);
  if (select.length > 0) {
    for (const word of select) {
      for (const [part, indexes] of find(torrent, word)) {
        if (indexes.length === 0) throw noSuchFile(part, files.length);
        for (const index of indexes) chosen.add(index);
      }
    }
  } else {
    for (const { first, last } of selectOnly ?? [{ first: 0, last: Infinity }]) {
      for (const index of indexesOf(files, first, last)) chosen.add(index);
    }
  }
  const unmatched: string[] = [];
  for (const word of exclude) {
    for (const [part, indexes] of find(torrent, word)) {
      if (indexes.length === 0) unmatched.push(part);
      for (const index of indexes) chosen.delete(index);
    }
  }
  if (chosen.count === 0) throw nothingLeft(files.length, selectOnly !== undefined && select.length === 0);
  if (largest) chosen = largestOf(files, chosen);
  return { files: chosen, unmatched };
}

/** What each part of a word stands for: a list of indexes has several. */
function find(torrent: TorrentFiles, word: string): [part: string, indexes: number[]][] {
  const { files } = torrent;
  if (/^[\d,-]+$/.test(word)) {
    return word.split(',').map((part) => {
      const [, first, dash, last] = /^(\d+)(-?)(\d*)$/.exec(part) ?? [];
      const from = Number(first);
      const to = dash === '' ? from : last === '' ? Infinity : Number(last);
      if (first !== undefined && to >= from) return [part, indexesOf(files, from, to)];
      throw new UsageError('ERR_SELECTION', `${quoted(word)} is no list of indexes such as 0,3-5,8-`);
    });
  }
  const matches = matcherOf(word);
  const indexes = [...files.keys()].filter((index) => {
    return !files[index]!.isPadding && matches(namesOf(torrent, files[index]!));
  });
  return [[word, indexes]];
}

function indexesOf(files: readonly MetainfoFile[], first: number, last: number): number[] {
  const indexes: number[] = [];
  for (let index = first; index <= Math.min(last, files.length - 1); index++) {
    if (!files[index]!.isPadding) indexes.push(index);
  }
  return indexes;
}

/** A path in its components, and how many of those are the torrent's own folder. */
interface Names {
  readonly names: readonly string[];
  readonly root: 0 | 1;
}

function namesOf({ isMultiFile }: TorrentFiles, { path }: MetainfoFile): Names {
  return { names: path.split('/'), root: isMultiFile ? 1 : 0 };
}

function matcherOf(word: string): (path: Names) => boolean {
  const bare = word.replace(/\/+$/, ''); // `folder/` is `folder`
  const pattern = bare.replace(/^(?:\.?\/)+/, '');
  if (pattern === '') return () => false;
  if (pattern.length > MOST_GLOB) throw new UsageError('ERR_SELECTION', `${quoted(pattern.slice(0, 40))}… is too long`);
  const glob = picomatch(pattern, { dot: true, nonegate: true, posix: true });
  const isMatch = (text: string): boolean => text === pattern || glob(text);
  if (!bare.includes('/')) return ({ names }) => names.some(isMatch);
  return ({ names, root }) => {
    for (let end = 1; end <= names.length; end++) {
      if (isMatch(names.slice(0, end).join('/'))) return true;
      if (root > 0 && end > root && isMatch(names.slice(root, end).join('/'))) return true;
    }
    return false;
  };
}

function largestOf(files: readonly MetainfoFile[], chosen: Bitfield): Bitfield {
  let largest = -1;
  for (const [index, { length }] of files.entries()) {
    if (chosen.has(index) && (largest < 0 || length > files[largest]!.length)) largest = index;
  }
  const only = new Bitfield(files.length);
  only.add(largest);
  return only;
}

function noSuchFile(word: string, count: number): UsageError {
  const last = /^[\d,-]+$/.test(word) ? `; the indexes go from 0 to ${count - 1}` : '';
  return new UsageError('ERR_NO_SUCH_FILE', `no file of the torrent matches ${quoted(word)}${last}`);
}

function nothingLeft(count: number, isOfLink: boolean): UsageError {
  const what = isOfLink ? 'the magnet link selects none' : 'the selection leaves none';
  return new UsageError('ERR_NOTHING_SELECTED', `${what} of the torrent's ${count} files`);
}

function quoted(word: string): string {
  return `"${escapeControl(word)}"`;
}
