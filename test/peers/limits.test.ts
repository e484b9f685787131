/** Our limits, as real programs at the other end and the network see them. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'node:test';

import { Bench, needs } from './bench.js';

const LIMIT = 2 ** 20;
const SECONDS = 4;

/** What a count of bytes grows by in a second, while it grows; heads, acknowledgements and the like are in it. */
async function rateOf(count: () => number): Promise<number> {
  const startedAt = performance.now();
  const before = count();
  await sleep(SECONDS * 1000);
  return ((count() - before) * 1000) / (performance.now() - startedAt);
}

/** Payload within 5 %, and up to 5 % of what goes round it. */
function assertRate(perSecond: number): void {
  assert.ok(perSecond > 0.95 * LIMIT && perSecond < 1.1 * LIMIT, `${perSecond} of ${LIMIT}`);
}

for (const name of ['libtorrent', 'aria2'] as const) {
  test(`--download-limit holds with ${name}`, { ...needs('opentracker', name), timeout: 60_000 }, async () => {
    await Bench.run({ size: 24 * 2 ** 20 }, async (bench) => {
      await bench.seeder(name);
      await bench.tracker.counts(1, 0);
      const ours = bench.torrentDl(bench.folder('out'), '--download-limit', '1M');
      await bench.receives(ours, LIMIT, 20_000);
      assertRate(await rateOf(() => bench.ours.traffic().received));
      ours.kill('SIGTERM');
      await ours.exits(143, 4000);
    });
  });

  test(`--upload-limit holds with ${name}`, { ...needs('opentracker', name), timeout: 60_000 }, async () => {
    await Bench.run({ size: 24 * 2 ** 20 }, async (bench) => {
      const { folder } = await bench.seedJob('ours');
      const ours = bench.torrentDl(folder, '--seed', '--upload-limit', '1M');
      await bench.tracker.counts(1, 0);
      await bench.leecher(name);
      const { sent } = bench.ours.traffic();
      for (const end = Date.now() + 20_000; bench.ours.traffic().sent < sent + LIMIT;) {
        assert.ok(Date.now() < end, 'nothing is sent');
        await sleep(50);
      }
      assertRate(await rateOf(() => bench.ours.traffic().sent));
      ours.kill('SIGTERM');
      await ours.exits(0, 4000);
    });
  });
}
