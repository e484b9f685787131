import assert from 'node:assert/strict';
import os from 'node:os';
import { test } from 'node:test';
import { DiskError } from '../../src/common/errors.js';
import { DiskThread, type OnAnswer } from '../../src/file/disk-thread.js';
import { DiskThreads } from '../../src/file/threads.js';
import { Bench, make, openThreads, temporaryFolder } from './helpers.js';

test('a thread that dies is a DiskError for each piece at it and for each later one, not a hang', async (t) => {
  const out = await temporaryFolder(t);
  const made = make(20 * 16_384);
  await using bench = await Bench.open(made, out, openThreads(t, 1), { slots: 20 });
  assert.equal(await bench.put(0), 'ok');
  bench.writer.write(1_000_000, 1); // no such slot: nothing that the thread is made for
  const waiting = Array.from({ length: 10 }, (_, n) => bench.put(n + 2));
  for (const result of [...(await Promise.all(waiting)), await bench.put(15)]) {
    assert(result instanceof DiskError);
    assert.equal(result.code, 'ERR_DISK_THREAD');
    assert.match(result.message, /^a disk thread died: /);
  }
  await assert.rejects(bench.writer.check({ recheck: true }), { code: 'ERR_DISK_THREAD' });
});

test('two downloads share the threads, each with its own memory and files', async (t) => {
  const out = await temporaryFolder(t);
  const threads = openThreads(t, 2);
  const one = make(300_000, 16_384, 1);
  const base = make(200_000, 32_768, 2);
  const metainfo = { ...base.metainfo, name: 'u', files: [{ ...base.metainfo.files[0]!, path: 'u' }] };
  const other = { ...base, metainfo };
  await using first = await Bench.open(one, out, threads);
  {
    await using second = await Bench.open(other, out, threads);
    assert.deepEqual(await Promise.all([first.putAll(), second.putAll()]), [undefined, undefined]);
    assert((await second.writer.check({ recheck: true })).have.isFull);
  }
  assert((await first.writer.check({ recheck: true })).have.isFull);
});

const skip = os.availableParallelism() < 2 && 'a second thread would have no core of its own';
test('a second thread starts when the first has no pause, and only then', { skip }, async (t) => {
  const [pieceCount, rounds] = [32, 100];
  const made = make(pieceCount << 20, 1 << 20);
  await using threads = DiskThreads.open();
  await using bench = await Bench.open(made, await temporaryFolder(t), threads, { slots: pieceCount });
  for (let index = 0; index < pieceCount; index++) assert.equal(await bench.put(index), 'ok');
  assert.equal(threads.started, 1);
  const lane = async (_: unknown, index: number): Promise<void> => {
    for (let n = 0; n < rounds && threads.started === 1; n++) assert.equal(await bench.put(index), 'ok');
  };
  await Promise.all(Array.from({ length: pieceCount }, lane));
  assert.equal(threads.started, 2);
});

for (const [what, fail] of [
  ['cannot be started', (): never => assert.fail('the system has no more threads to give')],
  [
    'dies at once',
    (onAnswer: OnAnswer): DiskThread => {
      const thread = new DiskThread(onAnswer);
      thread.giveUp(new Error('no memory'));
      return thread;
    },
  ],
] as const) {
  test(`a second thread that ${what} harms neither pieces nor checks, and is not tried again`, { skip }, async (t) => {
    const [pieceCount, rounds] = [32, 100];
    const made = make(pieceCount << 20, 1 << 20);
    let tries = 0;
    const openThread = (onAnswer: OnAnswer): DiskThread => (tries++ === 0 ? new DiskThread(onAnswer) : fail(onAnswer));
    await using threads = DiskThreads.open({ openThread });
    await using bench = await Bench.open(made, await temporaryFolder(t), threads, { slots: pieceCount });
    const lane = async (_: unknown, index: number): Promise<void> => {
      for (let n = 0; n === 0 || (n < rounds && tries === 1); n++) assert.equal(await bench.put(index), 'ok');
      for (let n = 0; n < 3; n++) assert.equal(await bench.put(index), 'ok');
    };
    await Promise.all(Array.from({ length: pieceCount }, lane));
    assert.equal(tries, 2);
    assert.ok((await bench.writer.check({ recheck: true })).have.isFull);
    assert.equal(tries, 2);
  });
}

test('threads that make one file longer in turn do not take it for cut by another program', async (t) => {
  const made = make(20_000 * 1024, 1024);
  const lanes = 64;
  await using bench = await Bench.open(made, await temporaryFolder(t), openThreads(t, 4), { slots: lanes });
  await Promise.all(
    Array.from({ length: lanes }, async (_, lane) => {
      for (let index = lane; index < made.metainfo.pieceCount; index += lanes) {
        assert.equal(await bench.put(index), 'ok');
      }
    }),
  );
});
