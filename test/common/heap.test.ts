import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Heap, type HeapItem } from '../../src/common/heap.js';

test('whatever is put in and taken out, the first is the one of least rank', () => {
  const steps = fc.array(fc.record({ remove: fc.boolean(), rank: fc.integer({ min: -20, max: 20 }), at: fc.nat() }));
  fc.assert(
    fc.property(steps, (all) => {
      const heap = new Heap<HeapItem>();
      const model: HeapItem[] = [];
      for (const { remove, rank, at } of all) {
        const victim = model[at % Math.max(1, model.length)];
        if (remove && victim) {
          heap.remove(victim);
          model.splice(model.indexOf(victim), 1);
          assert.equal(victim.heapIndex, -1);
          heap.remove(victim); // no harm
        } else {
          const item = { rank, heapIndex: -1 };
          heap.push(item);
          model.push(item);
        }
        assert.equal(heap.size, model.length);
        assert.equal(heap.first?.rank, model.length > 0 ? Math.min(...model.map((item) => item.rank)) : undefined);
      }
    }),
    { numRuns: 300 },
  );
});
