import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backoffMs } from '../../src/common/backoff.js';

test('the wait doubles up to the limit, give or take a quarter', () => {
  assert.deepEqual(
    [1, 2, 3, 4, 5, 2000].map((failures) => backoffMs(failures, 10, 70, () => 0.5)),
    [10, 20, 40, 70, 70, 70],
  );
  assert.equal(
    backoffMs(1, 1000, 5000, () => 0),
    750,
  );
  assert.equal(
    backoffMs(9, 1000, 5000, () => 1),
    6250,
  );
});
