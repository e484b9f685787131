import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Bucket } from '../../src/common/bucket.js';
import type { Transport } from '../../src/peer/transport.js';
import { MOST_QUEUED_REQUESTS, UploadQueue, type BlockReader } from '../../src/peer/upload.js';
import { REQUEST_LENGTH, WireReader } from '../../src/peer/wire.js';
import { FakeClock } from '../tracker/fakes.js';

const LAYOUT = { pieceLength: 32_768, pieceCount: 3, totalLength: 2 * 32_768 + 5 };
const TURN = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A transport that keeps what is written; `flush` tells that it was sent. */
class FakeTransport implements Transport {
  readonly unsentLength = 0;
  readonly address = { host: '127.0.0.1', port: 1 };
  readonly isIncoming = true;
  readonly written: Uint8Array[] = [];
  #unsent: (() => void)[] = [];

  write(bytes: Uint8Array, onSent?: () => void): void {
    this.written.push(Uint8Array.from(bytes)); // its memory is used again once it was sent
    if (onSent) this.#unsent.push(onSent);
  }
  flush(): void {
    for (const onSent of this.#unsent.splice(0)) onSent();
  }
  cork(): void {
    // nothing to gather
  }
  uncork(): void {
    // nothing to gather
  }
  close(): void {
    // nothing to close
  }
}

/** The byte at each position of the torrent. */
const byteAt = (position: number): number => (position * 7919) & 0xff;

/** Gives `byteAt`, and counts the reads. */
class FakeReader implements BlockReader {
  reads = 0;

