import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DiskError, NoSourceError } from '../../src/common/errors.js';
import { diskError, systemError } from '../../src/file/disk-error.js';
import { isDiskFull, PiecesWithoutRoom, untilRoom } from '../../src/file/room.js';

const full = diskError('write', 'x', systemError('ENOSPC', 'x'));

test('a full disk, a used up quota and too little free space are mended by room, and nothing else is', () => {
  assert.ok(isDiskFull(full));
  assert.ok(isDiskFull(diskError('write', 'x', systemError('EDQUOT', 'x'))));
  assert.ok(isDiskFull(new DiskError('ERR_NO_SPACE', 'x')));
  for (const code of ['EFBIG', 'EIO', 'EROFS', 'EACCES']) {
    assert.ok(!isDiskFull(diskError('write', 'x', systemError(code, 'x'))), code);
  }
  for (const other of [1, new Error('x'), new NoSourceError('ERR_NO_SOURCE', 'x')]) assert.ok(!isDiskFull(other));
});

test('of the pieces without room one is tried at a time; when it gets through the others follow', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const written: number[] = [];
  const changes: (string | undefined)[] = [];
  const pieces = new PiecesWithoutRoom(
    (slot, index) => written.push(slot * 10 + index),
    (error) => changes.push(error?.code),
  );
  pieces.wrote(); // as most of the time
  assert.deepEqual([pieces.isWaiting, changes], [false, []]);
  pieces.add(1, 1, full);
  pieces.add(2, 2, full);
  pieces.add(3, 3, full);
  assert.deepEqual([pieces.isWaiting, changes, written], [true, ['ERR_DISK_FULL'], []]);
  t.mock.timers.tick(2000);
  assert.deepEqual(written, [11]);
  t.mock.timers.tick(6000);
  assert.deepEqual([pieces.isWaiting, written], [true, [11]], 'a disk that takes its time');
  pieces.answered(1);
  pieces.add(1, 1, full); // no luck
  t.mock.timers.tick(2000);
  assert.deepEqual(written, [11, 22]);
  pieces.answered(2);
  pieces.wrote();
  assert.deepEqual(written, [11, 22, 33, 11]);
  assert.deepEqual([pieces.isWaiting, changes], [false, ['ERR_DISK_FULL', undefined]]);
  t.mock.timers.tick(10_000);
  assert.equal(written.length, 4);
});

test('nothing is waited for once no piece is left that could be tried', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const pieces = new PiecesWithoutRoom(
    () => undefined,
    () => undefined,
  );
  pieces.add(1, 1, full);
  t.mock.timers.tick(2000);
  pieces.answered(1);
  assert.ok(pieces.isWaiting);
  t.mock.timers.tick(2000); // it was wrong when it was hashed again, say
  assert.ok(!pieces.isWaiting);
});

test('one that is closed tries no more', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const written: number[] = [];
  const pieces = new PiecesWithoutRoom(
    (slot) => written.push(slot),
    () => undefined,
  );
  pieces.add(1, 1, full);
  pieces.close();
  t.mock.timers.tick(10_000);
  assert.deepEqual(written, []);
});

test('waiting for room ends with the first try that does not fail for want of it, or with the signal', async () => {
  const stop = new AbortController();
  const told: string[] = [];
  const options = { signal: stop.signal, onWaiting: ({ code }: DiskError) => void told.push(code) };
  assert.equal(await untilRoom(() => Promise.resolve(7), options), 7);
  const broken = diskError('write', 'x', systemError('EIO', 'x'));
  await assert.rejects(
    untilRoom(() => Promise.reject(broken), options),
    broken,
  );
  assert.deepEqual(told, []);
  const waiting = untilRoom(() => Promise.reject(full), options);
  setImmediate(() => stop.abort(new Error('enough')));
  await assert.rejects(waiting, { message: 'enough' });
  assert.deepEqual(told, ['ERR_DISK_FULL']);
});
