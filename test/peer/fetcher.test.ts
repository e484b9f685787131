import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Bitfield } from '../../src/common/bitfield.js';
import { Bucket } from '../../src/common/bucket.js';
import { BLOCK_LENGTH } from '../../src/common/pieces.js';
import { BlockFetcher } from '../../src/peer/fetcher.js';
import { MESSAGE, readUint32, REQUEST_LENGTH } from '../../src/peer/wire.js';
import { PieceAssembler } from '../../src/piece/assembler.js';
import { PiecePicker } from '../../src/piece/picker.js';
import { Slots } from '../../src/piece/slots.js';
import { FakeClock } from '../tracker/fakes.js';

const PIECES = 64;
const LAYOUT = { pieceLength: 16 * BLOCK_LENGTH, pieceCount: PIECES, totalLength: PIECES * 16 * BLOCK_LENGTH };

/** A fetcher with all pieces to get from a peer that has them, and what it sends. */
function openFetcher(downloadLimit?: Bucket, layout = LAYOUT) {
  const picker = new PiecePicker(layout.pieceCount, { random: () => 0 });
  const full: (() => void)[] = [];
  const disk = { isFast: true };
  const assembler = new PieceAssembler(layout, picker, new Slots(layout), {
    onFull: (slot, index) => {
      const write = (): void => assembler.written(slot, index, true);
      if (disk.isFast) write();
      else full.push(write);
    },
    onGuilty: () => undefined,
  });
  const have = new Bitfield(layout.pieceCount);
  have.fill();
  picker.addPeer(have);
  const sent: { id: number; index: number; begin: number }[] = [];
  let starved = 0;
  const payload = { received: 0, wasted: 0, blocks: 0 };
  const context = {
    assembler,
    downloadLimit,
    onDuplicate: () => undefined,
    onStarving: () => starved++,
    onPayload: (received: number, wasted: number) => {
      payload.received += received;
      payload.wasted += wasted;
    },
    onBlock: () => payload.blocks++,
  };
  const fetcher = new BlockFetcher(1, have, context, 0, (bytes) => {
    for (let at = 0; at < bytes.length; at += REQUEST_LENGTH) {
      sent.push({ id: bytes[at + 4]!, index: readUint32(bytes, at + 5), begin: readUint32(bytes, at + 9) });
    }
  });
  const bring = ({ index, begin }: { index: number; begin: number }): void => {
    fetcher.onBlock(index, begin, BLOCK_LENGTH);
    fetcher.onBlockBytes(new Uint8Array(BLOCK_LENGTH), 0, BLOCK_LENGTH);
    fetcher.onBlockEnd();
  };
  return { fetcher, sent, bring, payload, disk, full, starved: () => starved };
}

test('a reject that answers a cancel does not touch the same block asked for again', () => {
  const { fetcher, sent } = openFetcher();
  fetcher.fill();
  const [first] = sent.splice(0);
  fetcher.cancel(first!.index * 16 + first!.begin / BLOCK_LENGTH);
  assert.deepEqual(sent.splice(0), [{ ...first, id: MESSAGE.cancel }]);
  fetcher.requests.add(first!.index * 16 + first!.begin / BLOCK_LENGTH, 0);
  const owed = fetcher.requests.size;
  fetcher.onReject(first!.index, first!.begin); // of the cancelled one
  assert.equal(fetcher.requests.size, owed);
  fetcher.onReject(first!.index, first!.begin);
  assert.equal(fetcher.requests.size, owed - 1);
});

test('many rejects at once hold requests back as one does', () => {
  const { fetcher, sent } = openFetcher();
  fetcher.fill();
  const asked = sent.splice(0);
  for (const { index, begin } of asked) fetcher.onReject(index, begin);
  assert.equal(fetcher.requests.size, 0);
  fetcher.nowMs = 50;
  fetcher.fill();
  assert.deepEqual(sent, [], 'not at once');
  fetcher.nowMs = 150;
  fetcher.fill();
  assert.notDeepEqual(sent, [], 'but soon');
  for (const { index, begin } of sent.splice(0)) fetcher.onReject(index, begin);
  fetcher.nowMs = 300;
  fetcher.fill();
  assert.equal(sent.length, 0, 'longer the second time');
});

for (const [what, everyMs, isTrimmed] of [
  ['is left to bring what it owes', 1, false],
  ['has the last of it taken back', 60, true],
] as const) {
  test(`a peer that was fast and brings a block in ${everyMs} ms now ${what}`, () => {
    const { fetcher, sent, bring } = openFetcher();
    const owed: { index: number; begin: number }[] = [];
    const cancels: object[] = [];
    const runFor = (ms: number, brings: (now: number) => number): void => {
      for (const end: number = fetcher.nowMs + ms; fetcher.nowMs < end; fetcher.nowMs++) {
        for (const block of owed.splice(0, brings(fetcher.nowMs))) bring(block);
        fetcher.fill();
        for (const { id, ...block } of sent.splice(0)) {
          if (id === MESSAGE.request) owed.push(block);
          else cancels.push(block);
        }
      }
    };
    fetcher.nowMs = 1;
    runFor(25, () => 16);
    assert.ok(owed.length > 100, `${owed.length} blocks in flight`);
    runFor(2000, (now) => (now % everyMs === 0 ? 1 : 0));
    assert.equal(cancels.length > 0, isTrimmed, `${cancels.length} cancels`);
  });
}

