import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, open, readFile, rename, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Bitfield } from '../../src/common/bitfield.js';
import { planCheck } from '../../src/file/check.js';
import { FileLayout } from '../../src/file/layout.js';
import { decodeResume, encodeResume, resumePath } from '../../src/file/resume.js';
import { FileStamps } from '../../src/file/stamps.js';
import { Wanted } from '../../src/file/wanted.js';
import type { DiskThreads } from '../../src/file/threads.js';
import { Bench, bytesOf, make, members, openThreads, temporaryFolder, type Made } from './helpers.js';

const FILES = [
  { path: 'a', length: 50_000 },
  { path: 'b', length: 50_000 },
  { path: 'c', length: 50_000 },
];

/** Writes all pieces, saves, and closes. */
async function download(made: Made, out: string, threads: DiskThreads, sync = true): Promise<void> {
  await using bench = await Bench.open(made, out, threads);
  await bench.writer.check();
  assert.equal(await bench.putAll(), undefined);
  await bench.writer.save(bench.full(), { sync });
}

/** Checks in a new run. `hashed` are the bytes that had to be read. */
async function check(made: Made, out: string, threads: DiskThreads, recheck = false) {
  await using bench = await Bench.open(made, out, threads);
  let hashed = -1;
  const { have } = await bench.writer.check({ recheck, onProgress: (_checked, total) => (hashed = total) });
  return { pieces: members(have), hashed, notices: bench.notices, finished: bench.finished };
}

async function setUp(t: TestContext, content: Parameters<typeof make>[0] = FILES) {
  const out = await temporaryFolder(t);
  const made = make(content);
  const threads = openThreads(t);
  return { out, made, threads, all: Array.from({ length: made.metainfo.pieceCount }, (_, index) => index) };
}

for (const sync of [true, false]) {
  test(`a second run trusts unchanged files without reading them (${sync ? 'synced' : 'same start of the machine'})`, async (t) => {
    const { out, made, threads, all } = await setUp(t);
    await download(made, out, threads, sync);
    const { pieces, hashed, notices, finished } = await check(made, out, threads);
    assert.deepEqual(pieces, all);
    assert.equal(hashed, 0);
    assert.deepEqual(notices, []);
    assert.deepEqual(finished.sort(), [0, 1, 2]);
    assert.equal((await check(made, out, threads, true)).hashed, made.metainfo.totalLength);
  });
}

test('closing saves what was written, without being asked', async (t) => {
  const { out, made, threads } = await setUp(t);
  {
    await using bench = await Bench.open(made, out, threads);
    for (const index of [0, 1, 5]) await bench.put(index);
  }
  const { pieces, hashed } = await check(made, out, threads);
  assert.deepEqual(pieces, [0, 1, 5]);
  assert.equal(hashed, 0);
});

test('pieces that were written when the run was killed are found again by their hashes', async (t) => {
  const { out, made, threads, all } = await setUp(t);
  {
    await using bench = await Bench.open(made, out, threads);
    await bench.put(0);
    await bench.writer.save(new Bitfield(10, new Uint8Array([0x80, 0])));
    await copyFile(resumePath(out, made.metainfo), path.join(out, 'kept'));
    await bench.putAll(1);
  }
  await rename(path.join(out, 'kept'), resumePath(out, made.metainfo)); // as if the later saves had never been
  const { pieces, hashed } = await check(made, out, threads);
  assert.deepEqual(pieces, all);
  assert.equal(hashed, made.metainfo.totalLength);
});

test('data changed after completion is found, even with the old modification time put back', async (t) => {
  const { out, made, threads, all } = await setUp(t);
  await download(made, out, threads);
  const place = path.join(out, 't/b');
  const { atime, mtime } = await stat(place);
  const file = await open(place, 'r+');
  await file.write(new Uint8Array([bytesOf(made, 1)[100]! ^ 1]), 0, 1, 100);
  await file.close();
  await utimes(place, atime, mtime);
  const { pieces, hashed } = await check(made, out, threads);
  assert.deepEqual(
    pieces,
    all.filter((index) => index !== 3),
  );
  assert(hashed < made.metainfo.totalLength, 'only the pieces of that file are hashed');
});

test('a file that was cut or removed lacks its pieces, and nothing is hashed that cannot be there', async (t) => {
  const { out, made, threads } = await setUp(t);
  await download(made, out, threads);
  await rm(path.join(out, 't/a'));
  await truncate(path.join(out, 't/c'), 20_000);
  const { pieces, hashed } = await check(made, out, threads);
  // a: pieces 0-3, b: 3-6, c: 6-9; c's first 20,000 bytes end in piece 7
  assert.deepEqual(pieces, [4, 5, 6]);
  assert.equal(hashed, 16_384);
});

