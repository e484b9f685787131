import assert from 'node:assert/strict';
import { createWriteStream, openSync } from 'node:fs';
import { PassThrough, Writable } from 'node:stream';
import { test, type TestContext } from 'node:test';
import fc from 'fast-check';
import { DiskError, OutputClosedError, type UsageError } from '../../src/common/errors.js';
import { lengthOfPiece } from '../../src/common/pieces.js';
import { piecesOf, planFile, planTar, type StreamPlan } from '../../src/file/stream-plan.js';
import { StreamWriter } from '../../src/file/stream-writer.js';
import { tarHeader, tarPadding, TAR_END } from '../../src/file/tar.js';
import type { DiskThreads } from '../../src/file/threads.js';
import { until } from '../helpers/until.js';
import { bytesOf, make, members, openThreads, type Made, type MadeFile } from './helpers.js';

/** An output that takes what it is given when it is told to, at once by default. */
class Reader extends Writable {
  readonly chunks: Buffer[] = [];
  isStopped = false;
  #onGo: (() => void) | undefined;

  override _write(chunk: Buffer, _encoding: string, callback: () => void): void {
    this.chunks.push(chunk);
    if (this.isStopped) this.#onGo = callback;
    else setImmediate(callback);
  }

  go(): void {
    this.isStopped = false;
    this.#onGo?.();
  }

  get bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }
}

/** A stream writer with a slot for every piece. */
class Bench implements AsyncDisposable {
  readonly writer: StreamWriter;
  readonly memory: SharedArrayBuffer;
  readonly held: number[] = [];
  /** Pieces whose slots are free again, in order; files that are over. */
  readonly left: number[] = [];
  readonly files: number[] = [];
  readonly corrupt: number[] = [];
  readonly errors: (DiskError | OutputClosedError)[] = [];

  constructor(
    readonly made: Made,
    threads: DiskThreads,
    output: Writable,
    plan: StreamPlan = planFile(made.metainfo),
  ) {
    const { pieceLength, pieceCount } = made.metainfo;
    this.memory = new SharedArrayBuffer(pieceLength * pieceCount);
    this.writer = new StreamWriter(made.metainfo, {
      threads,
      memory: this.memory,
      slotLength: pieceLength,
      plan,
      output,
      onHeld: (_slot, index) => this.held.push(index),
      onPiece: (slot, index, result) => {
        if (result === 'ok') this.left.push(index);
        else this.corrupt.push(index);
        new Uint8Array(this.memory, slot * pieceLength, pieceLength).fill(0xee); // it is free: somebody uses it
      },
      onFile: (file) => this.files.push(file),
      onError: (error) => this.errors.push(error),
    });
  }

  /** Puts a piece into a slot, the last piece into the first. */
  put(index: number, change?: (bytes: Uint8Array) => void): void {
    const { metainfo, data } = this.made;
    const slot = metainfo.pieceCount - 1 - index;
    const bytes = new Uint8Array(this.memory, slot * metainfo.pieceLength, lengthOfPiece(metainfo, index));
    bytes.set(data.subarray(index * metainfo.pieceLength, index * metainfo.pieceLength + bytes.length));
    change?.(bytes);
    this.writer.write(slot, index);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.writer[Symbol.asyncDispose]();
  }
}

function all({ metainfo }: Made): number[] {
  return Array.from({ length: metainfo.pieceCount }, (_, index) => index);
}

/** The archive that is expected of some files. */
function archive(made: Made, files: readonly number[]): Buffer {
  const parts = files.flatMap((file) => {
    const { path, length, isExecutable } = made.metainfo.files[file]!;
    const header = tarHeader({ path, length, mode: isExecutable ? 0o755 : 0o644, mtime: 0 });
    return [header, bytesOf(made, file), tarPadding(length)];
  });
  return Buffer.concat([...parts, TAR_END]);
}

const lengths = fc.oneof(fc.constant(0), fc.nat(50), fc.nat(40_000));
const manyFiles = fc.array(fc.record({ length: lengths, isPadding: fc.boolean(), isExecutable: fc.boolean() }), {
  minLength: 1,
  maxLength: 12,
});

