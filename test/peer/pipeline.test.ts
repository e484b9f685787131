import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RequestPipeline } from '../../src/peer/pipeline.js';

const BLOCK = 16_384;

/**
 * A peer that answers after `delayMs` at `perMs` bytes per ms, run for `forMs`. Returns the bytes that came in the last
 * second and the most requests in flight in that time.
 */
function simulate(pipeline: RequestPipeline, { delayMs = 0, perMs = 1000, forMs = 10_000 }) {
  const inFlight: { sentAt: number; dueAt: number }[] = [];
  let freeAt = 0;
  let lastSecond = 0;
  let most = 0;
  for (let now = 0; now < forMs; now++) {
    while (inFlight[0] && inFlight[0].dueAt <= now) {
      pipeline.received(BLOCK, inFlight.shift()!.sentAt, now);
      if (now >= forMs - 1000) lastSecond += BLOCK;
    }
    while (inFlight.length < pipeline.target) {
      freeAt = Math.max(freeAt, now + delayMs) + BLOCK / perMs;
      inFlight.push({ sentAt: now, dueAt: freeAt });
    }
    if (now >= forMs - 1000) most = Math.max(most, inFlight.length);
  }
  return { perSecond: lastSecond, most };
}

for (const [what, delayMs, perMs] of [
  ['a fast peer 100 ms away', 100, 200_000],
  ['a peer of 20 MB/s 180 ms away', 180, 20_000],
  ['a peer of 2 MB/s 50 ms away', 50, 2000],
  ['a peer of 50 KB/s 300 ms away', 300, 50],
] as const) {
  test(`${what} is kept busy without a long queue`, () => {
    const { perSecond, most } = simulate(new RequestPipeline(), { delayMs, perMs, forMs: 30_000 });
    assert.ok(perSecond > perMs * 1000 * 0.9 || perSecond > 3000 * BLOCK, `${perSecond} bytes per second`);
    const pathBlocks = ((delayMs + 20) * perMs) / BLOCK;
    const slackBlocks = Math.min(perMs * 400, 2 * 1024 * 1024) / BLOCK;
    assert.ok(most <= 2.5 * pathBlocks + slackBlocks + 16, `${most} requests in flight, the path holds ${pathBlocks}`);
  });
}

test('slow start fills a long path within ten round trips', () => {
  const pipeline = new RequestPipeline();
  simulate(pipeline, { delayMs: 100, perMs: 300_000, forMs: 1000 });
  assert.ok(pipeline.target * BLOCK > 20_000_000, `${pipeline.target} requests after a second`);
});

test('never more than the peer said it keeps', () => {
  const pipeline = new RequestPipeline();
  pipeline.limitTo(250);
  const { most } = simulate(pipeline, { delayMs: 100, perMs: 100_000 });
  assert.equal(most, 250);
});

test('a limit of zero is taken as one', () => {
  const pipeline = new RequestPipeline();
  pipeline.limitTo(0);
  assert.equal(pipeline.target, 1);
});

test('a very fast peer next door has little in flight, so that many of them fit in the cache', () => {
  const { perSecond, most } = simulate(new RequestPipeline(), { delayMs: 1, perMs: 100_000 });
  assert.ok(perSecond > 90_000_000, `${perSecond} bytes per second`);
  assert.ok(most * BLOCK < 640 * 1024, `${most} requests in flight`);
});

test('a peer that drops requests is asked for fewer, never for more than it said, and for more again as it brings', () => {
  const few = new RequestPipeline();
  few.limitTo(4);
  few.dropped();
  assert.equal(few.limit, 4);
  const many = new RequestPipeline();
  many.limitTo(500);
  for (let times = 0; times < 8; times++) many.dropped();
  assert.equal(many.limit, 16);
  for (let block = 1; block <= 100; block++) many.received(BLOCK, block, block + 1);
  assert.equal(many.limit, 116);
  for (let block = 1; block <= 1000; block++) many.received(BLOCK, block, block + 1);
  assert.equal(many.limit, 500);
});
