import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Senders } from '../../src/peer/senders.js';

const nobody = (): ReadonlySet<number> => new Set();
const addressOf = (id: number): { host: string; port: number } => ({ host: '192.0.2.1', port: id });

test('where a sender was is known after it has left, and told once; who brought nothing is forgotten', () => {
  const senders = new Senders();
  for (const id of [1, 2]) senders.add(id, addressOf(id));
  senders.left(1, true, nobody);
  senders.left(2, false, nobody);
  assert.deepEqual([senders.take(1), senders.take(1), senders.take(2)], [addressOf(1), undefined, undefined]);
});

test('of too many senders those are forgotten who left longest ago, and none that is there', () => {
  const senders = new Senders();
  const present = new Set([7]);
  for (let id = 1; id <= 20_001; id++) senders.add(id, addressOf(id));
  senders.left(20_001, true, () => present);
  assert.deepEqual([senders.take(7), senders.take(20_001)], [addressOf(7), addressOf(20_001)]);
  assert.deepEqual([senders.take(6), senders.take(10_001)], [undefined, undefined]);
});
