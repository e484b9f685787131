import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';

import { ScriptedPeer } from '../helpers/scripted-peer.js';
import { openSmallDisk, type SmallDisk } from '../helpers/small-disk.js';
import { makeTorrent, randomBytes } from '../helpers/torrent.js';
import { EXECUTABLE, tempFolder } from './execute.js';

const MIB = 1024 * 1024;
const data = randomBytes('disk', 3 * MIB);
const torrent = makeTorrent(data, { name: 'data.bin', pieceLength: 64 * 1024 });

/** A run that is under way. */
class Running {
  stderr = '';
  readonly #child;
  readonly #closed;

  /** `limit`: blocks of 512 bytes that a file may have (`ulimit -f`). */
  constructor(out: string, seed: ScriptedPeer, options: readonly string[], limit = 'unlimited') {
    const peer = `127.0.0.1:${seed.address.port}`;
    const words = [EXECUTABLE, '-o', out, '--peer', peer, '--no-dht', '--no-lsd', '--no-config', ...options, '-'];
    this.#child = spawn('sh', ['-c', `ulimit -f ${limit}; exec "$0" "$@"`, process.execPath, ...words], {
      stdio: ['pipe', 'ignore', 'pipe'],
      timeout: 60_000,
    });
    this.#closed = once(this.#child, 'close') as Promise<[number | null]>;
    this.#child.stderr.on('data', (chunk: Buffer) => (this.stderr += chunk.toString()));
    this.#child.stdin.end(torrent.bytes);
  }

  /** Waits for a line. */
  async says(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.stderr)) await once(this.#child.stderr, 'data');
  }

  interrupt(): void {
    this.#child.kill('SIGINT');
  }

  async exitCode(): Promise<number | null> {
    const [code] = await this.#closed;
    return code;
  }
}

async function onSmallDisk(t: TestContext, length: number, run: (disk: SmallDisk) => Promise<void>): Promise<void> {
  const opened = await openSmallDisk(length);
  if (!opened) {
    t.skip('no file system may be mounted here');
    return;
  }
  await using disk = opened;
  await run(disk);
}

test('too little room is told with both figures, and ends with 5', (t) =>
  onSmallDisk(t, MIB, async (disk) => {
    await using seed = await ScriptedPeer.open(torrent);
    const running = new Running(disk.folder, seed, []);
    assert.equal(await running.exitCode(), 5);
    assert.match(running.stderr, /^torrent-dl: cannot write below ".*": 3\.00 MiB needed, 1\.00 MiB free$/m);
    assert.equal(seed.connections, 0);
  }));

test('--on-disk-full wait says how much is missing, and goes on by itself', (t) =>
  onSmallDisk(t, 4 * MIB, async (disk) => {
    await using seed = await ScriptedPeer.open(torrent);
    disk.fill();
    const running = new Running(disk.folder, seed, ['--on-disk-full', 'wait']);
    await running.says(/torrent-dl: warning: .*waiting until there is room/);
    await disk.empty();
    assert.equal(await running.exitCode(), 0, running.stderr);
    assert.ok((await readFile(path.join(disk.folder, 'data.bin'))).equals(data));
    assert.equal(seed.sent, torrent.totalLength);
  }));

test('Ctrl-C ends a run that waits for room within 3 s', (t) =>
  onSmallDisk(t, 4 * MIB, async (disk) => {
    await using seed = await ScriptedPeer.open(torrent);
    disk.fill();
    const running = new Running(disk.folder, seed, ['--on-disk-full', 'wait']);
    await running.says(/waiting until there is room/);
    const interruptedAt = performance.now();
    running.interrupt();
    assert.equal(await running.exitCode(), 130);
    assert.ok(performance.now() - interruptedAt < 3000);
  }));

test('a file that may not grow so long (ulimit -f) ends the run with 5 before anybody is asked, also with wait', async () => {
  const out = await tempFolder();
  await using seed = await ScriptedPeer.open(torrent);
  const running = new Running(out, seed, ['--on-disk-full', 'wait'], '2048');
  assert.equal(await running.exitCode(), 5);
  assert.match(running.stderr, /^torrent-dl: cannot write ".*data\.bin": the file would be larger than .* allows$/m);
  assert.equal(seed.connections, 0);
  const dry = new Running(out, seed, ['--dry-run'], '2048');
  assert.equal(await dry.exitCode(), 5);
  assert.match(dry.stderr, /^torrent-dl: cannot write ".*data\.bin": the file would be larger than .* allows$/m);
});
