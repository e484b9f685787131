/**
 * Names from a torrent, made safe. One rule for every spelling of a name:
 *
 * 1. A name is text: UTF-8, else in the torrent's `encoding`, else with `%FF` for every byte beyond ASCII and `%25` for `%`.
 * 2. `/`, NUL and other control characters become `_`; so does each dot of the names `.` and `..`, and an empty name is
 *    `_`. On Windows `<>:"|?*\`, trailing dots and trailing spaces become `_`, too, and `con.txt` is `_con.txt`.
 *    (Elsewhere a `\` is a character like any other.)
 * 3. A name of more than 255 bytes keeps its start, its extension and a hash of the whole: `long…~1a2b3c4d.iso`.
 * 4. A path of more than 3072 bytes (4096 less room for the output folder) keeps its ends; the folders between become
 *    one, with their hash for a name: `root/~0123456789abcdef/file`.
 * 5. The name `.torrent-dl` at the top is ours: it becomes `_.torrent-dl`.
 * 6. Each file has a place of its own. The first to ask for a path gets it, unless a folder has that name; the others get
 *    ` (2)`, ` (3)` … before the extension. Where disks fold case (macOS, Windows) so do we.
 *
 * So no path has a component that leads up or away, and nothing is ever written outside the output folder.
 */
import { foldName, hash, safeName, topName, withNumber } from './names.js';
import { PlainTree, type PlainFolder } from './plain-tree.js';

export { readName, safeName } from './names.js';

/** In bytes of UTF-8. */
const MOST_PATH = 3072;

/** What `safePaths` gives. */
export interface SafePaths {
  /** The root's safe name: every path begins with it. */
  readonly name: string;
  /** In the order of the input, `/` between components. */
  readonly paths: readonly string[];
  /** Those that are not what was asked for, by their index. */
  readonly renamed: ReadonlySet<number>;
  /** What `findCaseCollisions` finds among them. */
  readonly caseCollisions: readonly string[];
}

/**
 * Safe paths (rules 2 to 6) for files given as names, the root's first. A single file is the root itself. Takes time in
 * proportion to the length of all names, whatever they are.
 */
export function safePaths(
  root: string,
  files: readonly (readonly string[])[],
  platform: NodeJS.Platform = process.platform,
): SafePaths {
  const plain = plainPaths(root, files, platform);
  if (plain) return { name: root, paths: plain, renamed: new Set(), caseCollisions: [] };
  return changedPaths(root, files, platform);
}

/** The quick way, for paths that all stay as they are; undefined when one does not. */
function plainPaths(
  root: string,
  files: readonly (readonly string[])[],
  platform: NodeJS.Platform,
): string[] | undefined {
  if (topName(root) !== root) return undefined;
  const tree = new PlainTree(platform);
  const paths: string[] = [];
  for (const names of files) {
    const last = names.length - 1;
    let folder: PlainFolder | undefined = tree.top;
    for (let at = 0; at < last && folder; at++) folder = tree.enter(folder, at === 0 ? root : names[at]!);
    const path = folder && tree.add(folder, last === 0 ? root : names[last]!);
    if (path === undefined) return undefined;
    paths.push(path);
  }
  return paths;
}

/** The same by the longer way, which any path can go. */
export function changedPaths(
  root: string,
  files: readonly (readonly string[])[],
  platform: NodeJS.Platform,
): SafePaths {
  const known = new Map<string, string>();
  const clean = (name: string): string => {
    let safe = known.get(name);
    if (safe === undefined) known.set(name, (safe = safeName(name, platform)));
    return safe;
  };
  const name = topName(clean(root));
  const wanted = files.map((names) => shortenPath([name, ...names.slice(1).map(clean)]));
  const foldsCase = platform === 'win32' || platform === 'darwin';
  const paths = placeAll(wanted, foldsCase);
  const renamed = new Set<number>();
  for (const [index, names] of files.entries()) if (paths[index] !== names.join('/')) renamed.add(index);
  return { name, paths, renamed, caseCollisions: foldsCase ? [] : findCaseCollisions(paths) };
}

/** Those of `paths` that a disk which folds case (or Unicode's spellings) could not hold beside the others. */
export function findCaseCollisions(paths: readonly string[]): string[] {
  const placed = placeAll(
    paths.map((path) => path.split('/')),
    true,
  );
  return paths.filter((path, index) => path !== placed[index]);
}

/**
 * The first two of `paths`, in their components, that want one place; also when one is a folder of the other's path.
 * Where disks fold case so does this.
 */
export function findClash(
  paths: readonly (readonly string[])[],
  platform: NodeJS.Platform = process.platform,
): readonly [one: number, other: number] | undefined {
  const foldsCase = platform === 'win32' || platform === 'darwin';
  const placed = placeAll(paths, foldsCase);
  const fold = (names: readonly string[]): string => (foldsCase ? foldName(names.join('/')) : names.join('/'));
  const other = placed.findIndex((path, index) => path !== paths[index]!.join('/'));
  if (other < 0) return undefined;
  const place = fold(paths[other]!);
  const one = paths.findIndex((names, index) => {
    const path = fold(names);
    return index !== other && (path === place || path.startsWith(`${place}/`));
  });
  return [one, other];
}

/** Rule 4. */
function shortenPath(names: readonly string[]): readonly string[] {
  const bytes = names.reduce((sum, name) => sum + Buffer.byteLength(name) + 1, -1);
  if (bytes <= MOST_PATH) return names;
  return [names[0]!, `~${hash(names.slice(1, -1).join('/'), 16)}`, names[names.length - 1]!];
}

/**
 * Rule 6. Folders are numbered, and a path is known by its folder's number and its name: so a path of a thousand
 * components costs no more than its length.
 */
function placeAll(wanted: readonly (readonly string[])[], foldsCase: boolean): string[] {
  const fold = foldsCase ? foldName : (name: string): string => name;
  const folders = new Map<string, number>();
  const parents = wanted.map((names) => {
    let folder = 0;
    for (const name of names.slice(0, -1)) {
      const key = `${folder}/${fold(name)}`;
      const found = folders.get(key);
      folder = found ?? folders.size + 1;
      if (found === undefined) folders.set(key, folder);
    }
    return folder;
  });
  const keyOf = (index: number, name: string): string => `${parents[index]!}/${fold(name)}`;
  const owners = new Map<string, number>();
  for (const [index, names] of wanted.entries()) {
    const key = keyOf(index, names[names.length - 1]!);
    if (!owners.has(key)) owners.set(key, index);
  }
  const counters = new Map<string, number>();
  return wanted.map((names, index) => {
    const name = names[names.length - 1]!;
    const key = keyOf(index, name);
    if (owners.get(key) === index && !folders.has(key)) return names.join('/');
    for (let n = counters.get(key) ?? 2; ; n++) {
      const other = withNumber(name, n);
      const otherKey = keyOf(index, other);
      if (owners.has(otherKey) || folders.has(otherKey)) continue;
      owners.set(otherKey, index);
      counters.set(key, n + 1);
      return [...names.slice(0, -1), other].join('/');
    }
  });
}
