import { foldName, safeName } from './names.js';

/** In UTF-16 units, each of 3 bytes at most in UTF-8: so a path of so many is within rule 4 of `paths.ts`. */
const MOST_LENGTH = 1024;
/** A folder takes half a kilobyte here; a hostile torrent has hundreds of thousands. */
const MOST_FOLDERS = 20_000;

/**
 * The quick way of `safePaths`, for what nearly all torrents are: paths that are safe as they are, each in a place of its
 * own even on disks that fold case. Undefined when a single one is not, or is odd enough to be worth a closer look.
 */
export function plainPaths(
  root: string,
  files: readonly (readonly string[])[],
  platform: NodeJS.Platform,
): string[] | undefined {
  if (safeName(root, platform) !== root) return undefined;
  const tree = new Tree(platform);
  const paths: string[] = [];
  for (const names of files) {
    const last = names.length - 1;
    let folder: Folder | undefined = tree.top;
    for (let at = 0; at < last && folder; at++) folder = tree.enter(folder, at === 0 ? root : names[at]!);
    const path = folder && tree.add(folder, last === 0 ? root : names[last]!);
    if (path === undefined) return undefined;
    paths.push(path);
  }
  return paths;
}

/** Folded name → what is there. Folders whose names differ in case only are one place. */
type Place = Map<string, Place | 'file'>;

interface Folder {
  /** With a `/` at its end; the output folder's is empty. */
  readonly path: string;
  readonly place: Place;
  /** By their names as they are. */
  readonly folders: Map<string, Folder>;
}

/** The files and folders so far. What is undefined cannot be had in a plain way. */
class Tree {
  readonly top: Folder = { path: '', place: new Map(), folders: new Map() };
  readonly #platform: NodeJS.Platform;
  #count = 0;

  constructor(platform: NodeJS.Platform) {
    this.#platform = platform;
  }

  /** The folder of that name in `parent`. */
  enter(parent: Folder, name: string): Folder | undefined {
    return parent.folders.get(name) ?? this.#make(parent, name);
  }

  /** The path of a new file in `parent`. */
  add(parent: Folder, name: string): string | undefined {
    const path = parent.path + name;
    if (path.length > MOST_LENGTH || safeName(name, this.#platform) !== name) return undefined;
    const folded = foldName(name);
    if (parent.place.has(folded)) return undefined;
    parent.place.set(folded, 'file');
    return path;
  }

  #make(parent: Folder, name: string): Folder | undefined {
    const path = `${parent.path}${name}/`;
    if (path.length > MOST_LENGTH || ++this.#count > MOST_FOLDERS) return undefined;
    if (safeName(name, this.#platform) !== name) return undefined;
    const folded = foldName(name);
    const place = parent.place.get(folded) ?? new Map<string, Place | 'file'>();
    if (place === 'file') return undefined;
    parent.place.set(folded, place);
    const folder = { path, place, folders: new Map<string, Folder>() };
    parent.folders.set(name, folder);
    return folder;
  }
}