  read(index: number, begin: number, parts: readonly Uint8Array[]): Promise<void> {
    this.reads++;
    let position = index * LAYOUT.pieceLength + begin;
    for (const part of parts) for (let n = 0; n < part.length; n++) part[n] = byteAt(position++);
    return Promise.resolve();
  }
}

function setUp(reader: BlockReader = new FakeReader(), limit?: Bucket) {
  const transport = new FakeTransport();
  const sent: number[] = [];
  const errors: unknown[] = [];
  const events = {
    onSent: (length: number) => sent.push(length),
    onReadError: (error: unknown) => errors.push(error),
  };
  const queue = new UploadQueue(LAYOUT, reader, transport, events, limit);
  return { transport, queue, sent, errors };
}

/** Sends all that was asked for. */
async function finish({ transport, queue }: { transport: FakeTransport; queue: UploadQueue }): Promise<void> {
  for (let turns = 0, quiet = 0; quiet < 3; turns++) {
    assert(turns < 10_000, 'it never ends');
    quiet = queue.size === 0 ? quiet + 1 : 0;
    queue.pump();
    await TURN();
    transport.flush();
  }
}

/** The blocks in what was written, `index/begin/length`; their bytes have to be right. */
function blocksIn(written: readonly Uint8Array[]): string[] {
  const blocks: string[] = [];
  let position = 0;
  const sink = {
    onBlock: (index: number, begin: number, length: number) => {
      blocks.push(`${index}/${begin}/${length}`);
      position = index * LAYOUT.pieceLength + begin;
    },
    onBlockBytes: (chunk: Uint8Array, from: number, to: number) => {
      for (let at = from; at < to; at++) assert.equal(chunk[at], byteAt(position++));
    },
    onBlockEnd: () => undefined,
  };
  const reader = new WireReader(1, sink, { onMessage: () => assert.fail('a message that is no block') });
  for (const bytes of written) reader.push(bytes, 0, bytes.length);
  return blocks;
}

test('requests out of range, empty or too long are refused', () => {
  const { queue } = setUp();
  for (const [index, begin, length] of [
    [3, 0, 1],
    [0xffffffff, 0, 1],
    [0, 32_768, 1],
    [0, 32_767, 2],
    [0, 0xffffffff, 16_384],
    [2, 0, 6],
    [0, 0, 0],
    [0, 0, 200_000],
  ] as const) {
    assert.equal(queue.add(index, begin, length), false, `${index} ${begin} ${length}`);
  }
  assert.equal(queue.add(2, 0, 5), true);
});

test('a flood of requests is bounded', () => {
  const { queue } = setUp();
  for (let n = 0; n < MOST_QUEUED_REQUESTS; n++) assert.ok(queue.add(0, 0, 16_384));
  assert.equal(queue.add(0, 0, 16_384), false);
});

test('whatever is asked for is sent, whole and in order', async () => {
  const request = fc.tuple(fc.nat(2), fc.nat(32_767), fc.constantFrom(1, 100, 16_384, 32_768));
  await fc.assert(
    fc.asyncProperty(fc.array(request, { maxLength: 60 }), fc.boolean(), async (requests, atOnce) => {
      const fakes = setUp();
      const taken: string[] = [];
      for (const [index, begin, length] of requests) {
        if (!fakes.queue.add(index, begin, length)) continue;
        taken.push(`${index}/${begin}/${length}`);
        if (!atOnce) fakes.queue.pump();
      }
      await finish(fakes);
      assert.deepEqual(blocksIn(fakes.transport.written), taken);
    }),
    { numRuns: 50 },
  );
});

test('blocks that lie side by side are read and written together, across pieces too', async () => {
  const reader = new FakeReader();
  const fakes = setUp(reader);
  for (const index of [0, 1]) for (const begin of [0, 16_384]) fakes.queue.add(index, begin, 16_384);
  fakes.queue.add(0, 0, 16_384);
  await finish(fakes);
  assert.equal(reader.reads, 2);
  assert.deepEqual(fakes.sent, [65_536, 16_384]);
});

test('a peer that takes nothing costs three reads, and then gets the rest', async () => {
  const reader = new FakeReader();
  const fakes = setUp(reader);
  for (let n = 0; n < 500; n++) fakes.queue.add(0, 0, 16_384);
  fakes.queue.pump();
  for (let turns = 0; turns < 10; turns++) await TURN();
  assert.equal(reader.reads, 3);
  assert.equal(fakes.queue.size, 497);
  await finish(fakes);
  assert.equal(blocksIn(fakes.transport.written).length, 500);
});

test('blocks go out in order, whichever was read first', async () => {
  const reads: (() => void)[] = [];
  const { queue, sent } = setUp({ read: () => new Promise((resolve) => reads.push(resolve)) });
  queue.add(0, 0, 100);
  queue.add(1, 0, 200);
  queue.pump();
  reads[1]!();
  await TURN();
  assert.deepEqual(sent, []);
  reads[0]!();
  await TURN();
  assert.deepEqual(sent, [100, 200]);
});

test('a cancelled request is not served', async () => {
  const { queue, sent } = setUp();
  queue.add(0, 0, 100);
  queue.add(0, 100, 200);
  assert.equal(queue.cancel(0, 0, 100), true);
  assert.equal(queue.cancel(0, 0, 100), false);
  queue.pump();
  await TURN();
  assert.deepEqual(sent, [200]);
});

test('what is read for a peer that was choked meanwhile is not sent, and rejects name all of it', async () => {
  const reads: (() => void)[] = [];
  const { queue, sent } = setUp({ read: () => new Promise((resolve) => reads.push(resolve)) });
  for (let n = 0; n < 5; n++) queue.add(1, 0, 100);
  queue.pump();
  assert.equal(reads.length, 3);
  assert.equal(queue.clear().length, 5 * REQUEST_LENGTH);
  for (const read of reads.splice(0)) read();
  await TURN();
  assert.deepEqual(sent, []);
  queue.add(1, 0, 50);
  queue.pump();
  reads[0]!();
  await TURN();
  assert.deepEqual(sent, [50]);
});

test('a block that cannot be read is told, once', async () => {
  const { queue, errors } = setUp({ read: () => Promise.reject(new Error('gone')) });
  queue.add(0, 0, 100);
  queue.add(1, 0, 100);
  queue.pump();
  await TURN();
  assert.equal(errors.length, 1);
});

test('a limit holds blocks back before they are read, and two peers share it', async () => {
  const clock = new FakeClock();
  const limit = new Bucket(16_384, clock);
  const [a, b] = [setUp(new FakeReader(), limit), setUp(new FakeReader(), limit)];
  for (const { queue } of [a, b]) {
    for (let begin = 0; begin < 65_536; begin += 16_384) queue.add(begin >> 15, begin & 16_384, 16_384);
    queue.pump();
  }
  for (let second = 0; second < 6; second++) {
    await clock.advance(1000);
    a.transport.flush();
    b.transport.flush();
  }
  assert.deepEqual([a.sent, b.sent], [Array(3).fill(16_384), Array(3).fill(16_384)]);
  assert.deepEqual([a.queue.size, b.queue.size], [1, 1]);
});

test('under a limit a read takes what the limit has free, not a whole frame', async () => {
  const clock = new FakeClock();
  const { queue, transport, sent } = setUp(new FakeReader(), new Bucket(1_000_000, clock));
  for (let at = 0; at < 65_536; at += 4096) queue.add(at >> 15, at & 32_767, 4096);
  queue.pump();
  await clock.advance(25);
  assert.deepEqual(sent, [28_672], '25 ms of the rate, up to the end of a block');
  transport.flush();
  await clock.advance(1000);
  assert.equal(queue.size, 0);
});

test('what is dropped before it was read is not paid for, and a choked peer does not wait for a turn', async () => {
  const clock = new FakeClock();
  const limit = new Bucket(16_384, clock);
  const stuck = setUp({ read: () => new Promise<void>(() => undefined) }, limit);
  const other = setUp(new FakeReader(), limit);
  stuck.queue.add(0, 0, 16_384);
  stuck.queue.add(0, 16_384, 16_384);
  stuck.queue.pump();
  await clock.advance(30);
  other.queue.add(0, 0, 16_384);
  other.queue.pump();
  await clock.advance(100);
  assert.deepEqual(other.sent, []);
  stuck.queue.clear();
  await clock.advance(30);
  assert.deepEqual(other.sent, [16_384]);
  await clock.advance(60_000);
  assert.equal(stuck.queue.size, 0);
  assert.equal(clock.timers, 0);
});
