import assert from 'node:assert/strict';
import { isAscii } from 'node:buffer';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import bencode from 'bencode';
import { ScriptedPeer } from '../helpers/scripted-peer.js';
import { makeTorrent, randomBytes } from '../helpers/torrent.js';
import { openTracker } from '../helpers/tracker.js';

const EXECUTABLE = fileURLToPath(new URL('../../bin/torrent-dl.js', import.meta.url));
const folder = await mkdtemp(path.join(os.tmpdir(), 'torrent-dl-bundle-'));
after(() => rm(folder, { recursive: true, force: true }));

/** Runs the bundle, as users do: without coverage, and with code that is kept below `folder`. */
async function execute(...words: readonly string[]): Promise<void> {
  const env = { ...process.env, NODE_V8_COVERAGE: '', NODE_DISABLE_COMPILE_CACHE: '', XDG_CACHE_HOME: folder };
  const child = spawn(process.execPath, [EXECUTABLE, ...words], { cwd: folder, env, stdio: 'inherit' });
  assert.deepEqual(await once(child, 'exit'), [0, null]);
}

test('the bundle downloads with tracker, disk threads and all; the second time with the code that is kept', async () => {
  const data = randomBytes('bundle', 1_000_000);
  const pieces = { pieceLength: 65_536 };
  await using seed = await ScriptedPeer.open(makeTorrent(data, pieces)); // the info hash does not depend on trackers
  await using tracker = await openTracker({ peers: [seed.address] });
  const torrent = makeTorrent(data, { ...pieces, trackers: [[tracker.url]] });
  await writeFile(path.join(folder, 'x.torrent'), torrent.bytes);
  const cache = path.join(folder, 'torrent-dl');

  await execute('--version');
  await assert.rejects(readdir(cache), { code: 'ENOENT' }, 'what only a download runs would be missing');
  const inodes: number[] = [];
  for (const out of ['first', 'second']) {
    await execute('x.torrent', '-q', '-o', out, '--stall-timeout', '20s');
    assert.ok((await readFile(path.join(folder, out, 'content'))).equals(data));
    const [kept, ...others] = await readdir(cache);
    assert.deepEqual(others, []);
    inodes.push((await stat(path.join(cache, kept!))).ino);
  }
  assert.equal(tracker.announces.filter(({ event }) => event === 'completed').length, 2);
  assert.equal(inodes[0], inodes[1], 'not refused and made again');
});

test('all threads of the bundle work: torrents are made, checked, and listed with their digests', async () => {
  const data = randomBytes('threads', 3_000_000);
  await mkdir(path.join(folder, 'made'));
  await writeFile(path.join(folder, 'made/content'), data);
  await execute('create', '-q', 'made/content', '-o', 'made.torrent', '--piece-length', '64K');
  await execute('verify', '-q', 'made.torrent', '-o', 'made');
  await execute('made.torrent', '-q', '-o', 'made', '--manifest', 'sha256', '--no-lsd', '--no-dht');
  const list = await readFile(path.join(folder, 'made/content.sha256'), 'utf8');
  assert.equal(list, `${createHash('sha256').update(data).digest('hex')}  content\n`);
});

test('axios of the bundle follows a redirect to a compressed answer', async () => {
  const data = randomBytes('redirect', 100_000);
  await using seed = await ScriptedPeer.open(makeTorrent(data));
  const reply = { interval: 1800, peers: [{ ip: seed.address.host, port: seed.address.port }] };
  const answer: RequestListener = (request, response) => {
    if (request.url?.startsWith('/announce')) {
      response.writeHead(302, { location: request.url.replace('announce', 'moved') }).end();
    } else response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(bencode.encode(reply)));
  };
  const server = createServer(answer).listen(0, '127.0.0.1');
  after(() => server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await writeFile(
    path.join(folder, 'y.torrent'),
    makeTorrent(data, { trackers: [[`http://127.0.0.1:${port}/announce`]] }).bytes,
  );
  await execute('y.torrent', '-q', '-o', 'redirected', '--stall-timeout', '20s');
  assert.ok((await readFile(path.join(folder, 'redirected/content'))).equals(data));
});

test('the bundle is strict, as its sources are, and ASCII, which is read fastest', async () => {
  const bytes = await readFile(new URL('../../bundle/cli/main.cjs', import.meta.url));
  assert.ok(isAscii(bytes));
  assert.match(bytes.toString('latin1', 0, 100), /^'use strict';/);
});