test('in whatever order pieces come, one file’s bytes or an archive of some leave in order', async (t) => {
  const threads = openThreads(t);
  const orders = fc.array(fc.nat(), { minLength: 16, maxLength: 16 });
  await fc.assert(
    fc.asyncProperty(manyFiles, fc.boolean(), fc.nat(), orders, async (list, isTar, chosen, order) => {
      const files: MadeFile[] = list.map((file, at) => ({ ...file, path: `f${at}` }));
      const made = make(files, 4096);
      const wanted = [...files.keys()].filter((file) => !files[file]!.isPadding && ((chosen >> file) & 1) === 0);
      const one = chosen % files.length;
      const plan = isTar
        ? planTar(made.metainfo, (file) => ((chosen >> file) & 1) === 0)
        : planFile(made.metainfo, one);
      const output = new Reader();
      await using bench = new Bench(made, threads, output, plan);
      assert.equal((await bench.writer.check()).have.count, 0);
      const pieces = piecesOf(plan, made.metainfo);
      const needed = all(made).filter((index) => pieces.has(index));
      for (const index of [...needed].sort((a, b) => order[a % 16]! - order[b % 16]!)) bench.put(index);
      await until(() => bench.left.length === needed.length);
      assert.deepEqual(bench.left, needed);
      assert.ok(output.bytes.equals(isTar ? archive(made, wanted) : bytesOf(made, one)));
      const told = (isTar ? wanted : [one]).filter((file) => files[file]!.length > 0);
      assert.deepEqual(bench.files, told);
    }),
    { numRuns: 60 },
  );
});

test('a piece that is early waits in its slot, and is told of as held', async (t) => {
  const made = make(40_000, 16_384);
  const output = new Reader();
  await using bench = new Bench(made, openThreads(t), output);
  await bench.writer.check();
  bench.put(2);
  bench.put(1);
  await until(() => bench.held.length === 2);
  assert.deepEqual([bench.left, output.chunks], [[], []]);
  bench.put(0);
  await until(() => bench.left.length === 3);
  assert.deepEqual(bench.left, [0, 1, 2]);
  assert.ok(output.bytes.equals(made.data));
});

test('a wrong piece is told of at once, and nothing of it leaves', async (t) => {
  const made = make(40_000, 16_384);
  const output = new Reader();
  await using bench = new Bench(made, openThreads(t), output);
  await bench.writer.check();
  bench.put(0, (bytes) => (bytes[5]! ^= 1));
  await until(() => bench.corrupt.length === 1);
  for (const index of all(made)) bench.put(index);
  await until(() => bench.left.length === 3);
  assert.ok(output.bytes.equals(made.data));
});

test('while the reader stops no slot is freed, and it is said that we wait for the reader', async (t) => {
  const made = make(12 * 1024 * 1024, 1024 * 1024);
  const output = new Reader();
  output.isStopped = true;
  await using bench = new Bench(made, openThreads(t), output);
  await bench.writer.check();
  assert.equal(bench.writer.isWaitingForReader, false);
  for (const index of all(made)) bench.put(index);
  await until(() => bench.held.length === 12);
  assert.equal(bench.writer.isWaitingForReader, true);
  assert.deepEqual(bench.left, []);
  output.go();
  await until(() => bench.left.length === 12);
  assert.equal(bench.writer.isWaitingForReader, false);
  assert.ok(output.bytes.equals(made.data));
});

test('the last piece is told of when all that stands behind it has left too', async (t) => {
  const made = make([
    { path: 'a', length: 100 },
    ...Array.from({ length: 9000 }, (_, n) => ({ path: `e${n}`, length: 0 })),
  ]);
  const output = new Reader();
  await using bench = new Bench(made, openThreads(t), output, planTar(made.metainfo));
  await bench.writer.check();
  bench.put(0);
  await until(() => bench.left.length === 1);
  assert.equal(output.bytes.length, 512 * (2 + 9000 + 2));
});

test('an archive of empty files, and an empty file, are over after the check', async (t) => {
  const threads = openThreads(t);
  const files = [
    { path: 'a', length: 0 },
    { path: 'b', length: 0 },
  ];
  const made = make(files);
  const output = new Reader();
  await using bench = new Bench(made, threads, output, planTar(made.metainfo));
  await bench.writer.check();
  assert.ok(output.bytes.equals(archive(made, [0, 1])));
  await using other = new Bench(made, threads, new Reader(), planFile(made.metainfo, 1));
  await other.writer.check();
});

test('a check that waits for a stopped reader ends with the signal, or when the writer is closed', async (t) => {
  const threads = openThreads(t);
  const made = make([
    { path: 'a', length: 0 },
    { path: 'b', length: 0 },
  ]);
  for (const isAborted of [true, false]) {
    const output = new Reader();
    output.isStopped = true;
    await using bench = new Bench(made, threads, output, planTar(made.metainfo));
    const abort = new AbortController();
    const check = bench.writer.check({ signal: abort.signal });
    if (isAborted) abort.abort(new Error('enough'));
    else await bench.writer[Symbol.asyncDispose]();
    await (isAborted ? assert.rejects(check, /enough/) : check);
  }
});

