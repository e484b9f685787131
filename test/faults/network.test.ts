/** Connections that all end at once, and a network that goes away and comes back. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { assertContent, Bench, needs } from '../peers/bench.js';
import { ScriptedPeer } from '../helpers/scripted-peer.js';
import { until } from '../helpers/until.js';
import { Scene } from './executable.js';

const MIB = 2 ** 20;

test('when all connections end at once, peers are dialled again and the download completes', async () => {
  await using scene = await Scene.open({ length: 6 * MIB, peer: { rate: 3 * MIB } });
  await using other = await ScriptedPeer.open(scene.torrent, { rate: MIB });
  const { host, port } = other.address;
  const run = scene.start(['--quiet', '--peer', `${host}:${port}`, '--stall-timeout', '20s']);
  const peers = [scene.seed, other];
  for (const part of [1, 3]) {
    await until(() => scene.seed.sent + other.sent >= part * MIB, 30_000);
    for (const peer of peers) peer.hangUp();
  }
  await run.ends(0);
  await scene.assertContent();
});

test('a network that is gone for some seconds and back is no end', { ...needs('aria2'), timeout: 90_000 }, async () => {
  await Bench.run({ size: 24 * MIB }, async (bench) => {
    const out = bench.folder('out');
    const seed = await bench.seeder('aria2', 3 * MIB);
    const run = bench.torrentDl(out, '--peer', seed.address, '--stall-timeout', '60s');
    for (const part of [2, 8]) {
      await bench.receives(run, part * MIB, 30_000);
      setLink(bench.ours.namespace, 'down');
      await sleep(2000);
      setLink(bench.ours.namespace, 'up');
    }
    await run.exits(0, 60_000);
    await assertContent(bench.torrent, out);
  });
});

function setLink(namespace: string, state: 'up' | 'down'): void {
  const { status, stderr } = spawnSync('ip', ['-n', namespace, 'link', 'set', 'eth0', state], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  // What the system forgets with the link, a person's network manager would bring back.
  if (state === 'up') spawnSync('ip', ['-n', namespace, 'route', 'add', 'default', 'dev', 'eth0']);
}
