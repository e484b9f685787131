import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Bitfield } from '../../src/common/bitfield.js';
import { BLOCK_LENGTH } from '../../src/common/pieces.js';
import { PieceAssembler, type BlockTaker } from '../../src/piece/assembler.js';
import { Slots } from '../../src/piece/slots.js';

const MIB = 1024 * 1024;

class Peer implements BlockTaker {
  slot = -1;
  filling = 0;
  isSlow = false;
  readonly have: Bitfield;
  readonly owed: number[] = [];

  constructor(
    readonly id: number,
    pieceCount: number,
  ) {
    this.have = new Bitfield(pieceCount);
    this.have.fill();
  }
}

/** An assembler over pieces that are picked in order; full pieces wait in `full`. */
function setUp(layout: { pieceLength: number; totalLength: number }, budget = MIB) {
  const pieceCount = Math.ceil(layout.totalLength / layout.pieceLength);
  const wanted = new Set(Array.from({ length: pieceCount }, (_, index) => index));
  const done = new Set<number>();
  const full: [slot: number, index: number][] = [];
  const guilty: number[] = [];
  const slots = new Slots({ ...layout, pieceCount }, budget);
  const picker = {
    pick: (have: Bitfield): number => {
      for (const index of wanted) {
        if (!have.has(index)) continue;
        wanted.delete(index);
        return index;
      }
      return -1;
    },
    release: (index: number): void => void wanted.add(index),
    markDone: (index: number): void => void done.add(index),
  };
  const assembler = new PieceAssembler({ ...layout, pieceCount }, picker, slots, {
    onFull: (slot, index) => full.push([slot, index]),
    onGuilty: (peers) => guilty.push(...peers),
  });
  return { assembler, slots, pieceCount, wanted, done, full, guilty };
}

/** What the peer sends of a block: its own number, over and over. */
function deliver(assembler: PieceAssembler, peer: Peer, block: number): void {
  const place = assembler.open(peer.id, block);
  if (place < 0) return assembler.giveBack(peer.id, block);
  const length = assembler.lengthOf(block);
  assembler.slots.bytes.fill(peer.id, place, place + length);
  assembler.close(peer.id, block, true);
}

test('outside endgame no block is given out twice, and every piece is filled in the end', () => {
  const action = fc.record({
    peer: fc.nat(3),
    kind: fc.constantFrom('take', 'deliver', 'drop'),
    count: fc.integer({ min: 1, max: 9 }),
  });
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 400_000 }),
      fc.constantFrom(16_384, 32_768, 40_000, 65_536),
      fc.array(action),
      (totalLength, pieceLength, actions) => {
        const { assembler, done, full, pieceCount } = setUp({ totalLength, pieceLength }, 160_000);
        const peers = [1, 2, 3, 4].map((id) => new Peer(id, pieceCount));
        peers[3]!.isSlow = true;
        const owed = new Set<number>();
        const run = (peer: Peer, kind: string, count: number): void => {
          if (kind === 'take') {
            const blocks: number[] = [];
            assembler.takeBlocks(peer, count, blocks);
            for (const block of blocks) {
              assert.ok(!owed.has(block), `block ${block} was given out twice`);
              owed.add(block);
              peer.owed.push(block);
            }
          }
          for (let n = 0; kind !== 'take' && n < count && peer.owed.length > 0; n++) {
            const block = peer.owed.shift()!;
            owed.delete(block);
            if (kind === 'deliver') deliver(assembler, peer, block);
            else assembler.giveBack(peer.id, block);
          }
          for (const [slot, index] of full.splice(0)) assembler.written(slot, index, true);
        };
        for (const { peer, kind, count } of actions) run(peers[peer]!, kind, count);
        for (let rounds = 0; done.size < pieceCount; rounds++) {
          assert.ok(rounds < 10_000, 'the download never ends');
          for (const peer of peers) {
            run(peer, 'take', 9);
            run(peer, 'deliver', 9);
          }
        }
      },
    ),
    { numRuns: 300 },
  );
});

test('a peer finishes its own piece before it starts another, and orphaned pieces come first', () => {
  const { assembler, pieceCount } = setUp({ totalLength: 4 * 65_536, pieceLength: 65_536 });
  const [ann, bob] = [new Peer(1, pieceCount), new Peer(2, pieceCount)];
  const first: number[] = [];
  assembler.takeBlocks(ann, 2, first);
  assert.deepEqual(first, [0, 1]);
  const others: number[] = [];
  assembler.takeBlocks(bob, 2, others);
  assert.deepEqual(others, [4, 5], 'a fast peer has a piece of its own');
  assembler.leave(ann);
  for (const block of first) assembler.giveBack(ann.id, block);
  const rest: number[] = [];
  assembler.takeBlocks(bob, 6, rest);
  assert.deepEqual(rest, [6, 7, 0, 1, 2, 3]);
});

