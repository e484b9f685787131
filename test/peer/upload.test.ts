import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Transport } from '../../src/peer/transport.js';
import { MOST_QUEUED_REQUESTS, UploadQueue, type BlockReader } from '../../src/peer/upload.js';
import { REQUEST_LENGTH } from '../../src/peer/wire.js';

const LAYOUT = { pieceLength: 32_768, pieceCount: 3, totalLength: 2 * 32_768 + 5 };

/** A transport that keeps what is written, and counts it as unsent until `drain`. */
class FakeTransport implements Transport {
  readonly address = { host: '127.0.0.1', port: 1 };
  readonly isIncoming = true;
  readonly written: Uint8Array[] = [];
  queued = 0;

  write(bytes: Uint8Array): void {
    this.written.push(bytes);
    this.queued += bytes.length;
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

function setUp(reader: BlockReader = { read: (_index, _begin, length) => new Uint8Array(length) }) {
  const transport = new FakeTransport();
  const sent: number[] = [];
  const errors: unknown[] = [];
  const queue = new UploadQueue(LAYOUT, reader, transport, {
    onSent: (length) => sent.push(length),
    onReadError: (error) => errors.push(error),
  });
  return { transport, queue, sent, errors };
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

test('reads no further ahead than the socket takes', () => {
  const { queue, transport, sent } = setUp();
  for (let n = 0; n < 500; n++) queue.add(0, 0, 16_384);
  queue.pump();
  assert.ok(transport.queued <= 1_048_576 + 2 * 16_397, `${transport.queued} bytes unsent`);
  const before = sent.length;
  transport.queued = 0;
  queue.pump();
  assert.ok(sent.length > before);
  while (queue.size > 0) {
    transport.queued = 0;
    queue.pump();
  }
  assert.equal(sent.length, 500);
});

test('a cancelled request is not served', () => {
  const { queue, sent } = setUp();
  queue.add(0, 0, 100);
  queue.add(0, 100, 200);
  assert.equal(queue.cancel(0, 0, 100), true);
  assert.equal(queue.cancel(0, 0, 100), false);
  queue.pump();
  assert.deepEqual(sent, [200]);
});

test('what is read for a peer that was choked meanwhile is not sent, and rejects name the rest', async () => {
  const reads: ((bytes: Uint8Array) => void)[] = [];
  const { queue, sent } = setUp({ read: () => new Promise((resolve) => reads.push(resolve)) });
  queue.add(0, 0, 100);
  queue.add(1, 0, 100);
  queue.pump();
  assert.equal(queue.clear().length, 2 * REQUEST_LENGTH);
  reads[0]!(new Uint8Array(100));
  await Promise.resolve();
  await Promise.resolve();
  assert.deepEqual(sent, []);
  queue.add(1, 0, 50);
  queue.pump();
  reads[1]!(new Uint8Array(50));
  await new Promise(setImmediate);
  assert.deepEqual(sent, [50]);
});

test('a block that cannot be read is told, once', async () => {
  const { queue, errors } = setUp({ read: () => Promise.reject(new Error('gone')) });
  queue.add(0, 0, 100);
  queue.pump();
  await new Promise(setImmediate);
  assert.equal(errors.length, 1);
});
