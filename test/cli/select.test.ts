/** Which files, and where, through the real executable. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';

import { ScriptedPeer, type ScriptedPeerOptions } from '../helpers/scripted-peer.js';
import { makeTorrent, randomBytes } from '../helpers/torrent.js';
import { until } from '../helpers/until.js';
import { EXECUTABLE, execute, tempFolder } from './execute.js';

const PIECE = 16_384;
/** Every file shares its first and last piece with its neighbours. */
const FILES = [
  { path: 'one.txt', data: randomBytes('one', 20_000) },
  { path: 'video/two.mkv', data: randomBytes('two', 150_000) },
  { path: 'video/two.srt', data: randomBytes('srt', 700) },
  { path: 'video/three.mkv', data: randomBytes('three', 100_000) },
  { path: 'last/one.nfo', data: randomBytes('nfo', 9_000) },
];
const torrent = makeTorrent(FILES, { name: 'show', pieceLength: PIECE });
const infoHash = torrent.infoHash.toString('hex');

interface Run {
  readonly code: number | null;
  readonly stderr: string;
  readonly output: Buffer;
  readonly out: string;
  /** Paths below `out`, but for our state. */
  readonly files: readonly string[];
  /** Blocks that the seed was asked for. */
  readonly requests: number;
}

/** Downloads from one honest seed, with these options, the torrent or `source`. */
async function run(args: readonly string[], { source, out }: { source?: string; out?: string } = {}): Promise<Run> {
  const folder = await tempFolder();
  const file = path.join(folder, 'x.torrent');
  await writeFile(file, torrent.bytes);
  await using seed = await ScriptedPeer.open(torrent, { metadata: 'honest' });
  const place = out ?? path.join(folder, 'out');
  const where = args.includes('-o') ? [] : ['-o', place];
  const { code, stderr, output } = await execute([source ?? file, ...where, ...seeded(seed), ...args]);
  return { code, stderr, output, out: place, files: await filesOf(place), requests: seed.requests };
}

function seeded({ address }: ScriptedPeer): string[] {
  return ['--no-dht', '--no-lsd', '--timeout', '40', '--peer', `127.0.0.1:${address.port}`];
}

async function filesOf(out: string): Promise<string[]> {
  if (!existsSync(out)) return [];
  const entries = await readdir(out, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(out, path.join(entry.parentPath, entry.name)))
    .filter((name) => !name.startsWith('.torrent-dl'))
    .sort();
}

async function state(out: string): Promise<string[]> {
  return (await readdir(path.join(out, '.torrent-dl'))).map((name) => name.replace(/^.*\./, '')).sort();
}

async function assertFile(out: string, name: string, index: number): Promise<void> {
  assert((await readFile(path.join(out, name))).equals(FILES[index]!.data), name);
}

test('--select takes files that match, with the folders that they need and nothing else', async () => {
  const { code, stderr, out, files, requests } = await run(['--select', '*.srt', '--select', 'last']);
  assert.equal(code, 0, stderr);
  assert.deepEqual(files, ['show/last/one.nfo', 'show/video/two.srt']);
  assert.deepEqual(await readdir(path.join(out, 'show')), ['last', 'video']);
  assert.deepEqual(await state(out), ['resume'], 'and the side file is gone');
  await assertFile(out, 'show/video/two.srt', 2);
  await assertFile(out, 'show/last/one.nfo', 4);
  assert.equal(requests, 3, 'the pieces with bytes of them are fetched, and no more');
  assert.match(stderr, /done: show, 9\.47 KiB/, 'and the sizes told are those of the choice');
});

test('--select takes indexes, --exclude leaves out, --largest takes one', async () => {
  const one = await run(['--select', '1-3', '--exclude', '*.mkv']);
  assert.deepEqual([one.code, one.files], [0, ['show/video/two.srt']], one.stderr);
  const largest = await run(['--largest', '--exclude', 'two*']);
  assert.deepEqual([largest.code, largest.files], [0, ['show/video/three.mkv']], largest.stderr);
  await assertFile(largest.out, 'show/video/three.mkv', 3);
});

test('a word that matches nothing is exit 2, and named; so is a choice of nothing', async () => {
  const none = await run(['--select', '*.srt', '--select', '*.iso']);
  assert.deepEqual([none.code, none.files], [2, []]);
  assert.match(none.stderr, /^torrent-dl: no file of the torrent matches "\*\.iso"\n$/m);
  assert.match((await run(['--select', '7'])).stderr, /matches "7"; the indexes go from 0 to 4/);
  const nothing = await run(['--exclude', 'show']);
  assert.deepEqual([nothing.code, nothing.files], [2, []]);
  const warned = await run(['--select', '2', '--exclude', '*.iso']);
  assert.equal(warned.code, 0);
  assert.match(warned.stderr, /warning: nothing to exclude: no file of the torrent matches "\*\.iso"/);
});

