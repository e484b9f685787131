/** Downloads of some files: what is written where, and what is believed later. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readFile, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { FileReader } from '../../src/file/reader.js';
import { sidePath } from '../../src/file/side-file.js';
import type { DiskThreads } from '../../src/file/threads.js';
import {
  Bench,
  bytesOf,
  make,
  members,
  openThreads,
  readBlock,
  temporaryFolder,
  wantedOf,
  type Made,
} from './helpers.js';

/** Pieces of 16,384 bytes: 0 is of `a`; 1 of `a`, `b` and `c`; 2 of `c`; 3 of `c` and `d`. */
const FILES = [
  { path: 'a', length: 20_000 },
  { path: 'b', length: 1000 },
  { path: 'c', length: 30_000 },
  { path: 'none', length: 0 },
  { path: 'd', length: 10_000 },
];

/** Fetches what is missing of some files, as a run does, and gives the pieces that it had to write. */
async function run(made: Made, out: string, threads: DiskThreads, chosen: readonly number[], recheck = false) {
  await using bench = await Bench.open(made, out, threads, { chosen });
  const { have, readable } = await bench.writer.check({ recheck });
  const missing = members(wantedOf(made.metainfo, chosen).pieces).filter((index) => !have.has(index));
  for (const index of missing) assert.equal(await bench.put(index), 'ok');
  return { missing, readable: members(readable), finished: bench.finished.sort(), notices: bench.notices };
}

/** The files below `out` but for our state, by their paths. */
async function written(out: string): Promise<string[]> {
  const entries = await readdir(out, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(out, path.join(entry.parentPath, entry.name)))
    .filter((name) => !name.startsWith('.torrent-dl'))
    .sort();
}

function hasSide(made: Made, out: string): boolean {
  return existsSync(path.join(out, sidePath(made.metainfo)));
}

test('boundary pieces are those with bytes of both sorts, and lengths are those of wanted bytes', () => {
  const { metainfo } = make(FILES);
  const wanted = wantedOf(metainfo, [1]);
  assert.deepEqual(members(wanted.pieces), [1]);
  assert.deepEqual(members(wanted.boundary), [1]);
  assert.equal(wanted.totalLength, 1000);
  assert.equal(wanted.lengthOf(1), 1000);
  const all = wantedOf(metainfo, [0, 1, 2, 3, 4]);
  assert.equal(all.boundary.count, 0);
  assert.equal(all.totalLength, metainfo.totalLength);
  assert.deepEqual(members(wantedOf(metainfo, [3]).pieces), []);
});

test('only what is wanted is written; the rest of boundary pieces goes into a side file, gone in the end', async (t) => {
  const out = await temporaryFolder(t);
  const made = make(FILES);
  const threads = openThreads(t);
  {
    await using bench = await Bench.open(made, out, threads, { chosen: [1, 3] });
    await bench.writer.check();
    assert.equal(await bench.put(1), 'ok');
    assert.deepEqual(await written(out), ['t/b', 't/none']);
    assert.equal((await stat(path.join(out, sidePath(made.metainfo)))).size, 16_384);
    assert.deepEqual(bench.finished, [3, 1]);
    await using reader = new FileReader(made.metainfo, out, wantedOf(made.metainfo, [1, 3]));
    assert(made.data.subarray(16_384, 32_768).equals(await readBlock(reader, 1, 0, 16_384)), 'and can be uploaded');
  }
  assert.deepEqual(await written(out), ['t/b', 't/none']);
  assert(bytesOf(made, 1).equals(await readFile(path.join(out, 't/b'))));
  assert(!hasSide(made, out));
});

test('a complete selection is known without its side file, but its boundary pieces are not offered', async (t) => {
  const out = await temporaryFolder(t);
  const made = make(FILES);
  const threads = openThreads(t);
  assert.deepEqual((await run(made, out, threads, [2])).missing, [1, 2, 3]);
  const again = await run(made, out, threads, [2]);
  assert.deepEqual(again.missing, []);
  assert.deepEqual(again.readable, [2]);
  assert.deepEqual(again.finished, [2]);
});

test('without a resume state a boundary piece cannot be proven, and is fetched again', async (t) => {
  const out = await temporaryFolder(t);
  const made = make(FILES);
  const threads = openThreads(t);
  await run(made, out, threads, [2]);
  const again = await run(made, out, threads, [2], true);
  assert.deepEqual(again.missing, [1, 3]);
  await run(made, out, threads, [1]);
  assert.deepEqual((await run(made, out, threads, [1], true)).notices, [], 'nobody is told that b holds other data');
});

test('what is selected later is fetched, boundary pieces once more; what is no longer selected stays', async (t) => {
  const out = await temporaryFolder(t);
  const made = make(FILES);
  const threads = openThreads(t);
  await run(made, out, threads, [1]);
  assert.deepEqual((await run(made, out, threads, [1, 2])).missing, [1, 2, 3]);
  const before = await stat(path.join(out, 't/c'));
  assert.deepEqual((await run(made, out, threads, [1])).missing, []);
  assert.deepEqual(await stat(path.join(out, 't/c')), before);
  assert.deepEqual((await run(made, out, threads, [0, 1, 2, 3, 4])).missing, [0, 1, 3]);
  for (const [file, { path: name }] of made.metainfo.files.entries()) {
    assert(bytesOf(made, file).equals(await readFile(path.join(out, name))), name);
  }
});

