/** A list of digests beside what was downloaded, as `sha256sum` writes and checks it. */
import { randomUUID } from 'node:crypto';
import { rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { UsageError } from './common/errors.js';
import { digestFiles, type DigestAlgorithm } from './file/digest-files.js';
import { diskError } from './file/disk-error.js';

export interface ManifestOptions {
  /** Folder that the files are below; the list is written there. Default: the current one. */
  readonly out?: string | undefined;
  /** The list is called `NAME.sha256`. */
  readonly name: string;
  readonly algorithm?: DigestAlgorithm;
  readonly signal?: AbortSignal;
}

/**
 * Digests the files at `paths` (below `out`) on all cores and writes the list, at once by a rename: `cd out && sha256sum -c
 * NAME.sha256`. Gives its path.
 * @throws {DiskError} when a file cannot be read or the list not be written
 * @throws {UsageError} when the list would take the place of one of the files
 */
export async function writeManifest(paths: readonly string[], options: ManifestOptions): Promise<string> {
  const { out = '.', name, algorithm = 'sha256', signal } = options;
  const list = `${name}.${algorithm}`;
  if (paths.includes(list)) {
    throw new UsageError('ERR_MANIFEST', `the list of digests would be written over "${list}" of the torrent itself`);
  }
  const digests = await digestFiles(
    paths.map((file) => path.join(out, file)),
    algorithm,
    signal,
  );
  const place = path.join(out, list);
  const draft = path.join(out, `.${randomUUID()}.part`); // as long as any name may be
  try {
    await writeFile(draft, paths.map((file, at) => manifestLine(digests[at]!, file)).join(''), { flag: 'wx' });
    await rename(draft, place);
  } catch (error) {
    await rm(draft, { force: true });
    throw diskError('write', place, error);
  }
  return place;
}

/** `HEX  PATH`; a path that would break the line is escaped, which a backslash at the beginning tells. */
export function manifestLine(digest: string, file: string): string {
  const escaped = file.replace(/[\\\n\r]/g, (sign) => ({ '\\': '\\\\', '\n': '\\n', '\r': '\\r' })[sign]!);
  return `${escaped === file ? '' : '\\'}${digest}  ${escaped}\n`;
}
