import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RequestQueue } from '../../src/peer/requests.js';

test('whatever is added and removed, the queue holds what a plain list would', () => {
  const step = fc.record({ block: fc.nat(200), isAdd: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 600 }), (steps) => {
      const queue = new RequestQueue();
      const model: { block: number; at: number }[] = [];
      steps.forEach(({ block, isAdd }, at) => {
        const found = model.findIndex((request) => request.block === block);
        if (isAdd && found < 0) {
          queue.add(block, at);
          model.push({ block, at });
        } else if (!isAdd) {
          assert.equal(queue.remove(block), found < 0 ? -1 : model[found]!.at);
          if (found >= 0) model.splice(found, 1);
        }
        assert.equal(queue.size, model.length);
        assert.equal(
          queue.has(block),
          model.some((request) => request.block === block),
        );
        assert.equal(queue.oldestMs, model[0]?.at ?? Infinity);
      });
      assert.deepEqual(
        queue.list(),
        model.map(({ block }) => block),
      );
      assert.deepEqual(
        queue.clear(),
        model.map(({ block }) => block),
      );
      assert.equal(queue.size, 0);
    }),
  );
});

test('a block that does not exist is not in the queue, whatever was taken out of it', () => {
  const requests = new RequestQueue();
  for (let block = 0; block < 8; block++) requests.add(block, block);
  requests.remove(3); // leaves a hole
  for (const block of [-1, -2, 3, 99]) assert.equal(requests.remove(block), -1);
  assert.equal(requests.size, 7);
});
