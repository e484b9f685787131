import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { test } from 'node:test';

import { jsonLine } from '../../src/cli/json.js';
import { makeTorrent, randomBytes } from '../helpers/torrent.js';
import { execute, tempFolder } from './execute.js';

const folder = await tempFolder();
const evil = 'e\u001b[31mvil\u202e';
const torrent = makeTorrent(
  [
    { path: 'a.txt', data: randomBytes('a', 20_000) },
    { path: 'sub/b.bin', data: randomBytes('b', 5) },
  ],
  {
    name: 'many',
    trackers: [['http://one.example/announce', 'udp://two.example:1'], ['http://three.example/announce']],
    info: { private: 1 },
    extra: { comment: evil, 'creation date': 1_700_000_000, 'url-list': 'http://seed.example/x' },
  },
);
const file = path.join(folder, 'x.torrent');
await writeFile(file, torrent.bytes);
const infoHash = torrent.infoHash.toString('hex');

test('info --json is one object with all that a torrent says', async () => {
  const { code, stdout, stderr } = await execute(['info', '--json', file]);
  assert.deepEqual([code, stderr], [0, '']);
  assert.match(stdout, /^\{[^\n]*\}\n$/);
  const { magnet, warnings, createdBy, ...facts } = JSON.parse(stdout) as Record<string, unknown>;
  assert.deepEqual(facts, {
    type: 'info',
    version: 1,
    name: 'many',
    infoHash,
    totalLength: 20_005,
    pieceLength: 16_384,
    pieceCount: 2,
    isPrivate: true,
    comment: evil,
    creationDate: '2023-11-14T22:13:20Z',
    files: [
      { index: 0, length: 20_000, path: 'many/a.txt' },
      { index: 1, length: 5, path: 'many/sub/b.bin' },
    ],
    trackers: [['http://one.example/announce', 'udp://two.example:1'], ['http://three.example/announce']],
    webSeeds: ['http://seed.example/x'],
    httpSeeds: [],
  });
  assert.match(String(magnet), new RegExp(`^magnet:\\?xt=urn:btih:${infoHash}&dn=many&tr=`));
  assert.ok(Array.isArray(warnings));
  assert.ok(createdBy === undefined || typeof createdBy === 'string');
});

