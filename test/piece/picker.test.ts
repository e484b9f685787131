import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Bitfield } from '../../src/common/bitfield.js';
import { PiecePicker } from '../../src/piece/picker.js';

const randomOf = (seed: number) => (): number => (seed = (seed * 16_807) % 2_147_483_647) / 2_147_483_647;
const seeds = fc.integer({ min: 1, max: 1e9 });

function bitfieldOf(length: number, indexes: Iterable<number>): Bitfield {
  const bitfield = new Bitfield(length);
  for (const index of indexes) bitfield.add(index);
  return bitfield;
}

function full(length: number): Bitfield {
  const bitfield = new Bitfield(length);
  bitfield.fill();
  return bitfield;
}

function pickAll(picker: PiecePicker, have: Bitfield): number[] {
  const picks: number[] = [];
  for (let index = picker.pick(have); index >= 0; index = picker.pick(have)) picks.push(index);
  return picks;
}

/** The same picker in the plainest way: what a state is, and who has what, is looked up whenever it is asked. */
class Model {
  readonly states: ('wanted' | 'taken' | 'done')[];
  readonly peers: Bitfield[] = [];

  constructor(
    readonly pieceCount: number,
    readonly window = Infinity,
  ) {
    this.states = Array.from({ length: pieceCount }, () => 'wanted');
  }

  availability(index: number): number {
    return this.peers.filter((peer) => peer.has(index)).length;
  }

  wanted(have: Bitfield): number[] {
    return [...this.states.keys()].filter((index) => this.states[index] === 'wanted' && have.has(index));
  }

  /** The first piece of the window. */
  get first(): number {
    const first = this.states.findIndex((state) => state !== 'done');
    return first < 0 ? this.pieceCount : first;
  }

  candidates(have: Bitfield): number[] {
    const end = this.first + this.window;
    return this.wanted(have).filter((index) => index < end);
  }

  distributedCopies(): number {
    const all = this.states.map((_, index) => this.availability(index));
    const least = Math.min(...all);
    return least + all.filter((availability) => availability > least).length / all.length;
  }
}

const operations = fc.array(
  fc.record({
    kind: fc.constantFrom('add', 'add', 'seed', 'remove', 'have', 'have', 'pick', 'pick', 'pick', 'done', 'release'),
    at: fc.nat(),
    indexes: fc.array(fc.nat(), { maxLength: 60 }),
  }),
  { maxLength: 120 },
);

/** Does the same to a picker and to a model; `onPick` judges each pick. */
function play(
  pieceCount: number,
  steps: readonly { kind: string; at: number; indexes: readonly number[] }[],
  picker: PiecePicker,
  onPick: (index: number, candidates: number[], model: Model) => void,
  model = new Model(pieceCount),
): Model {
  for (const { kind, at, indexes } of steps) {
    const index = at % pieceCount;
    const peer = model.peers[at % Math.max(1, model.peers.length)];
    const state = model.states[index];
    if (kind === 'add' || kind === 'seed') {
      const have =
        kind === 'seed'
          ? full(pieceCount)
          : bitfieldOf(
              pieceCount,
              indexes.map((each) => each % pieceCount),
            );
      picker.addPeer(have);
      model.peers.push(have);
    } else if (kind === 'remove' && peer) {
      picker.removePeer(peer);
      model.peers.splice(model.peers.indexOf(peer), 1);
    } else if (kind === 'have' && peer) {
      for (const each of indexes) {
        const added = each % pieceCount;
        if (!peer.add(added)) continue;
        if (each % 2 === 0) picker.addHave(added);
        else picker.addHave(added, peer);
      }
    } else if (kind === 'done') {
      picker.markDone(index);
      model.states[index] = 'done';
    } else if (kind === 'release' && state === 'taken') {
      picker.release(index);
      model.states[index] = 'wanted';
    } else if (kind === 'pick' && peer) {
      const candidates = model.candidates(peer);
      assert.equal(picker.hasWanted(peer), model.wanted(peer).length > 0);
      const pick = picker.pick(peer);
      if (candidates.length === 0) assert.equal(pick, -1);
      else assert.ok(candidates.includes(pick), `${pick} is not wanted, or the peer lacks it`);
      onPick(pick, candidates, model);
      if (pick >= 0) model.states[pick] = 'taken';
    }
  }
  return model;
}

