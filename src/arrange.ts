/** Where the files of a torrent are written, when that is not where the torrent says. */
import type { Bitfield } from './common/bitfield.js';
import { UsageError } from './common/errors.js';
import { escapeControl } from './common/text.js';
import type { Metainfo } from './metainfo/metainfo.js';
import { safeName, topName } from './metainfo/names.js';
import { findClash } from './metainfo/paths.js';

export interface Arrangement {
  /**
   * What the torrent's folder, or its only file, is called instead. Where that folder is stripped, a lone file gets the
   * name; several files are put into a folder of that name.
   */
  readonly name?: string | undefined;
  /** So many folders are taken off the beginning of each path; the torrent's own one is the first. */
  readonly stripComponents?: number | undefined;
  /** All folders are taken off. */
  readonly flatten?: boolean | undefined;
}

/**
 * The same torrent with its wanted files (all by default) at other places. Those of the others stay as they are, and mean
 * nothing.
 * @throws {UsageError} when the name is no name for a file, nothing would be left of a path, or two files would land in
 * one place
 */
export function arrange(metainfo: Metainfo, arrangement: Arrangement, wanted?: Bitfield): Metainfo {
  const { name, stripComponents = 0, flatten = false } = arrangement;
  if (name === undefined && stripComponents === 0 && !flatten) return metainfo;
  if (name !== undefined) checkName(name);
  const { files } = metainfo;
  const moved = [...files.keys()].filter((file) => !files[file]!.isPadding && (wanted?.has(file) ?? true));
  const stripped = moved.map((file) => strip(files[file]!.path, flatten ? Infinity : stripComponents));
  const hasRoot = metainfo.isMultiFile && stripComponents === 0 && !flatten;
  const places = name === undefined ? stripped : stripped.map((names) => rename(names, name, hasRoot, moved.length));
  for (const [at, [top]] of places.entries()) {
    const { path } = files[moved[at]!]!;
    if (topName(top!) !== top)
      throw refused(`${quoted(path)} would be ${quoted(top!)}, which is taken for our own state`);
  }
  const clash = findClash(places);
  if (clash) {
    const [one, other] = clash.map((at) => quoted(files[moved[at]!]!.path));
    throw refused(`${one} and ${other} would both be written to ${quoted(places[clash[1]]!.join('/'))}`);
  }
  const paths = new Map(moved.map((file, at) => [file, places[at]!.join('/')]));
  return {
    ...metainfo,
    name: name ?? metainfo.name,
    isMultiFile: hasRoot,
    files: files.map((file, index) => ({ ...file, path: paths.get(index) ?? file.path })),
  };
}

/** A path's components without so many folders; `Infinity` for all. */
function strip(path: string, count: number): readonly string[] {
  const names = path.split('/');
  if (count === Infinity) return names.slice(-1);
  if (count < names.length) return names.slice(count);
  throw refused(`nothing would be left of ${quoted(path)} without ${count} components`);
}

function rename(names: readonly string[], name: string, hasRoot: boolean, count: number): readonly string[] {
  if (hasRoot) return [name, ...names.slice(1)];
  return count === 1 && names.length === 1 ? [name] : [name, ...names];
}

function checkName(name: string): void {
  if (safeName(name, process.platform) === name && topName(name) === name) return;
  throw new UsageError(
    'ERR_NAME',
    `${quoted(name)} is no name for a file: a path has no place there, nor has "." or ".."`,
  );
}

function refused(what: string): UsageError {
  return new UsageError('ERR_ARRANGEMENT', what);
}

function quoted(text: string): string {
  return `"${escapeControl(text)}"`;
}