test('a peer that keeps fewer requests than it owes is asked for no more than that', () => {
  const { fetcher, sent } = openFetcher();
  fetcher.fill();
  sent.length = 0;
  fetcher.pipeline.limitTo(4);
  fetcher.fill();
  assert.ok(sent.length > 0 && sent.every(({ id }) => id === MESSAGE.cancel));
  assert.equal(fetcher.requests.size, 4);
});

test('rejects of blocks that do not exist release nothing', () => {
  const { fetcher, sent, bring } = openFetcher();
  fetcher.fill();
  const [, second] = sent.splice(0);
  bring(second!); // out of order: leaves a hole
  const owed = fetcher.requests.size;
  for (let times = 0; times < 2 * owed; times++) fetcher.onReject(0xffffffff, 0);
  assert.equal(fetcher.requests.size, owed);
});

test('a snubbed peer is not asked for what others owe, and when it last brought a block stays known', () => {
  const { fetcher, sent, bring, starved } = openFetcher();
  fetcher.nowMs = 10;
  fetcher.fill();
  bring(sent[0]!);
  fetcher.nowMs = 30_000;
  assert.ok(fetcher.tick());
  assert.equal(fetcher.lastBlockAtMs, 10);
  assert.equal(fetcher.tick(), false, 'told once');
  for (let index = 0; index < PIECES; index++) fetcher.have.delete(index);
  const before = starved();
  fetcher.requests.clear();
  fetcher.fill();
  assert.equal(starved(), before);
});

test('a choke in answer to requests holds the next ones back, ever longer, until a block comes', () => {
  const { fetcher, sent, bring } = openFetcher();
  let asked = 0;
  for (let round = 0; round < 100; round++) {
    fetcher.onChoke();
    fetcher.fill();
    asked += sent.splice(0).length > 0 ? 1 : 0;
    fetcher.nowMs += 10;
  }
  assert.ok(asked <= 5, `asked ${asked} times in a second`);
  fetcher.nowMs += 60_000;
  fetcher.fill();
  bring(sent.splice(0)[0]!);
  fetcher.onChoke();
  fetcher.nowMs += 150;
  fetcher.fill();
  assert.ok(sent.length > 0);
});

test('the part of a block whose rest never comes is counted as wasted, and is no progress', () => {
  const { fetcher, sent, payload } = openFetcher();
  fetcher.fill();
  const { index, begin } = sent[0]!;
  fetcher.onBlock(index, begin, BLOCK_LENGTH);
  fetcher.onBlockBytes(new Uint8Array(1000), 0, 1000);
  fetcher.close();
  assert.deepEqual(payload, { received: 1000, wasted: 1000, blocks: 0 });
});

test('under a limit no more is asked for than comes free, and nothing else is owed', async () => {
  const clock = new FakeClock();
  const { fetcher, sent, bring } = openFetcher(new Bucket(BLOCK_LENGTH, clock));
  fetcher.nowMs = clock.now();
  fetcher.fill();
  for (let second = 1; second <= 120; second++) {
    await clock.advance(1000);
    assert.ok(sent.length <= 1, 'a block in a second');
    fetcher.nowMs = clock.now();
    for (const request of sent.splice(0)) bring(request);
    assert.equal(fetcher.requests.size, 0);
    assert.equal(fetcher.tick(), false, 'it is not snubbed for our slowness');
    fetcher.fill();
  }
  fetcher.close();
  assert.equal(clock.timers, 0);
});

test('under a limit a peer that brings nothing is asked for next to nothing', async () => {
  const clock = new FakeClock();
  const limit = new Bucket(4 * BLOCK_LENGTH, clock);
  const { fetcher } = openFetcher(limit);
  for (let steps = 0; steps < 150; steps++) {
    fetcher.nowMs = clock.now();
    fetcher.fill();
    await clock.advance(100);
  }
  assert.equal(fetcher.requests.size, 2);
  assert.equal(limit.isInLine(fetcher), false);
});

test('what a peer that chokes us still owed is not paid for, unless it comes all the same', async () => {
  const clock = new FakeClock();
  const limit = new Bucket(BLOCK_LENGTH, clock);
  const { fetcher, sent, bring } = openFetcher(limit);
  fetcher.nowMs = clock.now();
  fetcher.fill();
  await clock.advance(50);
  assert.equal(sent.length, 1);
  const free = (): number => limit.ask({ onTurn: () => undefined });
  fetcher.onChoke();
  assert.ok(free() > 0, 'given back');
  bring(sent[0]!);
  assert.equal(free(), 0, 'taken after all');
});

test('while the disk does not keep up nothing is asked for twice, and all goes on once it does', () => {
  const pieceCount = 400;
  const { fetcher, sent, bring, disk, full, starved } = openFetcher(undefined, {
    ...LAYOUT,
    pieceCount,
    totalLength: pieceCount * LAYOUT.pieceLength,
  });
  disk.isFast = false;
  const fetchAll = (): void => {
    fetcher.fill();
    while (sent.length > 0) {
      for (const request of sent.splice(0)) bring(request);
      fetcher.fill();
    }
  };
  fetchAll();
  assert.ok(full.length >= (16 * 2 ** 20) / LAYOUT.pieceLength && full.length < 100, `${full.length} pieces`);
  assert.equal(starved(), 0);
  disk.isFast = true;
  for (const write of full) write();
  fetchAll();
  assert.ok(starved() > 0, 'at the end others are asked');
});