function assertSame(picker: PiecePicker, model: Model): void {
  for (let index = 0; index < model.pieceCount; index++) {
    assert.equal(picker.availability(index), model.availability(index), `availability of ${index}`);
  }
  assert.equal(picker.wantedCount, model.states.filter((state) => state === 'wanted').length);
  assert.ok(Math.abs(picker.distributedCopies() - model.distributedCopies()) < 1e-9);
}

test('the pick is one of the rarest wanted pieces that the peer has, whatever happened before', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 90 }), operations, seeds, (pieceCount, steps, seed) => {
      const picker = new PiecePicker(pieceCount, { random: randomOf(seed) });
      const end = play(pieceCount, steps, picker, (pick, candidates, model) => {
        if (pick < 0 || model.states.filter((state) => state === 'done').length < 4) return;
        const least = Math.min(...candidates.map((index) => model.availability(index)));
        assert.equal(model.availability(pick), least);
      });
      assertSame(picker, end);
    }),
    { numRuns: 400 },
  );
});

test('a sequential picker takes the first wanted piece that the peer has', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 90 }), operations, (pieceCount, steps) => {
      const picker = new PiecePicker(pieceCount, { sequential: true });
      const model = play(pieceCount, steps, picker, (pick, candidates) => {
        if (pick >= 0) assert.equal(pick, candidates[0]);
      });
      assertSame(picker, model);
    }),
    { numRuns: 400 },
  );
});

test('in a window its first sixteenth is picked in order, then the rarest, and nothing beyond its end', () => {
  const windows = fc.integer({ min: 1, max: 100 });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 90 }), windows, operations, (pieceCount, window, steps) => {
      const picker = new PiecePicker(pieceCount, { window });
      const onPick = (pick: number, candidates: number[], model: Model): void => {
        if (pick < 0) return;
        const urgent = candidates.filter((index) => index < model.first + Math.ceil(window / 16));
        const least = Math.min(...candidates.map((index) => model.availability(index)));
        const rarest = candidates.filter((index) => model.availability(index) === least);
        assert.equal(pick, urgent[0] ?? rarest[0]);
      };
      assertSame(picker, play(pieceCount, steps, picker, onPick, new Model(pieceCount, window)));
    }),
    { numRuns: 400 },
  );
});

test('a window moves when its first piece is done, however many were done before', () => {
  const picker = new PiecePicker(100_000, { window: 4 });
  const have = full(100_000);
  picker.addPeer(have);
  for (let index = 0; index < 99_001; index++) picker.markDone(index);
  assert.deepEqual(pickAll(picker, have), [99_001, 99_002, 99_003, 99_004]);
  picker.markDone(99_002);
  assert.equal(picker.pick(have), -1);
  picker.markDone(99_001);
  assert.deepEqual(pickAll(picker, have), [99_005, 99_006]);
  picker.release(99_003);
  assert.equal(picker.pick(have), 99_003);
});

