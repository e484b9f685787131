import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Bootstrap } from '../../../src/tracker/dht/bootstrap.js';
import { FakeClock } from '../fakes.js';

test('closing takes back the look-ups of bootstrap hosts that are under way', async () => {
  const clock = new FakeClock();
  const signals: AbortSignal[] = [];
  const resolve = (_: string, signal: AbortSignal): Promise<readonly string[]> => {
    signals.push(signal);
    return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('taken back'))));
  };
  const bootstrap = new Bootstrap([{ host: 'a.example', port: 1 }], resolve, clock);
  let given = 0;
  bootstrap.give('ipv4', () => given++);
  bootstrap.close();
  await new Promise(setImmediate);
  assert.ok(signals[0]?.aborted);
  assert.deepEqual([given, clock.timers], [0, 0]);
});
