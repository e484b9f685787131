import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import fc from 'fast-check';

import { splitWords } from '../../src/cli/words.js';

test('words are split as a shell does, and nothing is expanded', () => {
  assert.deepEqual(splitWords('  mv -t  /done '), ['mv', '-t', '/done']);
  assert.deepEqual(splitWords(`sh -c 'mv "$1" "/the place"' --`), ['sh', '-c', 'mv "$1" "/the place"', '--']);
  assert.deepEqual(splitWords(String.raw`a\ b "c \"d\" \e" e'f'"g" ''`), ['a b', String.raw`c "d" \e`, 'efg', '']);
  assert.deepEqual(splitWords('$HOME * `id`'), ['$HOME', '*', '`id`']);
  assert.deepEqual(splitWords(' '), []);
});

test('a quote that is not closed is told of', () => {
  for (const text of [`'a`, `a "b`, 'a \\', `'a'"b`, `"a\\"`]) assert.equal(splitWords(text), undefined, text);
});

test('quoted words come out as bash has them', () => {
  const safe = fc
    .array(fc.constantFrom('a', '-', 'é', "'", '"', '\\', ' ', '\t'), { maxLength: 12 })
    .map((signs) => signs.join(''));
  fc.assert(
    fc.property(safe, (text) => {
      const { status, stdout } = spawnSync('bash', ['-c', `printf '%s\\0' ${text}`], { encoding: 'utf8' });
      const words = splitWords(text);
      if (words === undefined) assert.ok(status !== 0 || text.endsWith('\\'));
      else if (words.length > 0) assert.deepEqual(words, stdout.split('\0').slice(0, -1));
    }),
    { numRuns: 60 },
  );
});
