/** `--list`: the files of a torrent, without downloading. */
import { chooseFiles, escapeControl, isSelective, type Metainfo, type MetainfoFile, type Selection } from '../index.js';

import { formatBytes } from './format.js';
import { readMetainfoOf, runWork } from './work.js';

/** A file with its place in the torrent, from 0, as `so` of magnet links counts (BEP 53). */
export interface ListedFile {
  readonly index: number;
  readonly length: number;
  readonly path: string;
}

/** Prints index, size and path of each selected file: aligned for people, else with tabs and bytes. Gives the exit code. */
export async function list(torrent: string, selection: Selection = {}): Promise<number> {
  return await runWork(async (signal) => {
    const metainfo = await readMetainfoOf(torrent, signal);
    const chosen = isSelective(selection) ? chooseFiles(metainfo, selection).files : undefined;
    const files = filesOf(metainfo).filter(({ index }) => chosen?.has(index) ?? true);
    process.stdout.write(process.stdout.isTTY ? formatFiles(files) : plainFiles(files));
    return 0;
  });
}

/** All files but padding (BEP 47), which keeps its index. */
export function filesOf({ files }: Metainfo): ListedFile[] {
  return files.flatMap(({ isPadding, length, path }: MetainfoFile, index) =>
    isPadding ? [] : [{ index, length, path }],
  );
}

/** Aligned lines; paths come last, for they are as long as they are. */
export function formatFiles(files: readonly ListedFile[]): string {
  const digits = String(files.at(-1)?.index ?? 0).length;
  return files
    .map(({ index, length, path }) => {
      return `${String(index).padStart(digits)}  ${formatBytes(length).padStart(8)}  ${escapeControl(path)}\n`;
    })
    .join('');
}

/** `INDEX<tab>BYTES<tab>PATH`, a file a line. */
function plainFiles(files: readonly ListedFile[]): string {
  return files.map(({ index, length, path }) => `${index}\t${length}\t${escapeControl(path)}\n`).join('');
}
