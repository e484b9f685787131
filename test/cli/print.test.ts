/** `--print` and `--print0` through the real executable and a shell. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';

import { ScriptedPeer } from '../helpers/scripted-peer.js';
import { makeTorrent, randomBytes } from '../helpers/torrent.js';
import { execute, EXECUTABLE, tempFolder } from './execute.js';

const NOBODY = ['--no-dht', '--no-lsd'];
const files = [
  { path: '-first one', data: randomBytes('first', 100_000) },
  { path: 'sub/empty', data: new Uint8Array(0) },
  { path: 'two', data: randomBytes('two', 100_000) },
];
const torrent = makeTorrent(files, { name: '-many' });

/** An environment with `$TD`, a download of `$T` from `peer`. */
async function shell(peer: ScriptedPeer, cwd: string, line: string): Promise<{ code: number; stdout: string }> {
  await writeFile(path.join(cwd, 'x.torrent'), torrent.bytes);
  const words = [process.execPath, EXECUTABLE, ...NOBODY, '--peer', `127.0.0.1:${peer.address.port}`, '-q'];
  const env = { ...process.env, TD: words.join(' '), XDG_CONFIG_HOME: '/nonexistent' };
  const stdio = ['ignore', 'pipe', 'inherit'] as const;
  const child = spawn('bash', ['-c', `set -o pipefail; ${line}`], { cwd, env, stdio: [...stdio], timeout: 30_000 });
  let stdout = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number];
  return { code, stdout };
}

test('--print0 | xargs -0 gets the path of every file, as the current folder knows it', async () => {
  const cwd = await tempFolder();
  await using peer = await ScriptedPeer.open(torrent);
  const { code, stdout } = await shell(peer, cwd, '$TD --print0 x.torrent | xargs -0 -n 1 wc -c');
  assert.equal(code, 0);
  const counted = ['0 ./-many/sub/empty', '100000 ./-many/-first one', '100000 ./-many/two'];
  assert.deepEqual(stdout.trim().split('\n').sort(), counted.sort());
});

test('--print tells a file as soon as it is complete, while the others still come', async () => {
  const cwd = await tempFolder();
  await writeFile(path.join(cwd, 'x.torrent'), torrent.bytes);
  await using first = await ScriptedPeer.open(torrent, { pieces: [0, 1, 2, 3, 4, 5, 6] });
  const words = [EXECUTABLE, ...NOBODY, '-q', '--print', '-o', 'out', '--peer', `127.0.0.1:${first.address.port}`];
  const env = { ...process.env, XDG_CONFIG_HOME: '/nonexistent' };
  const child = spawn(process.execPath, [...words, 'x.torrent'], { cwd, env, stdio: ['ignore', 'pipe', 'inherit'] });
  const lines: string[] = [];
  for await (const line of createInterface(child.stdout)) {
    lines.push(line);
    if (line !== 'out/-many/-first one') continue;
    assert.ok((await readFile(path.join(cwd, line))).equals(files[0]!.data));
    child.kill('SIGTERM');
  }
  assert.deepEqual(lines, ['out/-many/sub/empty', 'out/-many/-first one']);
});

test('what was complete before is told too', async () => {
  const cwd = await tempFolder();
  await using peer = await ScriptedPeer.open(torrent);
  const once = await shell(peer, cwd, '$TD --print -o out x.torrent');
  const again = await shell(peer, cwd, '$TD --print -o out x.torrent');
  assert.deepEqual([once.code, again.code], [0, 0]);
  assert.deepEqual(again.stdout.split('\n').sort(), once.stdout.split('\n').sort());
  assert.equal(again.stdout.split('\n').length, 4);
});

test('a reader that has enough ends the download quietly with 141', async () => {
  const cwd = await tempFolder();
  await using peer = await ScriptedPeer.open(torrent, { rate: 150_000 });
  const { code, stdout } = await shell(peer, cwd, '$TD --print0 x.torrent | head -z -n 1 | tr "\\0" "\\n"');
  assert.equal(code, 141);
  assert.equal(stdout, './-many/sub/empty\n');
});

test('standard output is there once', async () => {
  for (const [words, message] of [
    [['--print', '--json'], /--print does not go with --json/],
    [['--print0', '--json'], /--print0 does not go with --json/],
    [['--print', '--print0'], /exclude each other/],
    [['--print', '-o', '-'], /--print does not go with -o -/],
    [['--print0', '-o', '-'], /--print0 does not go with -o -/],
    [['--list', '--json'], /info --json/],
  ] as const) {
    const { code, stdout, stderr } = await execute([...words, 'x.torrent']);
    assert.equal(code, 2);
    assert.equal(stdout, '');
    assert.match(stderr, message);
  }
});
