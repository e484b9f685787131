/** Our program, killed again and again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { assertContent, Bench, needs } from './bench.js';
import { timeout } from './network.js';

const KILLS = 20;
const FETCHED_AGAIN_PER_KILL = 4 * 2 ** 20;
const HEADERS = 1.06; // Ethernet, IP, TCP and the messages' own

test(
  'a download killed at 20 random moments completes and loses little',
  { ...needs('opentracker', 'aria2'), timeout: 180_000 },
  async () => {
    await Bench.run({ size: 48 * 2 ** 20 }, async (bench) => {
      const out = bench.folder('out');
      const seeder = await bench.seeder('aria2', 2 * 2 ** 20);
      await bench.tracker.counts(1, 0);
      for (let kill = 0; kill < KILLS; kill++) {
        const before = bench.ours.traffic().received;
        const victim = bench.torrentDl(out, '--peer', seeder.address);
        await bench.receives(victim, before + 100_000, 20_000);
        await timeout(Math.random() * 700);
        victim.kill('SIGKILL');
        await victim.exit;
      }
      await bench.torrentDl(out, '--peer', seeder.address).exits(0, 60_000);
      await assertContent(bench.torrent, out);

      const received = bench.ours.traffic().received;
      const most = bench.torrent.totalLength * HEADERS + KILLS * FETCHED_AGAIN_PER_KILL;
      assert.ok(received <= most, `${received} bytes received, at most ${most} expected`);
    });
  },
);
