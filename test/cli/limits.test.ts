/** `--download-limit`, `--upload-limit` and the ends of seeding, through the real executable. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, test } from 'node:test';

import type { Download } from '../../src/api.js';
import { downloadHere } from '../helpers/download.js';
import { ScriptedPeer } from '../helpers/scripted-peer.js';
import { makeTorrent, randomBytes, writeContent, type MadeTorrent } from '../helpers/torrent.js';
import { until } from '../helpers/until.js';
import { EXECUTABLE, execute, tempFolder } from './execute.js';

const BLOCK = 16_384;
const NOBODY = ['--no-dht', '--no-lsd', '--no-config'];
const TORRENT = makeTorrent(randomBytes('limits', 40 * 2 ** 20), { pieceLength: 262_144 });

interface Running extends AsyncDisposable {
  readonly child: ChildProcess;
  readonly port: number;
  output: string;
}

/** Starts the executable; it is stopped at the end of the scope. */
async function start(torrent: MadeTorrent, words: readonly string[], isSeed = false): Promise<Running> {
  const folder = await tempFolder();
  const file = path.join(folder, 'x.torrent');
  await writeFile(file, torrent.bytes);
  if (isSeed) await writeContent(torrent, folder);
  const port = await freePort();
  const all = [EXECUTABLE, ...NOBODY, ...words, '--port', String(port), '-o', folder, file];
  const child = spawn(process.execPath, all, { stdio: ['ignore', 'ignore', 'pipe'] });
  const running = {
    child,
    port,
    output: '',
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGTERM');
      await once(child, 'close');
    },
  };
  child.stderr.on('data', (chunk: Buffer) => (running.output += chunk.toString()));
  if (isSeed) await until(() => running.output.includes('seeding'), 20_000);
  return running;
}

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0);
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Watches a count of bytes from its first growth on: bytes per second, second by second. */
async function watch(count: () => number, seconds: number): Promise<number[]> {
  await until(() => count() > 0, 20_000);
  let [bytes, now] = [count(), performance.now()];
  const startedAt = now;
  const rates: number[] = [];
  for (let second = 1; second <= seconds; second++) {
    await sleep(Math.max(0, startedAt + second * 1000 - performance.now()));
    const [bytesBefore, before] = [bytes, now];
    [bytes, now] = [count(), performance.now()];
    rates.push(((bytes - bytesBefore) * 1000) / (now - before)); // on a busy machine we may be late
  }
  return rates;
}

/** Within 5 % over the whole time, and no second above 1.25 times; a block more or less is no fault. */
function assertRate(rates: readonly number[], limit: number): void {
  const mean = rates.reduce((all, rate) => all + rate, 0) / rates.length;
  const text = `${rates.map(Math.round).join(' ')} of ${limit}`;
  assert.ok(Math.abs(mean - limit) <= limit * 0.05 + BLOCK / rates.length, text);
  assert.ok(Math.max(...rates) <= limit * 1.25 + BLOCK, text);
}

