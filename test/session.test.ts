import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { Session } from '../src/session.js';
import { makeTorrent, randomBytes } from './helpers/torrent.js';
import { openTracker } from './helpers/tracker.js';

test('UDP port, DHT and LSD are opened once, when they are wanted, and closed with the session', async () => {
  const cacheFolder = await mkdtemp(path.join(os.tmpdir(), 'torrent-dl-session-'));
  try {
    await using session = await Session.open({ cacheFolder, dhtBootstrap: [] });
    const [udp, again] = await Promise.all([session.udp(), session.udp()]);
    assert.equal(udp, again);
    const dht = await session.dht();
    assert.equal(await session.dht(), dht);
    assert.deepEqual(dht?.status().nodes4, 0);
    await session[Symbol.asyncDispose]();
    assert.deepEqual(await readdir(cacheFolder), [], 'a table without nodes is not kept');
  } finally {
    await rm(cacheFolder, { recursive: true });
  }
});

test('a UDP port that the user asked for and that is taken is an error', async () => {
  const socket = dgram.createSocket('udp4').bind(0, '0.0.0.0');
  await once(socket, 'listening');
  try {
    await using session = await Session.open({ dhtPort: socket.address().port });
    await assert.rejects(session.udp(), { code: 'ERR_PORT' });
  } finally {
    socket.close();
  }
});

test('a download that a taken UDP port ends leaves nothing that keeps its process', async () => {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'torrent-dl-session-'));
  const socket = dgram.createSocket('udp4').bind(0, '0.0.0.0');
  await once(socket, 'listening');
  try {
    await using tracker = await openTracker();
    const file = path.join(folder, 'x.torrent');
    await writeFile(file, makeTorrent(randomBytes('taken', 100_000), { trackers: [[tracker.url]] }).bytes);
    const options = { out: folder, dhtPort: socket.address().port, dhtBootstrap: [], lsd: false, dht: true };
    const script = `
      const { download } = await import(${JSON.stringify(new URL('../src/index.ts', import.meta.url).href)});
      const running = download(${JSON.stringify(file)}, ${JSON.stringify(options)});
      running.ended.catch(() => undefined);
      await running.done.catch(({ code }) => console.log(code));
      await running[Symbol.asyncDispose]();
    `;
    const words = ['--import', import.meta.resolve('tsx'), '--input-type=module', '-e', script];
    const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'], timeout: 20_000 });
    let printed = '';
    child.stdout.on('data', (chunk: Buffer) => (printed += chunk.toString()));
    assert.deepEqual(await once(child, 'close'), [0, null]);
    assert.equal(printed, 'ERR_PORT\n');
  } finally {
    socket.close();
    await rm(folder, { recursive: true });
  }
});
