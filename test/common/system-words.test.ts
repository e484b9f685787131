import assert from 'node:assert/strict';
import { test } from 'node:test';
import { wordsOfCode } from '../../src/common/system-words.js';

test('a code of the system is said in words, any other as it is', () => {
  assert.equal(wordsOfCode('EIO'), 'i/o error');
  assert.equal(wordsOfCode('EPROTO'), 'protocol error');
  assert.equal(wordsOfCode('ERR_ELSEWHERE'), 'ERR_ELSEWHERE');
});