// Each waits most of the time.
void describe('limits', { concurrency: 3 }, () => {
  for (const { peers, limit, text, seconds } of [
    { peers: 8, limit: 2 * 2 ** 20, text: '2M', seconds: 10 },
    { peers: 1, limit: 500 * 1024, text: '500K', seconds: 4 },
    { peers: 3, limit: 16 * 1024, text: '16K', seconds: 4 },
  ]) {
    test(`--download-limit ${text} holds with ${peers} peers`, async () => {
      const seeds = await Promise.all(
        Array.from({ length: peers }, (_, n) => ScriptedPeer.open(TORRENT, { host: `127.0.1.${n + 1}` })),
      );
      const words = seeds.flatMap(({ address }) => ['--peer', `${address.host}:${address.port}`]);
      await using running = await start(TORRENT, ['--download-limit', text, ...words]);
      try {
        assertRate(await watch(() => seeds.reduce((sum, seed) => sum + seed.sent, 0), seconds), limit);
        assert.equal(running.child.exitCode, null, running.output);
        const shares = seeds.map((seed) => seed.blocks);
        if (limit > BLOCK * peers)
          assert.ok(Math.min(...shares) > Math.max(...shares) / 2, `unfair: ${shares.join(' ')}`);
      } finally {
        for (const seed of seeds) await seed[Symbol.asyncDispose]();
      }
    });
  }

  for (const { peers, limit, text, seconds } of [
    { peers: 1, limit: 2 * 2 ** 20, text: '2M', seconds: 10 },
    { peers: 8, limit: 500 * 1024, text: '500K', seconds: 4 },
    { peers: 2, limit: 16 * 1024, text: '16K', seconds: 4 },
  ]) {
    test(`--upload-limit ${text} holds with ${peers} peers`, async () => {
      await using running = await start(TORRENT, ['--seed', '--upload-limit', text], true);
      const { port } = running;
      const downloads: Download[] = [];
      for (let n = 0; n < peers; n++) {
        const out = await tempFolder();
        downloads.push(downloadHere(TORRENT.bytes, { out, pex: false, peers: [{ host: '127.0.0.1', port }] }));
      }
      try {
        const received = (): number => downloads.reduce((sum, download) => sum + download.stats().downloaded, 0);
        assertRate(await watch(received, seconds), limit);
      } finally {
        for (const download of downloads) await download[Symbol.asyncDispose]();
      }
    });
  }
});

test('--seed-time ends seeding with 0', async () => {
  const folder = await tempFolder();
  const torrent = makeTorrent(randomBytes('seed-time', 100_000), { name: 'data.bin' });
  await writeContent(torrent, folder);
  const file = path.join(folder, 'x.torrent');
  await writeFile(file, torrent.bytes);
  const startedAt = performance.now();
  const { code, stderr } = await execute([...NOBODY, '--seed-time', '1.5s', '-o', folder, file]);
  assert.equal(code, 0, stderr);
  assert.match(stderr, /^seeding for 1\.5 s \(Ctrl-C ends it\)/m);
  assert.ok(performance.now() - startedAt > 1400);
});

test('--seed-ratio ends seeding with 0 once so much was uploaded', async () => {
  const torrent = makeTorrent(randomBytes('seed-ratio', 300_000), { name: 'data.bin' });
  await using running = await start(torrent, ['--seed-ratio', '2'], true);
  const { port } = running;
  const ended = once(running.child, 'close');
  for (let copy = 1; copy <= 2; copy++) {
    assert.equal(running.child.exitCode, null, `${copy - 1} copies are too few`);
    const out = await tempFolder();
    await using download = downloadHere(torrent.bytes, { out, peers: [{ host: '127.0.0.1', port }] });
    await download.done;
  }
  assert.deepEqual(await ended, [0, null], running.output);
});

test('many torrents seed at once, each for its time, and nothing else is said', async () => {
  const folder = await tempFolder();
  const files: string[] = [];
  for (let n = 0; n < 12; n++) {
    const torrent = makeTorrent(randomBytes(n, 20_000), { name: `data-${n}` });
    await writeContent(torrent, folder);
    files.push(path.join(folder, `${n}.torrent`));
    await writeFile(files[n]!, torrent.bytes);
  }
  const words = [...NOBODY, '--seed-time', '1s', '--parallel', '12', '-o', folder, ...files];
  const { code, stderr } = await execute(words);
  assert.equal(code, 0, stderr);
  const others = stderr.split('\n').filter((line) => !/^done: |^data-\d+: seeding for 1\.0 s |^$/.test(line));
  assert.deepEqual(others, []);
});

for (const [option, value] of [
  ['--download-limit', '500'],
  ['--upload-limit', 'fast'],
  ['--seed-ratio', '0'],
  ['--seed-time', '0'],
] as const) {
  test(`${option} ${value} is refused`, async () => {
    const { code, stderr } = await execute([option, value, 'x.torrent']);
    assert.equal(code, 2);
    assert.match(stderr, new RegExp(option));
  });
}