test('--list shows what is selected, by the same indexes', async () => {
  const { output } = await run(['--list', '--select', 'video', '--exclude', '1']);
  assert.equal(output.toString(), '2\t700\tshow/video/two.srt\n3\t100000\tshow/video/three.mkv\n');
});

test('--select holds for magnet links too; else what the link selects (so, BEP 53)', async () => {
  const link = `magnet:?xt=urn:btih:${infoHash}`;
  const chosen = await run(['--select', '*.nfo'], { source: `${link}&so=0` });
  assert.deepEqual([chosen.code, chosen.files], [0, ['show/last/one.nfo']], chosen.stderr);
  const only = await run([], { source: `${link}&so=0,2` });
  assert.deepEqual([only.code, only.files], [0, ['show/one.txt', 'show/video/two.srt']], only.stderr);
  const none = await run(['--select', '*.iso'], { source: link });
  assert.deepEqual([none.code, none.files], [2, []]);
});

test('--name, --strip-components and --flatten say where files go', async () => {
  const named = await run(['--name', 'n', '--select', '2']);
  assert.deepEqual([named.code, named.files], [0, ['n/video/two.srt']], named.stderr);
  const stripped = await run(['--strip-components', '1']);
  assert.deepEqual(stripped.files, ['last/one.nfo', 'one.txt', 'video/three.mkv', 'video/two.mkv', 'video/two.srt']);
  const flat = await run(['--flatten']);
  assert.deepEqual([flat.code, flat.files], [0, ['one.nfo', 'one.txt', 'three.mkv', 'two.mkv', 'two.srt']]);
  for (const [index, { path: name }] of FILES.entries()) await assertFile(flat.out, path.basename(name), index);
  const lone = await run(['--largest', '--flatten', '--name', 'film.mkv']);
  assert.deepEqual([lone.code, lone.files], [0, ['film.mkv']], lone.stderr);
  await assertFile(lone.out, 'film.mkv', 1);
  const again = await run(['--largest', '--flatten', '--name', 'film.mkv'], { out: lone.out });
  assert.deepEqual([again.code, again.requests], [0, 0], 'and it is found there again');
});

test('a place that cannot be is exit 2 before anything is written', async () => {
  for (const args of [
    ['--name', '../x'],
    ['--name', '.torrent-dl'],
    ['--strip-components', '3'],
  ]) {
    const { code, stderr, files } = await run(args);
    assert.deepEqual([code, files], [2, []], stderr);
  }
});

test('-o - gives the bytes of one selected file, and --tar an archive of the selected ones', async () => {
  const { code, output, stderr } = await run(['-o', '-', '--select', '*.srt']);
  assert.equal(code, 0, stderr);
  assert(output.equals(FILES[2]!.data));
  const tar = await run(['-o', '-', '--tar', '--select', 'video', '--strip-components', '2']);
  assert.equal(tar.code, 0, tar.stderr);
  const names = ['two.mkv', 'two.srt', 'three.mkv'];
  for (const name of names) assert(tar.output.includes(`${name}\0`), name);
  assert(!tar.output.includes('one.nfo'));
  const several = await run(['-o', '-', '--select', 'video']);
  assert.equal(several.code, 2);
  assert.match(several.stderr, /the selection has 3 files, and standard output takes one/);
});

test('after kill -9 in the middle it goes on, and a wider selection is made whole', async () => {
  const folder = await tempFolder();
  const out = path.join(folder, 'out');
  const file = path.join(folder, 'x.torrent');
  await writeFile(file, torrent.bytes);
  const options: ScriptedPeerOptions = { rate: 60_000 };
  {
    await using slow = await ScriptedPeer.open(torrent, options);
    const words = [EXECUTABLE, file, '-o', out, ...seeded(slow), '--sequential', '--select', 'two.mkv'];
    const child = spawn(process.execPath, words, { stdio: 'ignore' });
    const exit = once(child, 'exit');
    await until(() => slow.sent > 60_000 && existsSync(path.join(out, '.torrent-dl', `${infoHash}.side`)));
    child.kill('SIGKILL');
    await exit;
  }
  const rest = await run(['--select', 'two.mkv'], { out });
  assert.deepEqual([rest.code, rest.files], [0, ['show/video/two.mkv']], rest.stderr);
  assert(rest.requests < 10, `${rest.requests} pieces were fetched again`);
  await assertFile(out, 'show/video/two.mkv', 1);
  assert(!(await state(out)).includes('side'));
  const more = await run(['--select', '*.mkv'], { out });
  assert.deepEqual([more.code, more.files], [0, ['show/video/three.mkv', 'show/video/two.mkv']], more.stderr);
  await assertFile(out, 'show/video/three.mkv', 3);
  const all = await run([], { out });
  assert.equal(all.code, 0, all.stderr);
  for (const [index, { path: name }] of FILES.entries()) await assertFile(out, path.join('show', name), index);
});
