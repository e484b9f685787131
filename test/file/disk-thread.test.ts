import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DiskError } from '../../src/common/errors.js';
import { DiskThread, type Answer } from '../../src/file/disk-thread.js';
import { JOB } from '../../src/file/job-ring.js';
import { until } from '../helpers/until.js';

test('jobs that were answered, and that nobody takes, are stuck until they are taken', async () => {
  const thread = new DiskThread(() => undefined);
  const done = thread.control({ type: 'remove', id: 1 });
  const isStuck = (): boolean => thread.isStuck;
  assert.equal(isStuck(), false, 'it is the turn of the thread');
  const looks = new Int32Array(new SharedArrayBuffer(4));
  // No answer is taken while this thread sleeps.
  for (let look = 0; look < 500 && !isStuck(); look++) Atomics.wait(looks, 0, 0, 10);
  assert.equal(isStuck(), true);
  assert.deepEqual([thread.isUp, thread.busyMs], [false, 0], 'while it starts it is not busy');
  await done;
  assert.equal(isStuck(), false);
  assert.deepEqual([thread.isUp, thread.busyMs], [true, 0]);
  await thread.close();
});

test('a thread that was given up answers every job by an error, and is gone', async () => {
  const answers: Answer[] = [];
  const thread = new DiskThread((_kind, _torrent, _a, _b, answer) => answers.push(answer));
  for (let n = 0; n < 5000; n++) thread.post(JOB.check, 1, n, 1); // more than the ring holds
  thread.giveUp(new Error('nobody listens'));
  thread.post(JOB.check, 1, 1, 1);
  await until(() => answers.length === 5001);
  assert.equal(thread.isUp, false);
  for (const answer of answers) {
    assert.ok(answer instanceof DiskError);
    assert.equal(answer.message, 'a disk thread died: nobody listens');
  }
  assert.equal(thread.pending, 0);
  await thread.close();
});
