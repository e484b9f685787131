import assert from 'node:assert/strict';
import { isAscii } from 'node:buffer';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
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

/** Runs the bundle, as users do: without coverage, and with code that is kept below `folder`. */
async function execute(...words: readonly string[]): Promise<void> {
  const env = { ...process.env, NODE_V8_COVERAGE: '', XDG_CACHE_HOME: folder };
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
  const kept = path.join(folder, `torrent-dl/main-${process.version}-${process.arch}.code`);

  await execute('--version');
  await assert.rejects(stat(kept), { code: 'ENOENT' }, 'what only a download runs would be missing');
  const inodes: number[] = [];
  for (const out of ['first', 'second']) {
    await execute('x.torrent', '-q', '-o', out, '--stall-timeout', '20s');
    assert.ok((await readFile(path.join(folder, out, 'content'))).equals(data));
    inodes.push((await stat(kept)).ino);
  }
  assert.equal(tracker.announces.filter(({ event }) => event === 'completed').length, 2);
  assert.equal(inodes[0], inodes[1], 'not refused and made again');
});

test('the bundle is ASCII, which is read fastest', async () => {
  assert.ok(isAscii(await readFile(new URL('../../bundle/cli/main.cjs', import.meta.url))));
});
