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
  const pieces = { pieceLength: 65_536 };
  await using seed = await ScriptedPeer.open(makeTorrent(data, pieces)); // the info hash does not depend on trackers
  await using tracker = await openTracker({ peers: [seed.address] });
  const torrent = makeTorrent(data, { ...pieces, trackers: [[tracker.url]] });
  await writeFile(path.join(folder, 'x.torrent'), torrent.bytes);
  const env = { ...process.env, NODE_V8_COVERAGE: '' };
  const words = ['x.torrent', '-q', '-o', 'out', '--stall-timeout', '20s'];
  const child = spawn(process.execPath, [EXECUTABLE, ...words], { cwd: folder, env, stdio: 'inherit' });
  assert.deepEqual(await once(child, 'exit'), [0, null]);
  assert.ok((await readFile(path.join(folder, 'out/content'))).equals(data));
  assert.ok(tracker.announces.some(({ event }) => event === 'completed'));
});
