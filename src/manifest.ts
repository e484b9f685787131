/** A list of digests beside what was downloaded, as `sha256sum` writes and checks it. */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { DiskError, UsageError } from './common/errors.js';
import { escapeControl } from './common/text.js';
import { digestFiles, type DigestAlgorithm } from './file/digest-files.js';
import { diskError } from './file/disk-error.js';

/** Of each digest, and what a list says of a file. */
const HEX_LENGTH = { sha1: 40, sha256: 64, sha512: 128 } as const satisfies Record<DigestAlgorithm, number>;

export interface ManifestOptions {
  /** Folder that the files are below; the list is written there. Default: the current one. */
  readonly out?: string | undefined;
  /** The list is called `NAME.sha256`. */
  readonly name: string;
  readonly algorithm?: DigestAlgorithm;
  readonly signal?: AbortSignal;
}

/**
 * Looks before anything is fetched whether a list can be written: `paths` are those of all files of the torrent.
 * @throws {DiskError} when something other than a list of such files is in its place
 * @throws {UsageError} when the list would take the place of one of the files
 */
export function checkManifest(
  paths: readonly string[],
  { out = '.', name, algorithm = 'sha256' }: ManifestOptions,
): void {
  const list = `${name}.${algorithm}`;
  if (paths.includes(list)) throw overItself(list);
  const known = new Set(paths);
  const place = path.join(out, list);
  for (const { file } of entriesOf(place, algorithm)) {
    if (!known.has(file)) throw inTheWay(place, 'is a list of other files');
  }
}

/**
 * Digests the files at `paths` (below `out`) on all cores and writes the list, at once by a rename: `cd out && sha256sum -c
 * NAME.sha256`. Gives its path.
 * @throws {DiskError} when a file cannot be read or the list not be written
 * @throws {UsageError} {DiskError} of `checkManifest`, for it may be another's now
 */
export async function writeManifest(paths: readonly string[], options: ManifestOptions): Promise<string> {
  const { out = '.', name, algorithm = 'sha256', signal } = options;
  const digests = await digestFiles(
    paths.map((file) => path.join(out, file)),
    algorithm,
    signal,
  );
  const place = path.join(out, `${name}.${algorithm}`);
  if (paths.includes(path.basename(place))) throw overItself(place);
  const known = new Map(paths.map((file, at) => [file, digests[at]!]));
  for (const { file, digest } of entriesOf(place, algorithm)) {
    if ((known.get(file) ?? digest) !== digest) throw inTheWay(place, 'has other digests of the same files');
  }
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

/** What a list says that is there already; nothing where nothing is. @throws {DiskError} when it is something else */
function entriesOf(place: string, algorithm: DigestAlgorithm): { file: string; digest: string }[] {
  const text = textOf(place);
  return (text === '' ? [] : text.split(/(?<=\n)/)).map((line) => {
    const [, escape = '', digest = '', name = ''] = /^(\\?)([0-9a-f]+) [ *](.+)\n$/.exec(line) ?? [];
    if (digest.length !== HEX_LENGTH[algorithm]) throw inTheWay(place, 'is no such list');
    const file = name.replace(/\\([\\nr])/g, (all, sign: string) => ({ '\\': '\\', n: '\n', r: '\r' })[sign] ?? all);
    return { file: escape === '' ? name : file, digest };
  });
}

function textOf(place: string): string {
  try {
    return readFileSync(place, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw diskError('write', place, error);
  }
}

function overItself(list: string): UsageError {
  const which = `"${escapeControl(path.basename(list))}" of the torrent itself`;
  return new UsageError('ERR_MANIFEST', `the list of digests would be written over ${which}`);
}

function inTheWay(place: string, what: string): DiskError {
  return new DiskError('ERR_IN_THE_WAY', `cannot write "${escapeControl(place)}": what is there ${what}; move it away`);
}
