import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ScriptedPeer } from '../helpers/scripted-peer.js';
import { makeTorrent, randomBytes } from '../helpers/torrent.js';
import { openTracker } from '../helpers/tracker.js';

const EXECUTABLE = fileURLToPath(new URL('../../bin/torrent-dl.js', import.meta.url));
const folder = await mkdtemp(path.join(os.tmpdir(), 'torrent-dl-bundle-'));
after(() => rm(folder, { recursive: true, force: true }));

test('the bundle, which users run, downloads with tracker, disk threads and all', async () => {
  const data = randomBytes('bundle', 1_000_000);
  await using tracker = await openTracker();
  const torrent = makeTorrent(data, { pieceLength: 65_536, trackers: [[tracker.url]] });
  await using seed = await ScriptedPeer.open(torrent);
  await writeFile(path.join(folder, 'x.torrent'), torrent.bytes);
  const env = { ...process.env };
  delete env['NODE_V8_COVERAGE'];
  const peer = `127.0.0.1:${seed.address.port}`;
  const words = ['x.torrent', '-q', '-o', 'out', '--peer', peer, '--stall-timeout', '20s'];
  const child = spawn(process.execPath, [EXECUTABLE, ...words], { cwd: folder, env, stdio: 'inherit' });
  assert.deepEqual(await once(child, 'exit'), [0, null]);
  assert.ok((await readFile(path.join(folder, 'out/content'))).equals(data));
  assert.ok(tracker.announces.some(({ event }) => event === 'completed'));
});
