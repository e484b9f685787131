import { existsSync, mkdirSync, statSync } from 'node:fs';
import path from 'node:path';

/**
 * Makes a folder, and those above it that are missing, all with `mode`. As `mkdirSync` with `recursive`, which never
 * returns below a folder that takes none, such as /proc (Node 20). @throws an error of `fs`
 */
export function makeFolders(folder: string, mode = 0o777): void {
  try {
    mkdirSync(folder, mode);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' && statSync(folder).isDirectory()) return;
    if (code !== 'ENOENT' || existsSync(path.dirname(folder))) throw error;
    makeFolders(path.dirname(folder), mode);
    mkdirSync(folder, mode);
  }
}
