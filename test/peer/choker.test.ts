import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { slotsWithin, Choker, type ChokeCandidate } from '../../src/peer/choker.js';

const randomOf = (seed: number) => (): number => (seed = (seed * 16_807) % 2_147_483_647) / 2_147_483_647;

function candidate(id: number, fields: Partial<ChokeCandidate> = {}): ChokeCandidate {
  return {
    id,
    isUnchoked: false,
    peerInterested: true,
    downloadPerSecond: 0,
    uploadPerSecond: 0,
    isSnubbed: false,
    connectedAtMs: 0,
    weAreSeeding: false,
    ...fields,
  };
}

const crowd = (count: number, fieldsOf: (id: number) => Partial<ChokeCandidate> = () => ({})): ChokeCandidate[] =>
  Array.from({ length: count }, (_, at) => candidate(at + 1, fieldsOf(at + 1)));

/** Rechokes every 10 s and does as it is told; gives who was unchoked each time. */
function run(choker: Choker, peers: readonly ChokeCandidate[], rounds: number, from = 100_000): Set<number>[] {
  const results: Set<number>[] = [];
  let unchoked = new Set<number>();
  for (let round = 0; round < rounds; round++) {
    const now = peers.map((peer) => ({ ...peer, isUnchoked: unchoked.has(peer.id) }));
    results.push((unchoked = choker.rechoke(now, from + round * 10_000)));
  }
  return results;
}

test('while downloading, those who give most are unchoked, and one more', () => {
  const peers = crowd(20, (id) => ({ downloadPerSecond: id * 1000 }));
  const unchoked = new Choker().rechoke(peers, 100_000);
  assert.equal(unchoked.size, 9);
  for (let id = 13; id <= 20; id++) assert.ok(unchoked.has(id));
});

test('before data flows the slots go to whoever is interested', () => {
  const unchoked = new Choker().rechoke(
    crowd(20, (id) => ({ peerInterested: id > 15 })),
    0,
  );
  assert.deepEqual(unchoked, new Set([16, 17, 18, 19, 20]));
});

test('a snubbed peer gets no regular slot, only the optimistic one', () => {
  const snubbed = crowd(5, () => ({ isSnubbed: true, downloadPerSecond: 1e6 }));
  const unchoked = new Choker().rechoke([...snubbed, candidate(100)], 0);
  assert.equal(unchoked.size, 2);
  assert.ok(unchoked.has(100));
  const seeding = snubbed.map((peer) => ({ ...peer, weAreSeeding: true }));
  assert.equal(new Choker().rechoke(seeding, 0).size, 5); // a seed is owed nothing
});

test('the optimistic unchoke stays for 30 s, and then another gets it', () => {
  for (let seed = 1; seed < 20; seed++) {
    const peers = crowd(20, (id) => ({ downloadPerSecond: id <= 8 ? 1000 : 0, isSnubbed: id > 8 }));
    const rounds = run(new Choker({ random: randomOf(seed * 991) }), peers, 12);
    const optimistic = rounds.map((unchoked) => [...unchoked].filter((id) => id > 8));
    for (const [round, ids] of optimistic.entries()) {
      assert.equal(ids.length, 1);
      if (round > 0) assert.equal(ids[0] === optimistic[round - 1]![0], round % 3 !== 0, `round ${round}`);
    }
  }
});

test('an optimistic peer that earns a regular slot makes room for another at once', () => {
  const choker = new Choker({ slots: 1 });
  const peers = [candidate(1, { downloadPerSecond: 10 }), candidate(2), candidate(3)];
  const [first] = run(choker, peers, 1);
  const chosen = [...first!].find((id) => id !== 1)!;
  const better = peers.map((peer) => (peer.id === chosen ? { ...peer, downloadPerSecond: 99 } : peer));
  const second = choker.rechoke(better, 110_000);
  assert.equal(second.size, 2);
  assert.ok(second.has(chosen));
});

test('a new peer is three times as likely to be tried as an old one', () => {
  const random = randomOf(12_345);
  let newcomers = 0;
  for (let run = 0; run < 4000; run++) {
    const peers = crowd(10, (id) => ({ isSnubbed: true, connectedAtMs: id === 10 ? 990_000 : 0 }));
    if (new Choker({ random }).rechoke(peers, 1_000_000).has(10)) newcomers++;
  }
  assert.ok(Math.abs(newcomers / 4000 - 3 / 12) < 0.03, `${newcomers} of 4000`);
});

test('while seeding everyone gets a turn', () => {
  const peers = crowd(40, (id) => ({ weAreSeeding: true, uploadPerSecond: id * 1000 }));
  const rounds = run(new Choker({ random: randomOf(3) }), peers, 60);
  const turns = new Map<number, number>();
  for (const unchoked of rounds) for (const id of unchoked) turns.set(id, (turns.get(id) ?? 0) + 1);
  assert.equal(turns.size, 40);
  for (const [id, count] of turns) assert.ok(count >= 6, `${id} had ${count} rounds of 60`);
});

test('while seeding nobody loses a slot that nobody waits for', () => {
  const rounds = run(
    new Choker(),
    crowd(9, () => ({ weAreSeeding: true })),
    30,
  );
  for (const unchoked of rounds) assert.equal(unchoked.size, 9);
});

test('peers that give nothing take turns too', () => {
  const rounds = run(new Choker({ slots: 2, random: randomOf(9) }), crowd(6), 24);
  assert.equal(new Set(rounds.flatMap((unchoked) => [...unchoked])).size, 6);
});

test('a peer is unchoked at once as long as a slot is free', () => {
  const choker = new Choker({ slots: 3 });
  const held = crowd(3, (id) => ({ isUnchoked: true, peerInterested: id !== 2 }));
  assert.equal(choker.mayUnchoke([...held, candidate(9)]), true);
  assert.equal(choker.mayUnchoke([...held, candidate(8, { isUnchoked: true }), candidate(9)]), false);
  assert.equal(choker.mayUnchoke([candidate(9)]), true);
});

test('never more than the slots and one, never one that is not interested, never fewer than could be', () => {
  const peers = fc.array(
    fc.record({
      isUnchoked: fc.boolean(),
      peerInterested: fc.boolean(),
      downloadPerSecond: fc.nat(5),
      uploadPerSecond: fc.nat(5),
      isSnubbed: fc.boolean(),
      connectedAtMs: fc.nat(100_000),
    }),
    { maxLength: 30 },
  );
  const rounds = fc.array(fc.record({ peers, gap: fc.nat(40_000), weAreSeeding: fc.boolean() }), { maxLength: 8 });
  fc.assert(
    fc.property(rounds, fc.integer({ min: 1, max: 1e9 }), (all, seed) => {
      const choker = new Choker({ slots: 4, random: randomOf(seed) });
      let now = 100_000;
      for (const { peers: fields, gap, weAreSeeding } of all) {
        const list = fields.map((each, id) => candidate(id, { ...each, weAreSeeding }));
        const unchoked = choker.rechoke(list, (now += gap));
        for (const id of unchoked) assert.ok(list[id]!.peerInterested);
        const interested = list.filter((peer) => peer.peerInterested);
        const regular = Math.min(4, interested.filter((peer) => weAreSeeding || !peer.isSnubbed).length);
        assert.equal(unchoked.size, regular + (interested.length > regular ? 1 : 0));
      }
    }),
    { numRuns: 300 },
  );
});

test('a small upload limit is for few peers, for a block has to arrive before they give up', () => {
  assert.deepEqual([undefined, 10 ** 9, 16_384, 8192, 1024].map(slotsWithin), [8, 8, 8, 4, 1]);
});