test('a slow peer helps with a piece that another has started', () => {
  const { assembler, pieceCount } = setUp({ totalLength: 4 * 65_536, pieceLength: 65_536 });
  const [fast, slow] = [new Peer(1, pieceCount), new Peer(2, pieceCount)];
  slow.isSlow = true;
  const blocks: number[] = [];
  assembler.takeBlocks(fast, 1, blocks);
  assembler.takeBlocks(slow, 2, blocks);
  assert.deepEqual(blocks, [0, 1]);
});

test('with no free slot no piece is started: that is the back-pressure', () => {
  const { assembler, pieceCount, full } = setUp({ totalLength: 64 * 65_536, pieceLength: 65_536 }, 4 * 65_536);
  const peer = new Peer(1, pieceCount);
  const blocks: number[] = [];
  assembler.takeBlocks(peer, 1000, blocks);
  assert.equal(blocks.length, 16);
  for (const block of blocks) deliver(assembler, peer, block);
  const more: number[] = [];
  assembler.takeBlocks(peer, 1000, more);
  assert.equal(more.length, 0, 'all slots wait for the disk');
  assembler.written(...full[0]!, true);
  assembler.takeBlocks(peer, 1000, more);
  assert.equal(more.length, 4);
});

test('two peers never write to one block at once; one that keeps its place too long loses it', () => {
  const { assembler, pieceCount, full } = setUp({ totalLength: 16_384, pieceLength: 16_384 });
  const slow = new Peer(1, pieceCount);
  assembler.takeBlocks(slow, 1, []);
  const place = assembler.open(1, 0);
  assert.equal(place, 0);
  assembler.duplicate(0);
  assert.equal(assembler.open(2, 0), -1, 'the place is taken');
  for (let n = 0; n < 100; n++) assembler.tick();
  assert.equal(assembler.open(2, 0), 0, 'the place was kept for too long');
  assert.equal(assembler.isOpen(1, 0), false);
  assert.equal(assembler.close(2, 0, true), true, 'the slow one still owes it');
  assert.deepEqual(full, [[0, 0]]);
  assert.equal(assembler.open(1, 0), -1, 'a late peer writes nowhere');
});

test('the sole sender of a corrupt piece is guilty at once', () => {
  const { assembler, pieceCount, full, guilty } = setUp({ totalLength: 65_536, pieceLength: 65_536 });
  const liar = new Peer(7, pieceCount);
  const blocks: number[] = [];
  assembler.takeBlocks(liar, 4, blocks);
  for (const block of blocks) deliver(assembler, liar, block);
  assembler.written(...full.pop()!, false);
  assert.deepEqual(guilty, [7]);
});

test('of several senders only those are guilty whose blocks differ from what passed', () => {
  const { assembler, pieceCount, full, guilty, wanted } = setUp({ totalLength: 65_536, pieceLength: 65_536 });
  const [honest, liar] = [new Peer(1, pieceCount), new Peer(2, pieceCount)];
  const blocks: number[] = [];
  assembler.takeBlocks(honest, 3, blocks);
  const lies: number[] = [];
  assembler.takeBlocks(liar, 1, lies);
  for (const block of blocks) deliver(assembler, honest, block);
  for (const block of lies) deliver(assembler, liar, block);
  assembler.written(...full.pop()!, false);
  assert.deepEqual(guilty, [], 'nobody is known to be guilty yet');
  assert.deepEqual([...wanted], [0]);
  const again: number[] = [];
  assembler.takeBlocks(honest, 1, again);
  const none: number[] = [];
  assembler.takeBlocks(liar, 4, none);
  assert.deepEqual(none, [], 'a suspicious piece is fetched by one peer alone');
  assembler.takeBlocks(honest, 4, again);
  for (const block of again) deliver(assembler, honest, block);
  assembler.written(...full.pop()!, true);
  assert.deepEqual(guilty, [2]);
});

