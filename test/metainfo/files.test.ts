import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeMetainfo } from '../../src/metainfo/decode.js';
import type { Metainfo } from '../../src/metainfo/metainfo.js';
import { makeTorrent, type TorrentOptions } from '../helpers/torrent.js';

const PIECE = 16_384;

type File = Readonly<Record<string, unknown>> & { readonly length?: number };

/** A multi-file torrent `r` with the files as given. */
function read(files: readonly File[], more: Record<string, unknown> = {}, options: TorrentOptions = {}): Metainfo {
  const total = files.reduce((sum, { length = 0 }) => sum + length, 0);
  const pieces = Buffer.alloc(Math.ceil(total / PIECE) * 20);
  const info = { name: 'r', files, pieces, ...more };
  return decodeMetainfo(makeTorrent([{ path: 'x', data: Buffer.alloc(0) }], { ...options, info }).bytes, 'linux');
}

function pathsOf({ files }: Metainfo): string[] {
  return files.map((file) => file.path);
}

test('name.utf-8 and path.utf-8 are preferred, where they are UTF-8 and fit', () => {
  const file = { length: 1, path: ['d?', 'f?'] };
  const good = read([{ ...file, 'path.utf-8': ['dé', 'fé'] }], { 'name.utf-8': 'ré' });
  assert.deepEqual(pathsOf(good), ['ré/dé/fé']);
  assert.equal(good.name, 'ré');
  const bad = read([{ ...file, 'path.utf-8': ['only one'] }], { 'name.utf-8': Buffer.from([0xff]) });
  assert.deepEqual(pathsOf(bad), ['r/d?/f?']);
});

test('names that are not UTF-8 and differ stay two files', () => {
  const names = ['e9', 'e8'].map((hex) => Buffer.from(hex, 'hex'));
  const metainfo = read(names.map((name) => ({ length: 1, path: [name] })));
  assert.deepEqual(pathsOf(metainfo), ['r/%E9', 'r/%E8']);
  assert.deepEqual(metainfo.warnings, []);
});

test('pad files are told by attribute, or by name when they are short', () => {
  const metainfo = read([
    { length: 10, path: ['a'] },
    { length: PIECE - 10, path: ['any'], attr: 'p' },
    { length: 10, path: ['b'] },
    { length: 5, path: ['.pad', '5'] },
    { length: 6, path: ['_____padding_file_0_if you see this'] },
    { length: 7, path: ['.pad', 'readme'] },
    { length: PIECE, path: ['.pad', String(PIECE)] },
  ]);
  assert.deepEqual(
    metainfo.files.map((file) => file.isPadding),
    [false, true, false, true, true, false, false],
  );
  assert.equal(metainfo.files[1]!.path, `r/.pad/${PIECE - 10}`);
  assert.equal(metainfo.totalLength, PIECE + 28 + PIECE);
  assert.deepEqual(metainfo.warnings, []);
});

test('a symbolic link is left out, and must have no bytes', () => {
  const link = { path: ['alias'], attr: 'lx', 'symlink path': ['..', '..', 'etc', 'passwd'] };
  const metainfo = read([link, { ...link, length: 0 }, { length: 1, path: ['a'], attr: 'x' }]);
  assert.deepEqual(pathsOf(metainfo), ['r/a']);
  assert.equal(metainfo.files[0]!.isExecutable, true);
  assert.deepEqual(metainfo.warnings, Array(2).fill('the symbolic link "r/alias" is not made'));
  assert.throws(() => read([{ ...link, length: 1 }]), { code: 'ERR_LENGTH', message: /of a symbolic link is not 0/ });
});

test('files beside a length: the files count', () => {
  const metainfo = read([{ length: 3, path: ['a'] }], { length: 99 });
  assert.equal(metainfo.totalLength, 3);
  assert.deepEqual(metainfo.warnings, ['ignored: "length" beside "files"']);
});

test('renamed files are told, the first ten of them, and fit for a terminal', () => {
  const metainfo = read(Array.from({ length: 25 }, (_, n) => ({ length: 1, path: ['..', `\u001b${n}\u202e`] })));
  assert.equal(metainfo.warnings.length, 11);
  assert.equal(metainfo.warnings[0], '"r/../\\x1b0\\u202e" is written as "r/__/_0\\u202e"');
  assert.equal(metainfo.warnings[10], 'and 15 more renamed files');
});

