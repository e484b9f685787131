import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { Session } from '../src/session.js';

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