test('files that are not wanted are not looked at: whatever is in their places stays', async (t) => {
  const out = await temporaryFolder(t);
  const made = make(FILES);
  await mkdir(path.join(out, 't/a'), { recursive: true });
  await writeFile(path.join(out, 't/c'), 'x'.repeat(99_999));
  await run(made, out, openThreads(t), [1]);
  assert.equal(await readFile(path.join(out, 't/c'), 'utf8'), 'x'.repeat(99_999));
  assert((await stat(path.join(out, 't/a'))).isDirectory());
});

test('after a crash boundary pieces are proven by their hash, with the side file; a wrong one proves nothing', async (t) => {
  const made = make(FILES);
  const threads = openThreads(t);
  const damage: [what: string, change: (side: string) => Promise<void>, missing: number[]][] = [
    ['whole', () => Promise.resolve(), [3]],
    ['gone', (side) => rm(side), [1, 3]],
    ['cut', (side) => writeFile(side, 'short'), [1, 3]],
    ['other bytes', (side) => writeFile(side, Buffer.alloc(40_000)), [1, 3]],
  ];
  for (const [what, change, missing] of damage) {
    const out = await temporaryFolder(t);
    {
      await using bench = await Bench.open(made, out, threads, { chosen: [2] });
      for (const index of [1, 2]) assert.equal(await bench.put(index), 'ok');
    }
    assert(hasSide(made, out), 'it stays for later');
    await utimes(path.join(out, 't/c'), 1, 1); // the state no longer speaks for the file
    await change(path.join(out, sidePath(made.metainfo)));
    assert.deepEqual((await run(made, out, threads, [2])).missing, missing, what);
    assert(bytesOf(made, 2).equals(await readFile(path.join(out, 't/c'))), what);
    assert(!hasSide(made, out), what);
  }
});

test('something else in the place of the side file is an error that names it', async (t) => {
  const out = await temporaryFolder(t);
  const made = make(FILES);
  await mkdir(path.join(out, sidePath(made.metainfo)), { recursive: true });
  await assert.rejects(run(made, out, openThreads(t), [1]), /cannot write ".*\.side"/);
});

test('whatever is selected, in however many runs, exactly that is there in the end, and no claim is wrong', async (t) => {
  const threads = openThreads(t);
  const layout = fc.array(
    fc.record({ length: fc.integer({ min: 0, max: 9000 }), isPadding: fc.nat(5).map((n) => n === 0) }),
    {
      minLength: 1,
      maxLength: 10,
    },
  );
  const step = fc.record({
    chosen: fc.nat(),
    fetched: fc.double({ min: 0, max: 1, noNaN: true }),
    recheck: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(layout, fc.array(step, { minLength: 1, maxLength: 5 }), fc.nat(), async (list, steps, seed) => {
      const out = await temporaryFolder(t);
      const scale = seed % 4 === 0 ? 128 : 1; // pieces longer than what a check reads at once
      const made = make(
        list.map((file, n) => ({ ...file, path: `${n % 3}/${n}`, length: file.length * scale })),
        4096 * scale,
        seed,
      );
      const { files, pieceLength, totalLength } = made.metainfo;
      const ever = new Set<number>();
      let chosen: number[] = [];
      for (const [at, { chosen: bits, fetched, recheck }] of steps.entries()) {
        chosen = [...files.keys()].filter((file) => !files[file]!.isPadding && ((bits >> file) & 1) === 1);
        for (const file of chosen) ever.add(file);
        const wanted = wantedOf(made.metainfo, chosen);
        await using bench = await Bench.open(made, out, threads, { chosen });
        const { have, readable } = await bench.writer.check({ recheck });
        assert.equal(readable.countWithout(have), 0);
        const missing = members(wanted.pieces).filter((index) => !have.has(index));
        const count = at === steps.length - 1 ? missing.length : Math.floor(missing.length * fetched);
        for (const index of missing.slice(0, count)) {
          assert.equal(await bench.put(index), 'ok');
          for (const set of [have, readable]) set.add(index);
        }
        await using reader = new FileReader(made.metainfo, out, wanted);
        for (const index of members(readable)) {
          const expected = made.data.subarray(index * pieceLength, Math.min(totalLength, (index + 1) * pieceLength));
          assert(expected.equals(await readBlock(reader, index, 0, expected.length)), `piece ${index}`);
        }
        const total = members(wanted.pieces).reduce((sum, index) => sum + wanted.lengthOf(index), 0);
        assert.equal(total, wanted.totalLength);
      }
      for (const file of chosen) {
        const { path: name } = files[file]!;
        assert(bytesOf(made, file).equals(await readFile(path.join(out, name))), name);
      }
      assert((await written(out)).every((name) => [...ever].some((file) => files[file]!.path === name)));
      assert(!hasSide(made, out));
    }),
    { numRuns: 60 },
  );
});
