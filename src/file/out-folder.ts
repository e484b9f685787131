import { closeSync, constants, lstatSync, mkdirSync, openSync } from 'node:fs';
import path from 'node:path';
import { codeOf, systemError } from './disk-error.js';

/** Where the state of downloads lies, below the output folder. */
export const STATE_FOLDER = '.torrent-dl';

/** Zero on Windows, which has no such flag; making a link there needs a privilege. */
export const NOFOLLOW = (constants.O_NOFOLLOW as number | undefined) ?? 0;

/**
 * Opens files below the output folder and nowhere else: a symbolic link on the way there is an error, whoever planted it.
 * (The output folder itself may be one; that is the user's choice.)
 */
export class OutFolder {
  readonly path: string;
  /** The folder that was looked at last, so that files side by side cost one look at it. */
  #checked: string | undefined;

  constructor(out: string) {
    this.path = out;
  }

  /**
   * Opens the file at `name` (`/` between components); with O_CREAT its folders are made on demand.
   * @throws an error of `fs`, with its `path`
   */
  open(name: string, flags: number, mode = 0o666): number {
    const folder = path.dirname(name);
    const wasChecked = folder === this.#checked;
    if (!wasChecked) this.enter(folder, (flags & constants.O_CREAT) !== 0);
    try {
      return openSync(path.join(this.path, name), flags | NOFOLLOW, mode);
    } catch (error) {
      this.#checked = undefined;
      if (wasChecked && codeOf(error) === 'ENOENT') return this.open(name, flags, mode);
      throw error;
    }
  }

  /** Makes an empty file, unless it is there. @throws an error of `fs` */
  touch(name: string, mode: number): void {
    closeSync(this.open(name, constants.O_WRONLY | constants.O_CREAT, mode));
  }

  /** Looks at each component of `folder`, which has to be a folder. @throws an error of `fs` */
  enter(folder: string, makesFolders: boolean): void {
    let at = this.path;
    for (const component of folder === '.' ? [] : folder.split('/')) {
      at = path.join(at, component);
      if (makesFolders) makeFolder(at);
      const stats = lstatSync(at);
      if (stats.isSymbolicLink()) throw systemError('ELOOP', at);
      if (!stats.isDirectory()) throw systemError('ENOTDIR', at);
    }
    this.#checked = folder;
  }
}

function makeFolder(folder: string): void {
  // A look first: most folders are there, and a failed mkdir costs an exception.
  if (lstatSync(folder, { throwIfNoEntry: false })) return;
  try {
    mkdirSync(folder);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  }
}
