import { foldName, safeName } from './names.js';

/** In UTF-16 units, each of 3 bytes at most in UTF-8: so a path of so many is within rule 4 of `paths.ts`. */
const MOST_LENGTH = 1024;
/** A folder takes half a kilobyte here; a hostile torrent has hundreds of thousands. */
const MOST_FOLDERS = 20_000;

/** Folded name → what is there. Folders whose names differ in case only are one place. */
type Place = Map<string, Place | 'file'>;

/** A folder that needed no change. */
export interface PlainFolder {
  /** With a `/` at its end; the output folder's is empty. */
  readonly path: string;
  readonly place: Place;
  /** By their names as they are. */
  readonly folders: Map<string, PlainFolder>;
}

/**
 * Files and folders whose paths are safe as they are, each in a place of its own even on disks that fold case: nearly all
 * torrents have no others. What is undefined is not so, or is odd enough to be worth a closer look.
 */
export class PlainTree {
  readonly top: PlainFolder = { path: '', place: new Map(), folders: new Map() };
  readonly #platform: NodeJS.Platform;
  #count = 0;

  constructor(platform: NodeJS.Platform) {
    this.#platform = platform;
  }

  /** The folder of that name in `parent`. */
  enter(parent: PlainFolder, name: string): PlainFolder | undefined {
    return parent.folders.get(name) ?? this.#make(parent, name);
  }

  /** The path of a new file in `parent`. */
  add(parent: PlainFolder, name: string): string | undefined {
    const path = parent.path + name;
    if (path.length > MOST_LENGTH || safeName(name, this.#platform) !== name) return undefined;
    const folded = foldName(name);
    if (parent.place.has(folded)) return undefined;
    parent.place.set(folded, 'file');
    return path;
  }

  #make(parent: PlainFolder, name: string): PlainFolder | undefined {
    const path = `${parent.path}${name}/`;
    if (path.length > MOST_LENGTH || ++this.#count > MOST_FOLDERS) return undefined;
    if (safeName(name, this.#platform) !== name) return undefined;
    const folded = foldName(name);
    const place = parent.place.get(folded) ?? new Map<string, Place | 'file'>();
    if (place === 'file') return undefined;
    parent.place.set(folded, place);
    const folder = { path, place, folders: new Map<string, PlainFolder>() };
    parent.folders.set(name, folder);
    return folder;
  }
}
