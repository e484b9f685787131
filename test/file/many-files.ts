/** Run with few file descriptors: writes a torrent of many files, piece by piece in a wild order, checks and reads it. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { FileReader } from '../../src/file/reader.js';
import { DiskThreads } from '../../src/file/threads.js';
import { Bench, make, readBlock } from './helpers.js';

const count = Number(process.argv[2]);
const out = await mkdtemp(path.join(os.tmpdir(), 'torrent-dl-many-'));
try {
  const made = make(
    Array.from({ length: count }, (_, n) => ({ path: `${n % 50}/${n}`, length: 5000 + n })),
    65_536,
  );
  const { pieceCount } = made.metainfo;
  await using threads = DiskThreads.open({ count: 2 });
  await using bench = await Bench.open(made, out, threads, { slots: pieceCount });
  const results = await Promise.all(Array.from({ length: pieceCount }, (_, n) => bench.put((n * 7919) % pieceCount)));
  assert(
    results.every((result) => result === 'ok'),
    String(results.find((result) => result !== 'ok')),
  );
  await bench.writer.save(bench.full());
  assert.equal((await bench.writer.check({ recheck: true })).have.count, pieceCount);
  await using reader = new FileReader(made.metainfo, out);
  const reads = Array.from({ length: pieceCount }, (_, n) => readBlock(reader, (n * 31) % pieceCount, 0, 16_384));
  for (const [n, bytes] of (await Promise.all(reads)).entries()) {
    const begin = ((n * 31) % pieceCount) * 65_536;
    assert(made.data.subarray(begin, begin + 16_384).equals(bytes));
  }
} catch (error) {
  process.exitCode = 1;
  process.stderr.write(`${String((error as Error).stack)}\n`);
} finally {
  await rm(out, { recursive: true, force: true, maxRetries: 5 });
}
