import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Tiers } from '../../src/tracker/tiers.js';

const tiersOfNumbers = fc.array(fc.array(fc.nat(), { maxLength: 6 }), { maxLength: 5 }).map((tiers) => {
  let id = 0;
  return tiers.map((tier) => tier.map(() => id++));
});
const randomOf = (seed: number) => (): number => (seed = (seed * 16_807) % 2_147_483_647) / 2_147_483_647;

test('shuffling keeps each tracker in its tier, and the tiers in order', () => {
  fc.assert(
    fc.property(tiersOfNumbers, fc.integer({ min: 1, max: 1e9 }), (tiers, seed) => {
      const order = [...new Tiers(tiers, randomOf(seed))];
      let start = 0;
      for (const tier of tiers) {
        const part = order.slice(start, (start += tier.length));
        assert.deepEqual(
          part.sort((a, b) => a - b),
          tier,
        );
      }
      assert.equal(start, order.length);
    }),
  );
});

test('every order of a tier comes up', () => {
  const random = randomOf(42);
  const orders = new Set(Array.from({ length: 300 }, () => [...new Tiers([[1, 2, 3]], random)].join('')));
  assert.equal(orders.size, 6);
});

test('whoever works moves to the front of its tier, and nobody else changes places', () => {
  fc.assert(
    fc.property(tiersOfNumbers, fc.array(fc.nat(30)), (tiers, promotions) => {
      const subject = new Tiers(tiers, () => 0.999_999); // leaves all in place
      const model = tiers.map((tier) => [...tier]);
      assert.deepEqual([...subject], model.flat());
      for (const tracker of promotions) {
        subject.promote(tracker);
        const tier = model.find((members) => members.includes(tracker));
        tier?.sort((a, b) => Number(b === tracker) - Number(a === tracker));
        assert.deepEqual([...subject], model.flat());
      }
    }),
  );
});

test('a walk under way keeps its order when somebody is promoted', () => {
  const tiers = new Tiers([['a', 'b', 'c']], () => 0.999_999);
  const walked: string[] = [];
  for (const tracker of tiers) {
    walked.push(tracker);
    tiers.promote('c');
  }
  assert.deepEqual(walked, ['a', 'b', 'c']);
});
