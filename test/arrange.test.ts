import assert from 'node:assert/strict';
import { test } from 'node:test';
import { arrange, type Arrangement } from '../src/arrange.js';
import { Bitfield } from '../src/common/bitfield.js';
import { UsageError } from '../src/common/errors.js';
import { make } from './file/helpers.js';

/** Places of files below a folder `t`, or of a single file `t`. */
function places(paths: readonly string[], arrangement: Arrangement, chosen?: readonly number[]): string[] {
  const { metainfo } = make(paths.length === 0 ? 5 : paths.map((path) => ({ path, length: 5 })));
  const wanted = chosen && new Bitfield(paths.length);
  for (const file of chosen ?? []) wanted!.add(file);
  return arrange(metainfo, arrangement, wanted).files.map(({ path }) => path);
}

function refuses(paths: readonly string[], arrangement: Arrangement, words: RegExp, chosen?: readonly number[]): void {
  assert.throws(
    () => places(paths, arrangement, chosen),
    (error: unknown) => error instanceof UsageError && words.test(error.message),
  );
}

const PATHS = ['a', 'd/b', 'd/e/c'];

test('a name takes the place of the folder, or of the only file', () => {
  assert.deepEqual(places(PATHS, { name: 'n' }), ['n/a', 'n/d/b', 'n/d/e/c']);
  assert.deepEqual(places([], { name: 'n' }), ['n']);
  assert.deepEqual(places(PATHS, {}), ['t/a', 't/d/b', 't/d/e/c']);
});

test('components are stripped from the front, the folder of the torrent first', () => {
  assert.deepEqual(places(PATHS, { stripComponents: 1 }), ['a', 'd/b', 'd/e/c']);
  assert.deepEqual(places(PATHS, { stripComponents: 2 }, [1, 2]), ['t/a', 'b', 'e/c']);
  refuses(PATHS, { stripComponents: 2 }, /^nothing would be left of "t\/a" without 2 components$/);
});

test('flattened, all files are in one folder; with a name, in one of that name', () => {
  assert.deepEqual(places(PATHS, { flatten: true }), ['a', 'b', 'c']);
  assert.deepEqual(places(PATHS, { flatten: true, name: 'n' }), ['n/a', 'n/b', 'n/c']);
});

test('a lone file without folders takes the name', () => {
  assert.deepEqual(places(PATHS, { flatten: true, name: 'n' }, [2]), ['t/a', 't/d/b', 'n']);
  assert.deepEqual(places(PATHS, { stripComponents: 1, name: 'n' }, [0]), ['n', 't/d/b', 't/d/e/c']);
});

test('two files for one place are refused, unless one of them is not wanted', () => {
  refuses(['d/a', 'e/a'], { flatten: true }, /^"t\/d\/a" and "t\/e\/a" would both be written to "a"$/);
  refuses(['d/a', 'e/a/b'], { stripComponents: 2 }, /both be written to "a"/);
  assert.deepEqual(places(['d/a', 'e/a'], { flatten: true }, [1]), ['t/d/a', 'a']);
});

test('no name leads elsewhere', () => {
  for (const name of ['', '.', '..', 'a/b', '/a', '.torrent-dl', '.Torrent-DL', 'a\nb', 'x'.repeat(256)]) {
    refuses(PATHS, { name }, /is no name for a file/);
  }
  refuses(['.torrent-dl/x'], { stripComponents: 1 }, /taken for our own state/);
  refuses(['d/.torrent-dl'], { flatten: true }, /taken for our own state/);
});