test('names that differ in case only are told', () => {
  const metainfo = read(['a', 'A', 'b/c', 'B'].map((path) => ({ length: 1, path: path.split('/') })));
  assert.deepEqual(pathsOf(metainfo), ['r/a', 'r/A', 'r/b/c', 'r/B']);
  assert.match(metainfo.warnings[0]!, /differ from others in case only .*: "r\/A" and 1 more$/);
});

test('files with a length and a path and nothing more are read as those that have more', () => {
  const name = fc.oneof(
    { weight: 5, arbitrary: fc.stringMatching(/^[a-d]{1,2}$/) },
    fc.constantFrom(
      'A',
      'é',
      'e\u0301',
      '..',
      '',
      'a/b',
      'x'.repeat(300),
      '.pad',
      '7',
      '_____padding_file_1',
      '.torrent-dl',
    ),
    fc.string({ unit: 'binary', maxLength: 4 }),
    fc.uint8Array({ maxLength: 3 }).map((bytes) => Buffer.from(bytes)),
  );
  const file = fc.record({
    length: fc.oneof(fc.nat(50), fc.constantFrom(PIECE, 2 ** 40)),
    path: fc.array(name, { minLength: 1, maxLength: 3 }),
  });
  const tried = fc.record({
    files: fc.array(file, { minLength: 1, maxLength: 6 }),
    root: fc.constantFrom('r', 'R', '.torrent-dl', 'a\0'),
    platform: fc.constantFrom<NodeJS.Platform>('linux', 'darwin', 'win32'),
  });
  const readOn = (files: readonly File[], root: string, platform: NodeJS.Platform): unknown => {
    const total = files.reduce((sum, { length = 0 }) => sum + length, 0);
    const pieceLength = 2 ** 29;
    const pieces = Buffer.alloc(Math.ceil(total / pieceLength) * 20);
    const info = { name: root, files, pieces, 'piece length': pieceLength };
    const { bytes } = makeTorrent([{ path: 'x', data: Buffer.alloc(0) }], { info });
    const { name, totalLength, isMultiFile, warnings, files: read } = decodeMetainfo(bytes, platform);
    return { name, totalLength, isMultiFile, warnings, files: read };
  };
  fc.assert(
    fc.property(tried, ({ files, root, platform }) => {
      const more = files.map((each) => ({ ...each, md5sum: 'x' }));
      assert.deepEqual(readOn(files, root, platform), readOn(more, root, platform));
    }),
    { numRuns: 2000 },
  );
});

const ROOT = Buffer.alloc(32, 7);
const leaf = (length: number): unknown => ({ '': { length, ...(length > 0 && { 'pieces root': ROOT }) } });
const hybrid = (tree: unknown, files: readonly File[]): Metainfo =>
  read(files, { 'meta version': 2, 'file tree': tree });

test('a hybrid has the roots of its v2 part', () => {
  const files = [
    { length: 10, path: ['a'] },
    { length: PIECE - 10, path: ['.pad', '1'], attr: 'p' },
    { length: 0, path: ['d', 'empty'] },
    { length: 5, path: ['d', 'f'] },
  ];
  const metainfo = hybrid({ a: leaf(10), d: { empty: leaf(0), f: leaf(5) } }, files);
  assert.deepEqual(
    metainfo.files.map(({ piecesRoot }) => piecesRoot?.length),
    [32, undefined, undefined, 32],
  );
  assert.equal(metainfo.infoHashV2?.length, 32);
});

test('a hybrid whose parts disagree is refused', () => {
  const files = [
    { length: 10, path: ['a'] },
    { length: 5, path: ['b'] },
  ];
  const refused = (tree: unknown, message: RegExp): void => {
    assert.throws(() => hybrid(tree, files), { name: 'MetainfoError', message });
  };
  refused({ a: leaf(10), b: leaf(6) }, /v1 and v2 parts disagree: file 1 is not the same in both$/);
  refused({ a: leaf(10), c: leaf(5) }, /file 1 is not/);
  refused({ a: leaf(10) }, /file 1 is not/);
  refused({ a: leaf(10), b: leaf(5), c: leaf(1) }, /2 files in one, 3 in the other$/);
  refused({ a: leaf(10), b: { '': { length: 5 } } }, /"pieces root" does not have 32 bytes at byte \d+$/);
  refused({ a: leaf(10), b: { '': {} } }, /"length" is missing/);
  refused({ a: leaf(10), b: 5 }, /"b" is not a dictionary/);
  refused('x', /"file tree" is not a dictionary/);
});
