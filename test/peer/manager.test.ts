import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { encodeHandshake } from '../../src/peer/handshake.js';
import { downloadHere } from '../helpers/download.js';
import { ScriptedPeer } from '../helpers/scripted-peer.js';
import { makeTorrent, randomBytes } from '../helpers/torrent.js';
import { until } from '../helpers/until.js';

const folder = await mkdtemp(path.join(os.tmpdir(), 'torrent-dl-manager-'));
after(() => rm(folder, { recursive: true, force: true }));

const torrent = makeTorrent(randomBytes('manager', 400_000));

test('our own address is recognised, and forgotten', async () => {
  const port = await freePort();
  await using ours = downloadHere(torrent.bytes, {
    out: path.join(folder, 'self'),
    port,
    peers: [{ host: '127.0.0.1', port }],
  });
  // It is known as soon as the download runs.
  await until(() => ours.stats().phase === 'downloading' && ours.stats().knownPeers === 0);
  assert.equal(ours.stats().connectedPeers, 0);
});

test('two that dial each other at once end with one connection', async () => {
  const [a, b] = [path.join(folder, 'a'), path.join(folder, 'b')];
  const ports = [await freePort(), await freePort()] as const;
  await using first = downloadHere(torrent.bytes, {
    out: a,
    port: ports[0],
    peers: [{ host: '127.0.0.1', port: ports[1] }],
  });
  await using second = downloadHere(torrent.bytes, {
    out: b,
    port: ports[1],
    peers: [{ host: '127.0.0.1', port: ports[0] }],
  });
  await until(() => first.stats().connectedPeers >= 1 && second.stats().connectedPeers >= 1);
  await until(() => first.stats().connectedPeers === 1 && second.stats().connectedPeers === 1);
});

test('no more peers are connected than allowed, whoever dials', async () => {
  const seeds = await Promise.all(
    Array.from({ length: 6 }, (_, n) => ScriptedPeer.open(torrent, { pieces: [], host: `127.0.0.${n + 2}` })),
  );
  await using ours = downloadHere(torrent.bytes, {
    out: path.join(folder, 'few'),
    maxPeers: 4,
    peers: seeds.map((seed) => seed.address),
  });
  await until(() => ours.stats().connectedPeers === 4);
  assert.equal(seeds.filter((seed) => seed.connections > 0).length, 4);
  for (const seed of seeds) await seed[Symbol.asyncDispose]();
});

test('those who dial us do not take the places of peers that we could dial', async () => {
  const dead = [await freePort(), await freePort()].map((port) => ({ host: '127.0.0.1', port }));
  await using ours = downloadHere(torrent.bytes, { out: path.join(folder, 'crowd'), maxPeers: 10, peers: dead });
  await until(() => ours.stats().phase === 'downloading' && ours.stats().knownPeers === 2);
  const sockets = Array.from({ length: 14 }, (_, n) => {
    const socket = connect(ours.stats().port, '127.0.0.1').on('error', () => undefined);
    socket.resume().write(encodeHandshake({ infoHash: torrent.infoHash, peerId: randomBytes(`crowd ${n}`, 20) }));
    return socket;
  });
  await until(() => sockets.filter((socket) => socket.destroyed).length === 7);
  assert.equal(ours.stats().connectedPeers, 7);
  for (const socket of sockets) socket.destroy();
});

async function freePort(): Promise<number> {
  await using peer = await ScriptedPeer.open(torrent);
  return peer.address.port;
}