test('a reader that goes away is an error of its own, told once', async (t) => {
  const made = make(100_000, 16_384);
  const threads = openThreads(t);
  for (const error of [undefined, Object.assign(new Error('broken pipe'), { code: 'EPIPE' })]) {
    const output = new Reader();
    output.isStopped = true;
    await using bench = new Bench(made, threads, output);
    await bench.writer.check();
    bench.put(0);
    await until(() => output.chunks.length === 1);
    output.destroy(error);
    await until(() => bench.errors.length === 1);
    for (const index of all(made).slice(1)) bench.put(index);
    await until(() => bench.held.length === made.metainfo.pieceCount);
    assert.equal(bench.errors.length, 1);
    assert.ok(bench.errors[0] instanceof OutputClosedError);
    assert.deepEqual(bench.left, []);
    await assert.rejects(bench.writer.check(), OutputClosedError);
  }
});

test('an output that cannot be written to is a disk error', async (t) => {
  const made = make(100_000, 16_384);
  const output = createWriteStream('', { fd: openSync('/dev/full', 'w') });
  await using bench = new Bench(made, openThreads(t), output);
  await bench.writer.check();
  bench.put(0);
  await until(() => bench.errors.length === 1);
  assert.ok(bench.errors[0] instanceof DiskError);
  assert.equal(bench.errors[0].code, 'ERR_DISK_FULL');
  assert.match(bench.errors[0].message, /^cannot write "standard output": no space left on device$/);
});

test('an output that is ended after the last byte is no error, one that fails with it is', async (t) => {
  const made = make(1000, 16_384);
  const threads = openThreads(t);
  for (const fails of [false, true]) {
    const output = new Reader();
    output.isStopped = true;
    await using bench = new Bench(made, threads, output);
    await bench.writer.check();
    bench.put(0);
    await until(() => output.chunks.length === 1);
    if (fails) output.destroy();
    else output.go();
    await until(() => bench.left.length + bench.errors.length === 1);
    if (!fails) output.end();
    await until(() => output.closed);
    assert.equal(bench.errors.length, fails ? 1 : 0);
  }
});

test('a stream that passes chunks on gets copies, for slots are used again', async (t) => {
  const made = make(300_000, 16_384);
  const output = new PassThrough({ highWaterMark: 2 ** 30 });
  await using bench = new Bench(made, openThreads(t), output);
  await bench.writer.check();
  for (const index of all(made)) bench.put(index);
  await until(() => bench.left.length === made.metainfo.pieceCount);
  output.end();
  assert.ok(Buffer.concat(await output.toArray()).equals(made.data));
});

test('closing waits for no reader', async (t: TestContext) => {
  const made = make(100_000, 16_384);
  const output = new Reader();
  output.isStopped = true;
  const bench = new Bench(made, openThreads(t), output);
  await bench.writer.check();
  for (const index of all(made)) bench.put(index);
  await until(() => bench.writer.isWaitingForReader);
  await bench[Symbol.asyncDispose]();
  output.go();
  output.destroy(new Error('late')); // must not be thrown at anybody
  assert.deepEqual([bench.left, bench.errors], [[], []]);
});

test('of several files one has to be named; pad files do not count', () => {
  const { metainfo } = make([
    { path: 'a', length: 5 },
    { path: 'p', length: 11, isPadding: true },
  ]);
  assert.deepEqual(planFile(metainfo).files, [0]);
  const several = make([
    { path: 'a', length: 5 },
    { path: 'b', length: 11 },
  ]).metainfo;
  assert.throws(
    () => planFile(several),
    (error: UsageError) => error.code === 'ERR_SEVERAL_FILES',
  );
  assert.deepEqual(planFile(several, 1).files, [1]);
});

test('only pieces with bytes that leave are needed', () => {
  const { metainfo } = make([
    { path: 'a', length: 10_000 },
    { path: 'pad', length: 6384, isPadding: true },
    { path: 'big', length: 60_000 },
    { path: 'empty', length: 0 },
    { path: 'end', length: 100_000 },
  ]);
  assert.deepEqual(members(piecesOf(planFile(metainfo, 0), metainfo)), [0]);
  assert.deepEqual(members(piecesOf(planFile(metainfo, 2), metainfo)), [1, 2, 3, 4]);
  assert.deepEqual(members(piecesOf(planFile(metainfo, 3), metainfo)), []);
  assert.equal(piecesOf(planTar(metainfo), metainfo).isFull, true);
});