test('who has a failed piece alone and does not bring it gives way, and nothing of it is mixed with what he brought', () => {
  const { assembler, pieceCount, full, guilty } = setUp({ totalLength: 65_536, pieceLength: 65_536 });
  const [honest, liar] = [new Peer(1, pieceCount), new Peer(2, pieceCount)];
  const take = (peer: Peer, most = 4): number[] => {
    const blocks: number[] = [];
    assembler.takeBlocks(peer, most, blocks);
    return blocks;
  };
  const wait = (ticks: number): void => {
    for (let tick = 0; tick < ticks; tick++) assembler.tick();
  };
  const [first, ...others] = [...take(liar, 1), ...take(honest, 3)];
  deliver(assembler, liar, first!);
  for (const block of others) deliver(assembler, honest, block);
  assembler.written(...full.pop()!, false);

  const [late, lie] = take(liar);
  deliver(assembler, liar, lie!);
  wait(29);
  assert.deepEqual(take(honest), []);
  assert.equal(assembler.mayDuplicate(late!, 8), false, 'nor is he helped by the endgame');
  wait(1);
  const all = take(honest);
  assert.equal(all.length, 4, 'all of it is fetched afresh');
  deliver(assembler, liar, late!);
  wait(59);
  assert.deepEqual(take(liar), [], 'who has had his try waits twice as long');
  for (const block of all) deliver(assembler, honest, block);
  assert.deepEqual([...assembler.slots.senders(full[0]![0])], [1, 1, 1, 1]);
  assembler.written(...full.pop()!, true);
  assert.deepEqual(guilty, [2]);
});

test('block numbers, offsets and lengths agree, also for the short last piece', () => {
  const { assembler } = setUp({ totalLength: 2 * 40_000 + 20_001, pieceLength: 40_000 });
  assert.equal(assembler.blocksPerPiece, 3);
  const seen = [0, 1, 2, 3, 6, 7].map((block) => [
    assembler.indexOf(block),
    assembler.beginOf(block),
    assembler.lengthOf(block),
  ]);
  assert.deepEqual(seen, [
    [0, 0, BLOCK_LENGTH],
    [0, BLOCK_LENGTH, BLOCK_LENGTH],
    [0, 32_768, 7232],
    [1, 0, BLOCK_LENGTH],
    [2, 0, BLOCK_LENGTH],
    [2, BLOCK_LENGTH, 3617],
  ]);
});

test('full pieces that are held for their turn do not keep others from starting, but those at the threads do', () => {
  const slots = new Slots({ pieceLength: MIB, totalLength: 100 * MIB, pieceCount: 100 }, 64 * MIB);
  const fill = (index: number): number => {
    const slot = slots.start(index);
    for (let block = 0; block < slots.blocksPerSlot; block++) {
      slots.request(slot);
      slots.receive(slot, block, 1);
    }
    return slot;
  };
  const full = Array.from({ length: 16 }, (_, index) => fill(index));
  assert.equal(slots.mayStart, false);
  slots.hold(full[0]!);
  assert.equal(slots.mayStart, true);
  full.push(fill(16));
  assert.equal(slots.mayStart, false);
  slots.free(full[0]!);
  assert.equal(slots.mayStart, false);
  slots.free(full[1]!);
  assert.equal(slots.mayStart, true);
  for (const slot of full.slice(2)) slots.hold(slot);
  for (let index = 17; index < 17 + 64 - 15; index++) slots.hold(fill(index));
  assert.equal(slots.mayStart, false, 'all slots are taken');
});

test('pieces that nobody brings any more give way, when they have taken all memory, to one that a peer has', () => {
  const layout = { pieceLength: 2 * BLOCK_LENGTH, totalLength: 12 * BLOCK_LENGTH };
  const { assembler, slots, full, wanted } = setUp(layout, 4 * 2 * BLOCK_LENGTH);
  assert.equal(slots.count, 4);
  for (let index = 0; index < 4; index++) {
    const leaver = new Peer(index + 1, 6);
    for (let other = 0; other < 6; other++) if (other !== index) leaver.have.delete(other);
    const owed: number[] = [];
    assembler.takeBlocks(leaver, 2, owed);
    if (index !== 2) deliver(assembler, leaver, owed.shift()!); // of piece 2 nothing came
    for (const block of owed) assembler.giveBack(leaver.id, block);
    assembler.leave(leaver);
  }
  const holder = new Peer(9, 6);
  for (let index = 0; index < 4; index++) holder.have.delete(index);
  const owed: number[] = [];
  assembler.takeBlocks(holder, 2, owed);
  assert.deepEqual(
    owed.map((block) => assembler.indexOf(block)),
    [4, 4],
  );
  assert.deepEqual([...wanted].sort(), [2, 5], 'piece 2 is to be fetched anew');
  for (const block of owed) deliver(assembler, holder, block);
  assert.equal(full.length, 1);

  const nobody = new Peer(10, 6);
  for (let index = 0; index < 6; index++) nobody.have.delete(index);
  const none: number[] = [];
  assembler.takeBlocks(nobody, 2, none);
  assert.deepEqual([none, [...wanted].sort()], [[], [2, 5]], 'for nothing, nothing is given up');
});
