/** Our program as a seeder of real programs, and in a swarm. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { assertContent, Bench, needs } from './bench.js';
import { PROGRAM_NAMES, startDialler } from './programs.js';

for (const name of PROGRAM_NAMES) {
  test(`${name} gets an identical copy from us`, { ...needs('opentracker', name), timeout: 60_000 }, async () => {
    await Bench.run({}, async (bench) => {
      const { folder } = await bench.seedJob('ours');
      const ours = bench.torrentDl(folder, '--seed');
      await bench.tracker.counts(1, 0);
      const leecher = await bench.leecher(name);
      await leecher.finished(40_000);
      await leecher.program.stop();
      await assertContent(bench.torrent, leecher.folder, { mayLackEmpty: name === 'transmission' });

      ours.kill('SIGINT');
      await ours.exits(0, 4000); // all is complete
    });
  });
}

test(
  'in a swarm of one slow seeder we give away what we get',
  { ...needs('opentracker', 'aria2', 'libtorrent'), timeout: 120_000 },
  async () => {
    const size = 16 * 2 ** 20;
    await Bench.run({ size }, async (bench) => {
      const ours = bench.torrentDl(bench.folder('out'), '--seed', '--no-pex');
      const others = [await bench.leecher('aria2'), await bench.leecher('libtorrent')];
      await bench.tracker.counts(0, 3);
      // Only we know the seeder: all that the others get has come through us.
      const job = { ...(await bench.seedJob('seeder')), uploadLimit: 2 ** 20 };
      const seeder = startDialler(bench.addHost('seeder'), job, bench.ourAddress);
      await bench.says(ours, /^done: /m, 60_000);
      const sentBefore = bench.ours.traffic().sent;
      await Promise.all(others.map((other) => other.finished(60_000)));
      for (const { folder } of others) await assertContent(bench.torrent, folder);
      await assertContent(bench.torrent, bench.folder('out'));
      assert.ok(seeder.program.isRunning);
      assert.ok(sentBefore > size / 4, `we sent ${sentBefore} bytes before we had all`);
      ours.kill('SIGTERM');
      await ours.exits(0, 4000);
    });
  },
);