test('info for people names the same, and foreign text cannot reach the terminal as it is', async () => {
  const { code, stdout } = await execute(['info', file]);
  assert.equal(code, 0);
  assert.match(stdout, new RegExp(`^name {8}many\ninfo hash {3}${infoHash}\nsize {8}19\\.5 KiB \\(20005 bytes\\)\n`));
  assert.match(stdout, /\npieces {6}2 of 16\.0 KiB\nprivate {5}yes\ncomment {5}e\\x1b\[31mvil\\u202e\n/);
  assert.match(stdout, /\ntracker 1 {3}http:\/\/one\.example\/announce {2}udp:\/\/two\.example:1\ntracker 2 /);
  assert.match(stdout, /\nfiles {7}2\n0 {2}19\.5 KiB {2}many\/a\.txt\n1 {7}5 B {2}many\/sub\/b\.bin\n$/);
});

test('passkeys are shown only when they are asked for, and a magnet link has no part of their URLs', async () => {
  const [secret, open] = ['http://one.example/s3cret/announce?k=s3cret', 'udp://two.example:1/announce'];
  const seeds = ['http://u:s3cret@seed.example/x', 'http://seed.example/x'];
  const { bytes } = makeTorrent(randomBytes('a', 20_000), { trackers: [[secret, open]], extra: { 'url-list': seeds } });
  const { stdout } = await execute(['info', '-'], { input: bytes });
  assert.doesNotMatch(stdout, /s3cret/);
  assert.match(stdout, /\ntracker 1 {3}http:\/\/one\.example\/…\/announce\?k=… {2}udp:\/\/two\.example:1\/announce\n/);
  assert.match(stdout, /\nhidden {6}what may be passkeys, in 2 of the URLs \(--secrets shows them\)\n/);
  const [shown, whole] = await Promise.all(
    [[], ['--secrets']].map(async (words) => {
      const ended = await execute(['info', '--json', ...words, '-'], { input: bytes });
      return JSON.parse(ended.stdout) as Record<string, unknown>;
    }),
  );
  assert.deepEqual(shown!['webSeeds'], ['http://…@seed.example/x', 'http://seed.example/x']);
  assert.equal(shown!['hidden'], 2);
  assert.match(String(shown!['magnet']), /&tr=udp[^&]*&ws=http%3A%2F%2Fseed[^&]*$/);
  assert.deepEqual([whole!['trackers'], whole!['webSeeds'], whole!['hidden']], [[[secret, open]], seeds, undefined]);
  assert.ok(String(whole!['magnet']).includes(`&tr=${encodeURIComponent(secret)}&`));
  const link = await execute(['info', String(whole!['magnet'])]);
  assert.doesNotMatch(link.stdout, /s3cret/);
});

test('a torrent comes from standard input and by URL, too', async () => {
  const expected = (await execute(['info', file])).stdout;
  assert.equal((await execute(['info', '-'], { input: torrent.bytes })).stdout, expected);
  const server = createServer((_request, response) => response.end(torrent.bytes)).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  try {
    const { port } = server.address() as AddressInfo;
    assert.equal((await execute(['info', `http://127.0.0.1:${port}/x`])).stdout, expected);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test('info of a magnet link says what the link says', async () => {
  const link = `magnet:?xt=urn:btih:${infoHash}&tr=http%3A%2F%2Fone.example%2Fannounce&x.pe=[::1]:5&so=0,2-3`;
  const { code, stdout } = await execute(['info', '--json', link]);
  assert.equal(code, 0);
  assert.deepEqual(JSON.parse(stdout), {
    type: 'magnet',
    version: 1,
    infoHash,
    magnet: `magnet:?xt=urn:btih:${infoHash}&tr=http%3A%2F%2Fone.example%2Fannounce`,
    trackers: [['http://one.example/announce']],
    webSeeds: [],
    peers: [{ host: '::1', port: 5 }],
    selectOnly: [
      { first: 0, last: 0 },
      { first: 2, last: 3 },
    ],
    warnings: [],
  });
  assert.match((await execute(['info', link])).stdout, /^info hash .*\ntracker 1 .*\npeer {8}\[::1\]:5\nmagnet /);
});

test('--list gives index, bytes and path to programs, and touches nothing', async () => {
  const { code, stdout, stderr } = await execute(['--list', '-o', path.join(folder, 'none'), file]);
  assert.deepEqual([code, stderr], [0, '']);
  assert.equal(stdout, '0\t20000\tmany/a.txt\n1\t5\tmany/sub/b.bin\n');
});

test('the files of a magnet link cannot be listed without asking peers', async () => {
  const { code, stdout, stderr } = await execute(['--list', infoHash]);
  assert.deepEqual([code, stdout], [2, '']);
  assert.match(stderr, /^torrent-dl: [^\n]*torrent-dl metadata[^\n]*\n$/);
});

test('what is no torrent ends with 3, what is no option of info with 2', async () => {
  assert.equal((await execute(['info', '-'], { input: 'x' })).code, 3);
  assert.equal((await execute(['info', path.join(folder, 'none')])).code, 3);
  for (const words of [['--seed', 'x'], ['a', 'b'], ['']]) {
    assert.equal((await execute(['info', ...words])).code, 2, words.join(' '));
  }
  const { code, stderr } = await execute(['info']);
  assert.equal(code, 2);
  assert.match(stderr, /^Usage: torrent-dl info \[options\] <torrent>\nTry 'torrent-dl info --help'/);
});

test('a file named like a sub-command is reachable by its place', async () => {
  await writeFile(path.join(folder, 'info'), torrent.bytes);
  assert.equal((await execute(['--list', './info'], { cwd: folder })).code, 0);
  assert.equal((await execute(['--list', '--', 'info'], { cwd: folder })).code, 0);
  const { code, stderr } = await execute(['--list', 'info'], { cwd: folder });
  assert.equal(code, 2);
  assert.match(stderr, /a sub-command goes first: torrent-dl info …; a file of that name is written \.\/info/);
});

test('numbers that JSON readers would round are strings, and no line can be forged', () => {
  assert.equal(
    jsonLine({ a: 2 ** 53, b: 2 ** 53 - 1, c: 1.5 }),
    '{"a":"9007199254740992","b":9007199254740991,"c":1.5}\n',
  );
  const line = jsonLine({ name: `${evil}\u0085\u2028` });
  assert.equal(line, '{"name":"e\\u001b[31mvil\\u202e\\u0085\\u2028"}\n');
  assert.deepEqual(JSON.parse(line), { name: `${evil}\u0085\u2028` });
});
