/** `torrent-dl create`: makes a torrent of files. */
import path from 'node:path';

import { createTorrent, escapeControl, UsageError, type CreatedTorrent } from '../index.js';

import type { OptionsOfCall } from './commands.js';
import { formatBytes } from './format.js';
import { HashLine } from './hash-line.js';
import { openMagnetOf } from './magnet-link.js';
import { checkTarget, writeTorrent } from './torrent-file.js';
import { LAST_DATE } from './values.js';
import { runWork } from './work.js';

/** Writes the torrent, tells of it on stderr, and gives the exit code. */
export async function create(source: string, options: OptionsOfCall<'create'>): Promise<number> {
  const { quiet = false, force = false, name = path.basename(path.resolve(source)) } = options;
  const { out = `${name}.torrent` } = options;
  const torrentFile = out === '-' ? undefined : out;
  return await runWork(async (signal) => {
    await checkTarget(out, force);
    let created: CreatedTorrent;
    let work: string;
    {
      using line = new HashLine(process.stderr, process.env, quiet);
      const watch = { signal, onProgress: line.update };
      created = await createTorrent(source, { ...engineOptions(options), name, torrentFile }, watch);
      work = line.summary();
    }
    await writeTorrent(out, created.bytes, force);
    if (!quiet) process.stderr.write(describe(created, out, work));
    return 0;
  });
}

function engineOptions(options: OptionsOfCall<'create'>) {
  const { tracker = [], webSeed: webSeeds, private: isPrivate, source: sourceTag } = options;
  const { comment, createdBy, creationDate = dateOfEnvironment(), pieceLength, followLinks: followsLinks } = options;
  const trackers = tracker.map((url) => [url]);
  return { trackers, webSeeds, isPrivate, sourceTag, comment, createdBy, creationDate, pieceLength, followsLinks };
}

/** The date that reproducible builds agree on (reproducible-builds.org). */
function dateOfEnvironment(): number | undefined {
  const text = process.env['SOURCE_DATE_EPOCH'];
  if (text === undefined || text === '') return undefined;
  const seconds = /^\d+$/.test(text) ? Number(text) : NaN;
  if (seconds <= LAST_DATE) return seconds;
  const what = `SOURCE_DATE_EPOCH is "${escapeControl(text)}", which is no number of seconds since 1970`;
  throw new UsageError('ERR_CREATION_DATE', what);
}

function describe({ metainfo, warnings }: CreatedTorrent, out: string, work: string): string {
  const { infoHash, files, pieceCount, pieceLength } = metainfo;
  const { link, left } = openMagnetOf(metainfo);
  return [
    ...warnings.map((text) => `torrent-dl: warning: ${text}`),
    `${out === '-' ? 'done' : `wrote ${escapeControl(out)}`}: ${files.length} ${files.length === 1 ? 'file' : 'files'}, ` +
      `${pieceCount} pieces of ${formatBytes(pieceLength)}`,
    `hashed ${work}`,
    `info hash: ${Buffer.from(infoHash).toString('hex')}`,
    `magnet${left === 0 ? '' : ', without what has a passkey'}: ${link}`,
    '',
  ].join('\n');
}
