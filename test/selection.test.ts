import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Bitfield } from '../src/common/bitfield.js';
import { UsageError } from '../src/common/errors.js';
import type { IndexRange } from '../src/metainfo/magnet.js';
import { chooseFiles, type Selection } from '../src/selection.js';

interface Listed {
  readonly path: string;
  readonly length?: number;
  readonly isPadding?: boolean;
}

const SERIES: readonly Listed[] = [
  { path: 'Show/Season 1/e1.mkv', length: 100 },
  { path: 'Show/Season 1/e1.srt', length: 3 },
  { path: 'Show/Season 2/e1.mkv', length: 200 },
  { path: 'Show/.pad/7', length: 7, isPadding: true },
  { path: 'Show/extras/Season 1/notes [a].txt', length: 5 },
  { path: 'Show/12', length: 4 },
  { path: 'Show/.hidden', length: 0 },
];

function choose(selection: Selection, files = SERIES, selectOnly?: readonly IndexRange[]): number[] {
  const listed = files.map(({ path, length = 1, isPadding = false }) => {
    return { path, length, isPadding, offset: 0, isExecutable: false };
  });
  const isMultiFile = files.some(({ path }) => path.includes('/'));
  return members(chooseFiles({ files: listed, isMultiFile }, selection, selectOnly).files);
}

function members(set: Bitfield): number[] {
  return Array.from({ length: set.length }, (_, index) => index).filter((index) => set.has(index));
}

const WORDS: readonly (readonly [what: string, words: readonly string[], chosen: readonly number[]])[] = [
  ['a glob without "/" is matched against names at any depth', ['*.mkv'], [0, 2]],
  ['it takes hidden names, too', ['*hidden'], [6]],
  ['a folder stands for all below it, at any depth', ['Season 1'], [0, 1, 4]],
  ['also with a slash behind it', ['Season 1/'], [0, 1, 4]],
  ['and by a glob', ['Season*'], [0, 1, 2, 4]],
  ["with a slash, the path below the torrent's folder is matched", ['Season 1/*.mkv'], [0]],
  ['or the whole path, as it is listed', ['Show/Season 1/e1.srt'], [1]],
  ['a slash in front means that path alone', ['/Season 1'], [0, 1]],
  ['so does ./', ['./12'], [5]],
  ['** is any number of folders', ['**/e1.*'], [0, 1, 2]],
  ['a star ends at a slash', ['*/notes*'], []],
  ['braces are alternatives', ['*.{mkv,srt}'], [0, 1, 2]],
  ['case matters', ['*.MKV'], []],
  ['brackets are one of some signs, or with "!" none of them', ['e1.[!m]*'], [1]],
  ['or with "^"', ['e1.[^m]*'], [1]],
  ['a name with brackets matches itself', ['notes [a].txt'], [4]],
  ['so does such a path', ['extras/Season 1/notes [a].txt'], [4]],
  ["the torrent's own folder is everything", ['Show'], [0, 1, 2, 4, 5, 6]],
  ['an exclamation mark is a character', ['!*.mkv'], []],
  ['digits are an index', ['2'], [2]],
  ['ranges, lists and an open end', ['0-1,5-'], [0, 1, 5, 6]],
  ['a pad file within a range is passed over', ['2-4'], [2, 4]],
  ['a file that is called by digits is taken by a glob', ['[1]2'], [5]],
  ['a range may go beyond the end', ['5-900'], [5, 6]],
  ['several words add up', ['*.srt', '2'], [1, 2]],
];

for (const [what, words, chosen] of WORDS) {
  test(`select ${words.join(' ')}: ${what}`, () => {
    if (chosen.length > 0) assert.deepEqual(choose({ select: words }), chosen);
    else assert.throws(() => choose({ select: words }), { code: 'ERR_NO_SUCH_FILE' });
  });
}

test('a single file is chosen by its name', () => {
  const files = [{ path: 'a.iso' }];
  assert.deepEqual(choose({ select: ['*.iso'] }, files), [0]);
  assert.deepEqual(choose({ select: ['./a.iso'] }, files), [0]);
});

test('exclude takes from what is selected, or from all; a word of it that matches nothing is told', () => {
  assert.deepEqual(choose({ select: ['Season*'], exclude: ['*.srt', '4'] }), [0, 2]);
  assert.deepEqual(choose({ exclude: ['Season*'] }), [5, 6]);
  const files = SERIES.map((file) => ({ length: 1, isPadding: false, offset: 0, isExecutable: false, ...file }));
  const { unmatched } = chooseFiles({ files, isMultiFile: true }, { exclude: ['*.nfo', '*.srt'] });
  assert.deepEqual(unmatched, ['*.nfo']);
});

test('largest takes one file of those that are left, the first among equals', () => {
  assert.deepEqual(choose({ largest: true }), [2]);
  assert.deepEqual(choose({ largest: true, select: ['Season 1'] }), [0]);
  assert.deepEqual(choose({ largest: true, exclude: ['*.mkv'] }), [4]);
  assert.deepEqual(choose({ largest: true }, [{ path: 'd/a' }, { path: 'd/b' }]), [0]);
});

test('what a magnet link selects holds unless the user selects', () => {
  const so = [
    { first: 1, last: 3 },
    { first: 6, last: 99 },
  ];
  assert.deepEqual(choose({}, SERIES, so), [1, 2, 6]);
  assert.deepEqual(choose({ exclude: ['*.srt'] }, SERIES, so), [2, 6]);
  assert.deepEqual(choose({ select: ['0'] }, SERIES, so), [0]);
  assert.throws(() => choose({}, SERIES, [{ first: 50, last: 60 }]), /the magnet link selects none of .* 7 files/);
});

test('what cannot be meant is refused, and the word is named', () => {
  const refused = (select: string, words: RegExp) => {
    assert.throws(
      () => choose({ select: [select] }),
      (error: unknown) => error instanceof UsageError && words.test(error.message),
      select,
    );
  };
  refused('*.nfo', /no file of the torrent matches "\*\.nfo"$/);
  refused('0,9', /matches "9"; the indexes go from 0 to 6/);
  refused('3', /matches "3"/); // padding
  refused('5-2', /"5-2" is no list of indexes/);
  refused('1,', /"1," is no list/);
  refused('-', /"-" is no list/);
  refused('/', /matches "\/"/);
  refused('*a'.repeat(50_000), /^"(?:\*a){20}"… is too long$/);
  assert.throws(() => choose({ exclude: ['Show'] }), { code: 'ERR_NOTHING_SELECTED' });
});

test('whatever the word, files are chosen or it is refused', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (word) => {
      try {
        const chosen = choose({ select: [word] });
        assert(chosen.length > 0 && !chosen.includes(3));
      } catch (error) {
        assert(error instanceof UsageError, String(error));
      }
    }),
    { numRuns: 500 },
  );
});
