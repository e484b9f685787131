import assert from 'node:assert/strict';
import { appendFile, cp, mkdir, rm, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';

import { HashLine } from '../../src/cli/hash-line.js';
import { ScriptedPeer } from '../helpers/scripted-peer.js';
import { makeTorrent, randomBytes, writeContent } from '../helpers/torrent.js';
import { execute, tempFolder } from './execute.js';

const folder = await tempFolder();
const torrent = makeTorrent(
  ['a', 'b', 'c', 'd', 'e'].map((name) => ({ path: name, data: randomBytes(name, 65_536) })),
  { name: 'five', pieceLength: 32_768 },
);
await writeFile(path.join(folder, 'x.torrent'), torrent.bytes);
await writeContent(torrent, path.join(folder, 'good'));
await cp(path.join(folder, 'good'), path.join(folder, 'bad'), { recursive: true });
const bad = (name: string): string => path.join(folder, 'bad/five', name);
await writeFile(bad('b'), randomBytes('other', 65_536));
await rm(bad('c'));
await truncate(bad('d'), 40_000);

const env = { TORRENT_DL_DHT: 'false', TORRENT_DL_LSD: 'false' };
const verify = (...words: string[]) => execute(['verify', 'x.torrent', ...words], { cwd: folder, env });

test('files that are right end with 0 and a line each', async () => {
  const { code, stdout, stderr } = await verify('-o', 'good');
  assert.deepEqual([code, stderr], [0, '']);
  const lines = stdout.split('\n');
  assert.deepEqual(
    lines.slice(0, 5),
    ['a', 'b', 'c', 'd', 'e'].map((name) => `ok          five/${name}`),
  );
  assert.equal(lines[5], 'five: 5 ok; 10 of 10 pieces ok');
  assert.match(lines[6]!, /^hashed 320 KiB in \d\.\d s \(.*\/s\)$/);
});

test('damage is told by file and ends with 6', async () => {
  const { code, stdout, stderr } = await verify('-o', 'bad');
  assert.deepEqual([code, stderr], [6, '']);
  assert.match(
    stdout,
    /^ok {10}five\/a\ndamaged {5}five\/b: 2 of 2 pieces wrong\nmissing {5}five\/c\ntoo short {3}five\/d: 39\.1 KiB of 64\.0 KiB \(40000 of 65536 bytes\)\nok {10}five\/e\n/,
  );
  assert.match(stdout, /\nfive: 2 ok, 1 damaged, 1 missing, 1 too short; 5 of 10 pieces ok\nhashed /);
});

test('--json is one object, --quiet says nothing; both keep the exit code', async () => {
  const { code, stdout } = await verify('--json', '-o', 'bad');
  assert.equal(code, 6);
  const report = JSON.parse(stdout) as Record<string, unknown>;
  assert.deepEqual(report['pieces'], { count: 10, ok: 5, corrupt: 2, missing: 3 });
  assert.deepEqual([report['type'], report['isComplete'], report['exitCode']], ['verify', false, 6]);
  assert.deepEqual((report['files'] as unknown[])[3], {
    path: 'five/d',
    index: 3,
    length: 65_536,
    state: 'too short',
    pieces: 2,
    badPieces: 1,
    size: 40_000,
  });
  assert.deepEqual(await verify('-q', '-o', 'bad').then(({ code, stdout, stderr }) => [code, stdout, stderr]), [
    6,
    '',
    '',
  ]);
});

test('what cannot be read ends with 5, also when there is no folder', async () => {
  const odd = path.join(folder, 'odd');
  await cp(path.join(folder, 'good'), odd, { recursive: true });
  await rm(path.join(odd, 'five/a'));
  await mkdir(path.join(odd, 'five/a'));
  const { code, stdout } = await verify('-o', 'odd');
  assert.equal(code, 5);
  assert.match(stdout, /^unreadable {2}five\/a: /);
  await writeFile(path.join(folder, 'file'), '');
  const none = await verify('-o', 'file');
  assert.equal(none.code, 5);
  assert.match(none.stderr, /^torrent-dl: [^\n]+\n$/);
});

test('--repair fetches what is not right, and what was right stays', async () => {
  await using seed = await ScriptedPeer.open(torrent);
  await cp(path.join(folder, 'bad'), path.join(folder, 'repaired'), { recursive: true });
  const peer = ['--peer', `127.0.0.1:${seed.address.port}`];
  const { code, stdout, stderr } = await verify('--repair', '-o', 'repaired', ...peer);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^damaged {5}five\/b/m);
  assert.match(stderr, /^done: five, 320 KiB, 160 KiB of it fetched in /m);
  assert.equal((await verify('-o', 'repaired')).code, 0);
  const again = await verify('--repair', '-o', 'repaired', ...peer);
  assert.deepEqual([again.code, again.stderr], [0, '']);
  await appendFile(path.join(folder, 'repaired/five/e'), 'more'); // it may be somebody's
  const longer = await verify('--repair', '-o', 'repaired', ...peer);
  assert.equal(longer.code, 5);
  assert.match(longer.stderr, /another, longer file .*; move it away/);
});

