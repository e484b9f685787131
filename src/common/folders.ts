import { mkdirSync, statSync } from 'node:fs';
import path from 'node:path';

/**
 * Makes a folder, and those above it that are missing, all with `mode`. As `mkdirSync` with `recursive`, which never
 * returns below a folder that takes none, such as /proc (Node 20). @throws an error of `fs`
 */
export function makeFolders(folder: string, mode = 0o777): void {
  try {
    makeFolder(folder, mode);
  } catch (error) {
    const above = path.dirname(folder);
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || above === folder) throw error;
    makeFolders(above, mode);
    makeFolder(folder, mode);
  }
}

/** One that is there, perhaps by another program a moment ago, is as good. */
function makeFolder(folder: string, mode: number): void {
  try {
    mkdirSync(folder, mode);
  } catch (error) {
    if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) throw error;
  }
}
