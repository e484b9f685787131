import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { mock, test } from 'node:test';

import { StopSignals } from '../../src/cli/signals.js';

function open(): { target: EventEmitter; calls: string[]; signals: StopSignals } {
  const target = new EventEmitter();
  const calls: string[] = [];
  const signals = new StopSignals(
    target,
    () => calls.push('stop'),
    (code) => calls.push(`leave ${code}`),
  );
  return { target, calls, signals };
}

test('the first signal asks to stop, the second leaves at once', async () => {
  const { target, calls, signals } = open();
  const stopped = signals.stopped();
  target.emit('SIGINT');
  await stopped;
  await signals.stopped();
  assert.ok(signals.signal.aborted);
  assert.equal(signals.exitCode, 130);
  assert.deepEqual(calls, ['stop']);
  target.emit('SIGTERM');
  assert.deepEqual(calls, ['stop', 'leave 130']);
  signals[Symbol.dispose]();
});

test('the exit code names the signal', () => {
  for (const [name, code] of [
    ['SIGHUP', 129],
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    const { target, signals } = open();
    target.emit(name);
    assert.equal(signals.exitCode, code);
    signals[Symbol.dispose]();
  }
});

test('who takes longer than three seconds to stop is left', () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    const { target, calls, signals } = open();
    target.emit('SIGTERM');
    mock.timers.tick(2999);
    assert.deepEqual(calls, ['stop']);
    mock.timers.tick(1);
    assert.deepEqual(calls, ['stop', 'leave 143']);
    signals[Symbol.dispose]();
  } finally {
    mock.timers.reset();
  }
});

test('after disposal nothing listens any more', () => {
  const { target, signals } = open();
  signals[Symbol.dispose]();
  assert.deepEqual(target.eventNames(), []);
});
