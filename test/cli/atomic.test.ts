import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { watch } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { ScriptedPeer } from '../helpers/scripted-peer.js';
import { contentFiles, makeTorrent, randomBytes } from '../helpers/torrent.js';
import { EXECUTABLE, execute, tempFolder } from './execute.js';

const MIB = 1024 * 1024;
const torrents = [
  makeTorrent(randomBytes('atomic', 2 * MIB), { name: 'data.bin', pieceLength: 64 * 1024 }),
  makeTorrent(
    [
      { path: 'a/one', data: randomBytes('one', MIB + 1) },
      { path: 'two', data: randomBytes('two', MIB) },
    ],
    { name: 'folder', pieceLength: 64 * 1024 },
  ),
];

for (const torrent of torrents) {
  const optionsFor = (out: string, seed?: ScriptedPeer): string[] => [
    ...['--atomic', '-o', out, '--no-dht', '--no-lsd', '--stall-timeout', '20'],
    ...(seed ? ['--peer', `127.0.0.1:${seed.address.port}`] : []),
    '-',
  ];

  /** Starts a run and kills it when `moment` has come, unless it is over before. */
  const killed = async (out: string, seed: ScriptedPeer, moment: Promise<unknown>): Promise<void> => {
    const child = spawn(process.execPath, [EXECUTABLE, ...optionsFor(out, seed)], {
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    const closed = once(child, 'close');
    child.stdin.end(torrent.bytes);
    await Promise.race([moment, closed]);
    child.kill('SIGKILL');
    await closed;
  };

  /** There is nothing of the torrent, or all of it. */
  const isInPlace = async (out: string): Promise<boolean> => {
    const names = (await readdir(out)).filter((name) => name !== '.torrent-dl');
    if (names.length === 0) return false;
    assert.deepEqual(names, [torrent.name]);
    for (const { path: name, data } of contentFiles(torrent)) {
      assert.ok((await readFile(path.join(out, name))).equals(data), `${name} differs`);
    }
    return true;
  };

  test(`killed at any moment, a run with --atomic leaves ${torrent.name} whole or hidden`, async () => {
    const out = await tempFolder();
    await using seed = await ScriptedPeer.open(torrent, { rate: 2 * MIB });
    for (const ms of [300, 500, 700]) {
      await killed(out, seed, sleep(ms));
      await isInPlace(out);
    }
    const { code, stderr } = await execute(optionsFor(out, seed), { input: torrent.bytes });
    assert.equal(code, 0, stderr);
    assert.ok(await isInPlace(out));
  });

  test(`killed right behind the rename, a run leaves ${torrent.name} whole; the next one needs nobody`, async () => {
    const out = await tempFolder();
    await using seed = await ScriptedPeer.open(torrent);
    const stop = new AbortController();
    const watcher = watch(out, { signal: stop.signal });
    const renamed = new Promise<void>((resolve) =>
      watcher.on('change', (_, name) => {
        if (name === torrent.name) resolve();
      }),
    );
    await killed(out, seed, renamed);
    stop.abort();
    assert.ok(await isInPlace(out));
    const { code, stderr } = await execute(optionsFor(out), { input: torrent.bytes });
    assert.equal(code, 0, stderr);
    assert.ok(await isInPlace(out));
    assert.ok(!(await readdir(path.join(out, '.torrent-dl'))).some((name) => name.endsWith('.staged')));
  });
}

test('what is in the way is kept, and the run ends with 5', async () => {
  const out = await tempFolder();
  const [torrent] = torrents;
  await writeFile(path.join(out, 'data.bin'), 'mine');
  const { code, stderr } = await execute(['--atomic', '-o', out, '--no-dht', '--no-lsd', '-'], {
    input: torrent!.bytes,
  });
  assert.equal(code, 5);
  assert.match(stderr, /^torrent-dl: cannot put ".*data\.bin" in place: something is there/m);
  assert.equal(await readFile(path.join(out, 'data.bin'), 'utf8'), 'mine');
});

test('--flatten with several files has no single place to rename to, and ends with 2; with one file it has', async () => {
  const torrent = torrents[1]!;
  await using seed = await ScriptedPeer.open(torrent);
  const options = (out: string): string[] => [
    ...['--atomic', '--flatten', '-o', out, '--peer', `127.0.0.1:${seed.address.port}`, '--no-dht', '--no-lsd'],
  ];
  const out = await tempFolder();
  const refused = await execute([...options(out), '-'], { input: torrent.bytes });
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /^torrent-dl: the torrent would have 2 places below the output folder/m);
  assert.deepEqual(await readdir(out), []);
  const one = await execute([...options(out), '--select', 'two', '-'], { input: torrent.bytes });
  assert.equal(one.code, 0, one.stderr);
  assert.deepEqual((await readdir(out)).sort(), ['.torrent-dl', 'two']);
});
