/** Our program as a leecher of real programs. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { open } from 'node:fs/promises';
import path from 'node:path';

import { assertContent, Bench, needs } from './bench.js';
import { PROGRAM_NAMES, startDialler } from './programs.js';

for (const name of PROGRAM_NAMES) {
  test(`a download from ${name} alone is identical`, { ...needs('opentracker', name), timeout: 60_000 }, async () => {
    await Bench.run({}, async (bench) => {
      await bench.seeder(name);
      await bench.tracker.counts(1, 0);
      await bench.torrentDl(bench.folder('out')).exits(0, 40_000);
      await assertContent(bench.torrent, bench.folder('out'));
    });
  });
}

test(
  'a download from all four at once is identical',
  { ...needs('opentracker', ...PROGRAM_NAMES), timeout: 60_000 },
  async () => {
    await Bench.run({ size: 24 * 2 ** 20 }, async (bench) => {
      for (const name of PROGRAM_NAMES) await bench.seeder(name);
      await bench.tracker.counts(PROGRAM_NAMES.length, 0);
      await bench.torrentDl(bench.folder('out')).exits(0, 40_000);
      await assertContent(bench.torrent, bench.folder('out'));
    });
  },
);

test(
  'a seeder whose address we never learn can dial in',
  { ...needs('opentracker', 'libtorrent'), timeout: 60_000 },
  async () => {
    await Bench.run({}, async (bench) => {
      const ours = bench.torrentDl(bench.folder('out'));
      await bench.tracker.counts(0, 1);
      startDialler(bench.addHost('dialler'), await bench.seedJob('dialler'), bench.ourAddress);
      await ours.exits(0, 40_000);
      await assertContent(bench.torrent, bench.folder('out'));
    });
  },
);

test(
  'what was damaged is fetched again, no more, and a complete download needs nobody',
  { ...needs('opentracker', 'aria2'), timeout: 60_000 },
  async () => {
    await Bench.run({}, async (bench) => {
      const out = bench.folder('out');
      const seeder = await bench.seeder('aria2');
      await bench.tracker.counts(1, 0);
      await bench.torrentDl(out).exits(0, 40_000);

      // three places of the big file, each in a piece of its own
      const { pieceLength } = bench.torrent;
      const file = await open(path.join(out, bench.torrent.name, 'z/big.bin'), 'r+');
      for (const piece of [3, 20, 50]) await file.write('damage', piece * pieceLength);
      await file.close();
      const again = bench.torrentDl(out);
      await again.exits(0, 40_000);
      await assertContent(bench.torrent, out);
      assert.match(again.output, /, 192 KiB of it fetched in /, 'three pieces of 64 KiB');

      await seeder.program.stop();
      const complete = bench.torrentDl(out);
      await complete.exits(0, 10_000);
      assert.match(complete.output, /was complete already/);
    });
  },
);
