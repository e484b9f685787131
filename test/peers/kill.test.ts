/** Our program, killed again and again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { assertContent, Bench, needs } from './bench.js';
import { timeout } from './network.js';

const KILLS = 20;
const FETCHED_AGAIN_PER_KILL = 4 * 2 ** 20;

test(
  'a download killed at 20 random moments completes and loses little',
  { ...needs('opentracker', 'aria2'), timeout: 180_000 },
  async (context) => {
    await Bench.run({ size: 64 * 2 ** 20 }, async (bench) => {
      const out = bench.folder('out');
      const slow = await bench.seeder('aria2', 2 ** 20); // slow enough for 20 kills on a busy machine
      await bench.tracker.counts(1, 0);
      for (let kill = 0; kill < KILLS; kill++) {
        const before = bench.ours.traffic().received;
        const victim = bench.torrentDl(out, '--peer', slow.address);
        await bench.receives(victim, before + 100_000, 20_000);
        await timeout(Math.random() * 700);
        victim.kill('SIGKILL');
        await victim.exit;
      }
      const fast = await bench.seeder('aria2');
      await bench.torrentDl(out, '--peer', fast.address).exits(0, 60_000);
      await assertContent(bench.torrent, out);

      // headers are counted too: what was fetched again is less than this
      const again = bench.ours.traffic().received - bench.torrent.totalLength;
      context.diagnostic(`${Math.round(again / KILLS / 1024)} KiB fetched again per kill, headers included`);
      assert.ok(again <= KILLS * FETCHED_AGAIN_PER_KILL, `${again} bytes fetched again`);
    });
  },
);