test('--repair without anybody to fetch from ends as a download does; its events follow the report', async () => {
  await cp(path.join(folder, 'bad'), path.join(folder, 'alone'), { recursive: true });
  const words = ['--repair', '--json', '-o', 'alone', '--stall-timeout', '1s', '--peer', '127.0.0.1:9'];
  const { code, stdout } = await verify(...words);
  assert.equal(code, 4);
  const types = stdout
    .trimEnd()
    .split('\n')
    .map((line) => (JSON.parse(line) as { type: string }).type);
  assert.deepEqual([types[0], types[1], types.at(-1)], ['verify', 'start', 'summary']);
});

test('--repair takes the torrent from standard input once', async () => {
  await using seed = await ScriptedPeer.open(torrent);
  const words = ['verify', '-', '--repair', '-q', '-o', 'piped', '--peer', `127.0.0.1:${seed.address.port}`];
  const { code, stderr } = await execute(words, { cwd: folder, input: torrent.bytes, env });
  assert.deepEqual([code, stderr], [0, '']);
  assert.equal((await verify('-o', 'piped')).code, 0);
});

test('the environment names the folder as it does for downloads', async () => {
  const { code } = await execute(['verify', 'x.torrent'], { cwd: folder, env: { TORRENT_DL_OUT: 'good' } });
  assert.equal(code, 0);
});

test('progress is one line that fits the terminal and is gone at the end', () => {
  for (const columns of [20, 40, 80]) {
    const written: string[] = [];
    let now = 0;
    const stderr = { isTTY: true, columns, write: (text: string) => written.push(text) > 0 };
    {
      using line = new HashLine(stderr, {}, false, () => now);
      for (; now < 1000; now += 10) line.update(now * 2 ** 20, 1000 * 2 ** 20);
      assert.equal(line.summary(), '990 MiB in 1.0 s (990 MiB/s)');
    }
    assert.equal(written.length, 8);
    for (const text of written) assert.ok(text.length <= columns + 4, text);
    assert.equal(written.at(-1), '\r\x1b[J');
    assert.match(
      written[0]!,
      columns === 80 ? /hashing {2}13% {2}.*GiB {2}.*GiB\/s {2}ETA 0\.9 s\r$/ : /hashing {2}13%/,
    );
  }
});

test('elsewhere progress is a plain line every five seconds, with --quiet nothing', () => {
  const lines = (isQuiet: boolean): string => {
    let text = '';
    let now = 0;
    const stderr = { write: (more: string) => Boolean((text += more)) };
    using line = new HashLine(stderr, {}, isQuiet, () => now);
    for (; now <= 11_000; now += 500) line.update(now, 11_000);
    return text;
  };
  assert.match(lines(false), /^hashing {2}45% [^\n]*\nhashing {2}90% [^\n]*\n$/);
  assert.equal(lines(true), '');
});
