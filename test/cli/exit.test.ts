import assert from 'node:assert/strict';
import { test } from 'node:test';

import { describeError, exitCodeOf } from '../../src/cli/exit.js';
import { EXIT_CODES } from '../../src/cli/help.js';
import {
  DiskError,
  HookError,
  MetainfoError,
  NoSourceError,
  TimeLimitError,
  TrackerError,
  UsageError,
  VerifyError,
} from '../../src/index.js';

test('each class of error has its exit code', () => {
  const classes = [UsageError, MetainfoError, NoSourceError, DiskError, VerifyError, TimeLimitError, HookError];
  assert.deepEqual(
    classes.map((type) => exitCodeOf(new type('ERR_X', 'x'))),
    [2, 3, 4, 5, 6, 7, 8],
  );
  for (const other of [new Error('x'), new TrackerError('ERR_X', 'x'), 'text', undefined]) {
    assert.equal(exitCodeOf(other), 1);
  }
});

test('the help explains every exit code of a download', () => {
  const explained = EXIT_CODES.flatMap(([codes]) => codes.split(', '));
  for (const code of [0, 1, 2, 3, 4, 5, 6, 7, 129, 130, 141, 143])
    assert.ok(explained.includes(String(code)), `${code}`);
});

test('an error is one line without a stack', () => {
  const error = new DiskError('ERR_DISK_FULL', 'cannot write "a.iso": no space left on device');
  assert.equal(describeError(error, false), 'torrent-dl: cannot write "a.iso": no space left on device');
  assert.match(describeError(error, true), /^torrent-dl: .*\nDiskError: .*\n {4}at /);
});

test('foreign text in an error cannot reach the terminal as it is', () => {
  const line = describeError(new MetainfoError('ERR_X', 'name "\u001b[2J\nx\u202e"'), false);
  for (const character of ['\u001b', '\n', '\u202e']) assert.ok(!line.includes(character));
});

test('nobody to download from: the first causes are told', () => {
  const causes = ['a: refused', 'b: timed out', 'b: timed out', 'c: 404', 'd: 500', 'e: 501'].map(
    (text) => new Error(text),
  );
  assert.equal(
    describeError(new NoSourceError('ERR_NO_SOURCE', 'no tracker answered', causes), false),
    'torrent-dl: no tracker answered: a: refused; b: timed out; c: 404 (and 2 more)',
  );
  assert.equal(
    describeError(new NoSourceError('ERR_NO_SOURCE', 'no tracker answered (a: refused)', causes.slice(0, 1)), false),
    'torrent-dl: no tracker answered (a: refused)',
  );
});

test('a bug says how to report it', () => {
  for (const error of [new Error('bug: no slot'), new Error('no slot'), 'no slot']) {
    assert.match(
      describeError(error, false),
      /^torrent-dl: bug: no slot \(please report it, .*DEBUG='torrent-dl:\*'\)$/,
    );
  }
});

test('with DEBUG the causes come along', () => {
  const error = new DiskError('ERR_X', 'outer', { cause: new Error('inner') });
  assert.match(describeError(error, true), /\ncaused by Error: inner\n/);
});

test('too little memory is no bug, and says so', () => {
  const errors = [
    new RangeError('Array buffer allocation failed'),
    Object.assign(new Error('Worker terminated'), { code: 'ERR_WORKER_OUT_OF_MEMORY' }),
  ];
  for (const error of errors) assert.match(describeError(error, false), /^torrent-dl: not enough memory \(/);
});