test("the user's own data is taken over: right pieces kept, wrong ones asked for", async (t) => {
  const { out, made, threads } = await setUp(t, 100_000);
  const data = Buffer.from(made.data);
  data[50_000]! ^= 1;
  await writeFile(path.join(out, 't'), data);
  const { pieces } = await check(made, out, threads);
  assert.deepEqual(pieces, [0, 1, 2, 4, 5, 6]);
  await using bench = await Bench.open(made, out, threads);
  await bench.writer.check();
  assert.equal(await bench.put(3), 'ok');
  assert(made.data.equals(await readFile(path.join(out, 't'))));
});

test('pieces longer than the read buffer are hashed right', async (t) => {
  const out = await temporaryFolder(t);
  const threads = openThreads(t);
  const made = make(3_000_001, 1_048_576);
  await download(made, out, threads);
  assert.deepEqual((await check(made, out, threads, true)).pieces, [0, 1, 2]);
  await truncate(path.join(out, 't'), 1_500_000);
  assert.deepEqual((await check(made, out, threads)).pieces, [0]);
});

test('a resume state that is damaged, cut, foreign or of another version is told of and not used', async (t) => {
  const { out, made, threads, all } = await setUp(t);
  await download(made, out, threads);
  const place = resumePath(out, made.metainfo);
  const good = await readFile(place);
  const other = make(FILES, 16_384, 2);
  const state = decodeResume(good, made.metainfo);
  assert(typeof state !== 'string');
  const flipped = Buffer.from(good);
  flipped[good.length >> 1]! ^= 1;
  const cases: [string, Uint8Array, RegExp][] = [
    ['damaged', flipped, /damaged/],
    ['cut', good.subarray(0, -1), /damaged/],
    ['empty', new Uint8Array(0), /damaged/],
    ['endless', Buffer.alloc(100_000), /damaged/],
    ['foreign', encodeResume(other.metainfo, state), /another torrent/],
    ['too short', encodeResume(made.metainfo, { ...state, have: new Bitfield(99) }), /does not fit/],
  ];
  for (const [what, bytes, words] of cases) {
    await writeFile(place, bytes);
    const { pieces, hashed, notices } = await check(made, out, threads);
    assert.deepEqual(pieces, all, what);
    assert.equal(hashed, made.metainfo.totalLength, what);
    assert.equal(notices.length, 1, what);
    assert.match(notices[0]!, words, what);
  }
  assert.equal((await check(made, out, threads)).hashed, 0, 'and a good one has taken its place');
});

test('data that was not synced is hashed again after the machine went down', () => {
  const { metainfo } = make(FILES);
  const layout = new FileLayout(metainfo, metainfo.files);
  const stamps = new FileStamps(3);
  stamps.bytes.fill(1);
  new BigUint64Array(stamps.bytes.buffer).fill(50_000n);
  const have = new Bitfield(metainfo.pieceCount);
  have.fill();
  const unsynced = new Bitfield(3);
  unsynced.add(1);
  const state = { have, stamps, unsynced, boot: 'this' };
  const found = { wanted: new Wanted(metainfo), disk: stamps, hasSide: false };
  assert.equal(planCheck(metainfo, layout, found, state, 'this').length, 0);
  const { proven, jobs } = planCheck(metainfo, layout, found, state, 'next');
  assert.deepEqual(members(proven), [0, 1, 2, 7, 8, 9]);
  assert.deepEqual(jobs, [{ first: 3, count: 4, length: 4 * 16_384 }]);
});

test('a check can be aborted, and what it did not see is not taken for missing later', async (t) => {
  const { out, made, threads, all } = await setUp(t, 64 * 1024 * 1024);
  await writeFile(path.join(out, 't'), made.data);
  {
    await using bench = await Bench.open(made, out, threads);
    const abort = new AbortController();
    const checking = bench.writer.check({ signal: abort.signal, onProgress: () => abort.abort(new Error('enough')) });
    await assert.rejects(checking, /enough/);
  }
  assert.deepEqual((await check(made, out, threads)).pieces, all);
});

test('thousands of files are written and checked with 64 file descriptors', async () => {
  const child = spawn(
    'bash',
    ['-c', 'ulimit -n 64; exec "$0" "$@"', process.execPath, '--import', 'tsx', helper('many-files.ts'), '3000'],
    { stdio: ['ignore', 'inherit', 'inherit'] },
  );
  assert.deepEqual(await once(child, 'exit'), [0, null]);
});

function helper(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}
