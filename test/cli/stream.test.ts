/** Data on standard output, through the real executable and a shell. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { ScriptedPeer } from '../helpers/scripted-peer.js';
import { contentFiles, makeTorrent, randomBytes, type MadeTorrent } from '../helpers/torrent.js';
import { execute, tempFolder } from './execute.js';

const EXECUTABLE = fileURLToPath(new URL('../../bin/torrent-dl.js', import.meta.url));
const NOBODY = ['--no-dht', '--no-lsd'];

/** Runs a line of bash with `$TD` for our program, its options and a seed of the torrent `$T`. */
async function shell(
  torrent: MadeTorrent,
  cwd: string,
  line: string,
): Promise<{ code: number | null; stderr: string }> {
  await using seed = await ScriptedPeer.open(torrent);
  const file = path.join(cwd, 'x.torrent');
  await writeFile(file, torrent.bytes);
  const words = [process.execPath, EXECUTABLE, ...NOBODY, '--peer', `127.0.0.1:${seed.address.port}`];
  const child = spawn('bash', ['-c', `set -o pipefail; ${line}`], {
    cwd,
    env: { ...process.env, TD: words.join(' '), T: file, XDG_CONFIG_HOME: '/nonexistent' },
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: 30_000,
  });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stderr };
}

test('-o - writes the bytes of a single file and nothing else', async () => {
  const folder = await tempFolder();
  const data = randomBytes('stream', 700_001);
  const { code, stderr } = await shell(makeTorrent(data, { name: 'data.bin' }), folder, '$TD -o - $T > got');
  assert.equal(code, 0, stderr);
  assert.ok((await readFile(path.join(folder, 'got'))).equals(data));
});

test('-o - --tar | tar x unpacks all files', async () => {
  const folder = await tempFolder();
  const files = [
    { path: 'a/one.bin', data: randomBytes('one', 100_000) },
    { path: 'empty', data: new Uint8Array(0) },
    { path: 'two.bin', data: randomBytes('two', 50_001) },
  ];
  const torrent = makeTorrent(files, { name: 'many' });
  await mkdir(path.join(folder, 'out'));
  const { code, stderr } = await shell(torrent, folder, '$TD -q -o - --tar $T | tar x -C out');
  assert.equal(code, 0, stderr);
  for (const { path: name, data } of contentFiles(torrent)) {
    assert.ok((await readFile(path.join(folder, 'out', name))).equals(data), name);
  }
});

test('a reader that has enough ends the download quietly, with 141', async () => {
  const folder = await tempFolder();
  const torrent = makeTorrent(randomBytes('head', 8_000_000), { name: 'data.bin' });
  const { code, stderr } = await shell(torrent, folder, '$TD -q -o - $T | head -c 1000 > got');
  assert.equal(code, 141);
  assert.equal(stderr, '');
  assert.equal((await readFile(path.join(folder, 'got'))).length, 1000);
});

test('several files are no stream of bytes, and what belongs to -o - goes with nothing else', async () => {
  const folder = await tempFolder();
  const torrent = makeTorrent([
    { path: 'a', data: randomBytes('a', 10) },
    { path: 'b', data: randomBytes('b', 10) },
  ]);
  const several = await shell(torrent, folder, '$TD -o - $T > got');
  assert.equal(several.code, 2);
  assert.match(several.stderr, /--tar|archive/);
  for (const [words, message] of [
    [['--tar', 'x'], /--tar goes with -o -/],
    [['--window', '1M', 'x'], /--window goes with -o -/],
    [['-o', '-', '--seed', 'x'], /--seed needs files/],
  ] as const) {
    const { code, stderr } = await execute(words);
    assert.equal(code, 2);
    assert.match(stderr, message);
  }
});