test('a peer that has few of very many pieces gets each of them, once', () => {
  const pieceCount = 50_000;
  const few = fc.uniqueArray(fc.nat(pieceCount - 1), { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(few, few, seeds, fc.boolean(), (indexes, later, seed, sequential) => {
      const picker = new PiecePicker(pieceCount, { sequential, random: randomOf(seed) });
      const have = bitfieldOf(pieceCount, indexes);
      picker.addPeer(have);
      assert.deepEqual(new Set(pickAll(picker, have)), new Set(indexes));
      assert.equal(picker.hasWanted(have), false);
      const fresh = later.filter((index) => have.add(index));
      for (const index of fresh) picker.addHave(index, have);
      assert.deepEqual(new Set(pickAll(picker, have)), new Set(fresh));
      picker.release(indexes[0]!);
      assert.deepEqual(pickAll(picker, have), [indexes[0]]);
    }),
    { numRuns: 30 },
  );
});

test('a peer that has few pieces gives the rarer ones first', () => {
  const pieceCount = 50_000;
  const picker = new PiecePicker(pieceCount, { random: randomOf(5) });
  for (let index = 0; index < 4; index++) picker.markDone(index);
  picker.addPeer(
    bitfieldOf(
      pieceCount,
      Array.from({ length: 15 }, (_, index) => 1000 + index),
    ),
  );
  const have = bitfieldOf(pieceCount, [1001, 1002, 1003, 40_000]);
  picker.addPeer(have);
  assert.equal(picker.pick(have), 40_000);
});

test('a peer that was not added may pick all the same', () => {
  const picker = new PiecePicker(3000);
  const have = bitfieldOf(3000, [2999]);
  picker.removePeer(have);
  assert.equal(picker.pick(have), 2999);
  assert.equal(picker.pick(have), -1);
});

test('a peer that became a seed piece by piece leaves the same counts as one that came as a seed', () => {
  const picker = new PiecePicker(10);
  const have = new Bitfield(10);
  picker.addPeer(have);
  for (let index = 0; index < 10; index++) {
    have.add(index);
    picker.addHave(index);
  }
  picker.addPeer(full(10));
  assert.equal(picker.distributedCopies(), 2);
  picker.removePeer(have);
  assert.equal(picker.distributedCopies(), 1);
});

test('the first pieces are picked at random, the rarest come after four are done', () => {
  const picks = new Set<number>();
  for (let seed = 1; seed <= 200; seed++) {
    const picker = new PiecePicker(50, { random: randomOf(seed * 1000) });
    const common = bitfieldOf(
      50,
      Array.from({ length: 49 }, (_, index) => index),
    );
    const seedPeer = full(50);
    picker.addPeer(common);
    picker.addPeer(seedPeer);
    const first = picker.pick(seedPeer);
    picks.add(first);
    picker.release(first);
    for (let index = 0; index < 4; index++) picker.markDone(index);
    assert.equal(picker.pick(seedPeer), 49);
  }
  assert.ok(picks.size > 30, `${picks.size} different first pieces`);
});

test('among equally rare pieces every order comes up', () => {
  const orders = new Set<string>();
  for (let seed = 1; seed <= 300; seed++) {
    const picker = new PiecePicker(7, { random: randomOf(seed * 7919) });
    for (let index = 3; index < 7; index++) picker.markDone(index);
    const have = full(7);
    picker.addPeer(have);
    orders.add(pickAll(picker, have).join(''));
  }
  assert.equal(orders.size, 6);
});

test('a picker without pieces, or with all of them done, has nothing to give', () => {
  const empty = new PiecePicker(0);
  assert.equal(empty.pick(new Bitfield(0)), -1);
  assert.equal(empty.distributedCopies(), 0);
  const picker = new PiecePicker(3);
  for (let index = 0; index < 3; index++) picker.markDone(index);
  picker.release(1);
  assert.equal(picker.wantedCount, 0);
  assert.equal(picker.pick(full(3)), -1);
  assert.equal(picker.take(1), false);
});

test('more peers than were foreseen are counted', () => {
  const picker = new PiecePicker(20);
  const peers = Array.from({ length: 300 }, (_, peer) => bitfieldOf(20, [peer % 20, 0]));
  for (const peer of peers) picker.addPeer(peer);
  assert.equal(picker.availability(0), 300);
  assert.equal(picker.availability(7), 15);
  for (const peer of peers) picker.removePeer(peer);
  assert.equal(picker.distributedCopies(), 0);
});
