/**
 * `npm run demo`: a small swarm on this machine alone. Four seeds and a tracker run in this process; the real executable
 * downloads from them; the result is compared byte for byte and removed.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { link, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { download, type Download } from '../src/index.js';
import { openTracker } from './helpers/tracker.js';
import {
  contentFiles,
  makeTorrent,
  randomBytes,
  writeContent,
  type ContentFile,
  type MadeTorrent,
} from './helpers/torrent.js';

const MIB = 2 ** 20;
const SEEDS = 4;
const EXECUTABLE = fileURLToPath(new URL('../bin/torrent-dl.js', import.meta.url));

/** 256 MiB in nested folders, with a file of no bytes and one of a single byte. */
function demoContent(): readonly ContentFile[] {
  const scenes = Array.from({ length: 12 }, (_, index) => ({
    path: `film/scene ${String(index + 1).padStart(2, '0')}/take.mkv`,
    data: randomBytes(`scene ${index}`, 20 * MIB),
  }));
  return [
    ...scenes,
    { path: 'film/posters/naïve ☃/poster.png', data: randomBytes('poster', 16 * MIB - 1) },
    { path: 'film/posters/empty', data: Buffer.alloc(0) },
    { path: 'one byte', data: Buffer.from('!') },
  ];
}

/** A folder with the content for each seed; hard links, so that the disk holds it once. */
async function makeSeedFolders(torrent: MadeTorrent, folder: string): Promise<readonly string[]> {
  const folders = Array.from({ length: SEEDS }, (_, index) => path.join(folder, `seed ${index + 1}`));
  const [first = '', ...others] = folders;
  await writeContent(torrent, first);
  for (const other of others) {
    for (const { path: name } of contentFiles(torrent)) {
      await mkdir(path.dirname(path.join(other, name)), { recursive: true });
      await link(path.join(first, name), path.join(other, name));
    }
  }
  return folders;
}

/** Runs the executable as a user would, its output on our terminal; gives the exit code. */
async function runTorrentDl(words: readonly string[]): Promise<number | null> {
  const child = spawn(process.execPath, [EXECUTABLE, ...words], { stdio: 'inherit' });
  const [code] = (await once(child, 'exit')) as [number | null];
  return code;
}

async function compare(torrent: MadeTorrent, folder: string): Promise<void> {
  for (const { path: name, data } of contentFiles(torrent)) {
    assert.ok((await readFile(path.join(folder, name))).equals(data), `${name} differs`);
  }
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function demo(folder: string): Promise<void> {
  await using tracker = await openTracker();
  say(`making a torrent of ${demoContent().length} files, 256 MiB …`);
  const torrent = makeTorrent(demoContent(), { name: 'demo', pieceLength: MIB / 4, trackers: [[tracker.url]] });
  const torrentFile = path.join(folder, 'demo.torrent');
  const seedFolders = await makeSeedFolders(torrent, folder);
  await writeFile(torrentFile, torrent.bytes);

  say(`starting a tracker and ${SEEDS} seeds …`);
  const seeds: Download[] = [];
  try {
    for (const out of seedFolders) seeds.push(download(torrent.bytes, { out, seed: true, dht: false, lsd: false }));
    await Promise.all(seeds.map((seed) => seed.done));
    await Promise.all(seeds.map((seed) => tracker.heard(({ port }) => port === seed.stats().port)));

    say(`\n$ torrent-dl --out downloads demo.torrent`);
    const out = path.join(folder, 'downloads');
    assert.equal(await runTorrentDl(['--out', out, torrentFile]), 0, 'torrent-dl failed');
    await compare(torrent, out);
    const shares = seeds.map((seed) => `${Math.round(seed.stats().uploaded / MIB)} MiB`);
    say(`\nAll ${demoContent().length} files are identical. The seeds gave ${shares.join(', ')}.`);
  } finally {
    await Promise.all(seeds.map((seed) => seed[Symbol.asyncDispose]()));
  }
}

const folder = await mkdtemp(path.join(tmpdir(), 'torrent-dl-demo-'));
try {
  await demo(folder);
} finally {
  await rm(folder, { recursive: true, force: true });
}
