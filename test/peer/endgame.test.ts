import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Bitfield } from '../../src/common/bitfield.js';
import type { BlockFetcher } from '../../src/peer/fetcher.js';
import { hedge } from '../../src/peer/endgame.js';
import { RequestQueue } from '../../src/peer/requests.js';
import type { PieceAssembler } from '../../src/piece/assembler.js';

const NOW = 100_000;

/** A peer of so many bytes per second that owes `blocks`, as far as the endgame looks at one. */
function peer(perSecond: number, blocks: readonly number[] = [], silentMs = 10): BlockFetcher {
  const requests = new RequestQueue();
  for (const block of blocks) requests.add(block, NOW - silentMs);
  const have = new Bitfield(100);
  have.fill();
  const pipeline = { perSecond, roundTripMs: 10 };
  const isUseful = perSecond > 0;
  return { requests, have, pipeline, isUseful, lastBlockAtMs: NOW - silentMs, nowMs: NOW } as unknown as BlockFetcher;
}

function assembler(copies = new Map<number, number>()): PieceAssembler {
  return {
    indexOf: (block: number) => block,
    mayDuplicate: (block: number, most: number) => (copies.get(block) ?? 1) < most,
    duplicate: (block: number) => copies.set(block, (copies.get(block) ?? 1) + 1),
  } as unknown as PieceAssembler;
}

function hedged(idle: BlockFetcher, others: BlockFetcher[], most = 100, of = assembler()): number[] {
  const out: number[] = [];
  hedge(idle, [idle, ...others], of, most, out);
  return out;
}

test('a fast idle peer is asked for what a slow one owes, last first', () => {
  assert.deepEqual(hedged(peer(10_000_000), [peer(20_000, [1, 2, 3, 4])]), [4, 3, 2, 1]);
});

test('equals do not fetch each other’s blocks twice', () => {
  assert.deepEqual(hedged(peer(1_000_000), [peer(1_000_000, [1])]), []);
});

test('of a long queue only the part is taken that the idle peer brings sooner', () => {
  const blocks = Array.from({ length: 60 }, (_, block) => block);
  const taken = hedged(peer(1_000_000), [peer(1_000_000, blocks)]);
  assert.ok(taken.length > 10 && taken.length < 40, `${taken.length} of 60`);
  assert.equal(taken[0], 59);
});

test('a peer that has gone silent is not waited for, whatever its rate was', () => {
  assert.deepEqual(hedged(peer(50_000), [peer(10_000_000, [1, 2], 5000)]), [2, 1]);
});

test('the slowest is relieved first, and no more than there is room for is asked', () => {
  assert.deepEqual(hedged(peer(10_000_000), [peer(30_000, [1, 2]), peer(10_000, [3, 4])], 3), [4, 3, 2]);
});

test('a block is owed by three at most, and not twice by one', () => {
  const copies = new Map([[1, 3]]);
  const idle = peer(10_000_000, [2]);
  assert.deepEqual(hedged(idle, [peer(10_000, [1, 2, 3])], 100, assembler(copies)), [3]);
});

test('what the idle peer does not have is not asked of it', () => {
  const idle = peer(10_000_000);
  idle.have.delete(2);
  assert.deepEqual(hedged(idle, [peer(10_000, [1, 2])]), [1]);
});

test('three silent peers do not keep a block from a fourth', () => {
  const copies = new Map([[1, 3]]);
  const silent = [1, 2, 3].map(() => peer(0, [1], 5000));
  assert.deepEqual(hedged(peer(10_000_000), silent, 100, assembler(copies)), [1]);
  const brisk = [1, 2, 3].map(() => peer(10_000, [1]));
  assert.deepEqual(hedged(peer(10_000_000), brisk, 100, assembler(new Map([[1, 3]]))), []);
});

test('a crowd that has brought nothing leaves places for those that did, and who comes new is tried with one block', () => {
  const silent = [1, 2, 3].map(() => peer(0, [1, 2], 5000));
  const taken = (): Map<number, number> => new Map([1, 2].map((block) => [block, 3]));
  assert.deepEqual(hedged(peer(0), silent, 100, assembler(taken())), [2]);
  assert.deepEqual(hedged(peer(0, [3]), silent, 100, assembler(taken())), [], 'one that has had its trial');
  assert.deepEqual(hedged(peer(10_000, [3], 5000), silent, 100, assembler(taken())), [], 'one that hangs by now');
  assert.deepEqual(hedged(peer(10_000), silent, 100, assembler(taken())), [2, 1]);
  const crowded = assembler(new Map([1, 2].map((block) => [block, 43])));
  assert.deepEqual(hedged(peer(10_000), silent, 100, crowded), [2, 1], 'however many were tried');
  const untried = [1, 2, 3].map(() => peer(0, [2, 1], 50));
  const mixed = assembler(new Map([1, 2].map((block) => [block, 6])));
  assert.deepEqual(
    hedged(peer(10_000), [...silent, ...untried], 100, mixed),
    [2, 1],
    'who was just asked is no hope yet',
  );
  const brisk = [1, 2, 3].map(() => peer(10_000, [2, 1]));
  const owed = assembler(new Map([1, 2].map((block) => [block, 6])));
  assert.deepEqual(hedged(peer(10_000), [...silent, ...brisk], 100, owed), [], 'three are at it already');
});
