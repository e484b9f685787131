import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { changedPaths, findCaseCollisions, readName, safeName, safePaths } from '../../src/metainfo/paths.js';

const paths = (files: readonly string[][], platform: NodeJS.Platform = 'linux'): readonly string[] =>
  safePaths(
    'r',
    files.map((names) => ['r', ...names]),
    platform,
  ).paths;

test('a name is safe on disk', () => {
  const names: Record<string, string> = {
    '': '_',
    '.': '_',
    '..': '__',
    '...': '...',
    'a/b': 'a_b',
    '/etc/passwd': '_etc_passwd',
    '../../x': '.._.._x',
    'a\0b\n\u001b\u007f\u0085': 'a_b____',
    'back\\slash': 'back\\slash',
    'C:\\x': 'C:\\x',
    'con.txt': 'con.txt',
    'dot. ': 'dot. ',
    'gpj\u202eexe': 'gpj\u202eexe',
    '東京 🎵': '東京 🎵',
  };
  for (const [name, safe] of Object.entries(names)) assert.equal(safeName(name, 'linux'), safe);
});

test('on Windows a name is safe there, too', () => {
  const names: Record<string, string> = {
    'a<b>c:d"e|f?g*h\\i': 'a_b_c_d_e_f_g_h_i',
    '..\\..\\x': '.._.._x',
    'C:\\x': 'C__x',
    con: '_con',
    'NUL.tar.gz': '_NUL.tar.gz',
    com1: '_com1',
    'com¹.txt': '_com¹.txt',
    conjure: 'conjure',
    'dot.': 'dot_',
    'space ': 'space_',
    '...': '.._',
  };
  for (const [name, safe] of Object.entries(names)) assert.equal(safeName(name, 'win32'), safe);
});

test('a name over 255 bytes keeps its start and extension, and a hash tells it apart', () => {
  const [a, b] = ['a', 'b'].map((end) => safeName(`${'東'.repeat(200)}${end}.flac`, 'linux'));
  assert.match(a!, /^東{80}~[0-9a-f]{8}\.flac$/);
  assert.notEqual(a, b);
  assert.equal(safeName('x'.repeat(255), 'linux'), 'x'.repeat(255));
  assert.equal(Buffer.byteLength(safeName('x'.repeat(256), 'linux')), 255);
  assert.match(safeName(`a.${'x'.repeat(300)}`, 'linux'), /^a\.x+~[0-9a-f]{8}$/);
});

test('a path over 3072 bytes keeps its ends', () => {
  const deep = Array.from({ length: 300 }, () => 'folder name');
  const [a, b, c] = paths([
    [...deep, 'a'],
    [...deep, 'b'],
    [...deep, 'x', 'b'],
  ]);
  assert.match(a!, /^r\/~[0-9a-f]{16}\/a$/);
  assert.equal(path.dirname(b!), path.dirname(a!));
  assert.notEqual(path.dirname(c!), path.dirname(a!));
});

test('our own folder at the top is not for torrents', () => {
  assert.equal(safePaths('.torrent-dl', [['.torrent-dl']]).name, '_.torrent-dl');
  assert.deepEqual(safePaths('.Torrent-DL', [['.Torrent-DL', '.torrent-dl']]).paths, ['_.Torrent-DL/.torrent-dl']);
});

test('of equal paths the first keeps its name', () => {
  assert.deepEqual(paths([['a.tar.gz'], ['a.tar.gz'], ['a.tar (2).gz'], ['a.tar.gz'], ['.x'], ['.x']]), [
    'r/a.tar.gz',
    'r/a.tar (3).gz',
    'r/a.tar (2).gz',
    'r/a.tar (4).gz',
    'r/.x',
    'r/.x (2)',
  ]);
});

test('names that become equal when cleaned stay two files', () => {
  assert.deepEqual(paths([['a\0'], ['a_'], ['a\n']]), ['r/a_', 'r/a_ (2)', 'r/a_ (3)']);
});

test('where a file and a folder have one name, the file gets another', () => {
  assert.deepEqual(paths([['a'], ['a', 'b'], ['a (2)', 'c']]), ['r/a (3)', 'r/a/b', 'r/a (2)/c']);
});

test('where disks fold case, so do we', () => {
  const files = [['Readme'], ['README'], ['d', 'x'], ['D'], ['é'], ['e\u0301']];
  assert.deepEqual(paths(files), ['r/Readme', 'r/README', 'r/d/x', 'r/D', 'r/é', 'r/e\u0301']);
  assert.deepEqual(paths(files, 'darwin'), ['r/Readme', 'r/README (2)', 'r/d/x', 'r/D (2)', 'r/é', 'r/e\u0301 (2)']);
  assert.deepEqual(findCaseCollisions(paths(files)), ['r/README', 'r/D', 'r/e\u0301']);
});

test('bytes that are no text are written in percent, different bytes differently', () => {
  const name = (hex: string): string => readName(Buffer.from(hex, 'hex'), undefined, undefined);
  assert.equal(name('61ff25'), 'a%FF%25');
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1 }), fc.uint8Array({ minLength: 1 }), (a, b) => {
      const wrong = Buffer.from([0xff]);
      const [textA, textB] = [a, b].map((bytes) => readName(Buffer.concat([bytes, wrong]), undefined, undefined));
      assert.equal(textA === textB, Buffer.compare(a, b) === 0);
    }),
  );
});

const piece = fc.constantFrom(
  '..',
  '.',
  '',
  '/',
  '\\',
  '\0',
  '\n',
  'a',
  'A',
  ' (2)',
  '.torrent-dl',
  'con',
  '.txt',
  'é',
  '~',
);
const hostileName = fc.oneof(
  fc.array(piece, { maxLength: 4 }).map((parts) => parts.join('')),
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.tuple(fc.constantFrom('x', '東', '🎵'), fc.integer({ min: 60, max: 300 })).map(([unit, n]) => unit.repeat(n)),
);
const hostileFiles = fc.array(fc.array(hostileName, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 12 });

test('whatever the names are, each file has a place of its own strictly below the output folder', () => {
  const platforms = fc.constantFrom<NodeJS.Platform>('linux', 'darwin', 'win32');
  fc.assert(
    fc.property(hostileName, hostileFiles, platforms, (root, files, platform) => {
      const safe = safePaths(
        root,
        files.map((names) => [root, ...names]),
        platform,
      );
      const folds = platform !== 'linux';
      const keys = safe.paths.map((file) => (folds ? file.normalize('NFC').toLowerCase() : file));
      assert.equal(new Set(keys).size, files.length, 'no two are equal');
      const folders = new Set(keys.flatMap((key) => foldersOf(key)));
      assert.ok(!keys.some((key) => folders.has(key)), 'none is a folder of another');
      for (const file of safe.paths) checkPath(file, safe.name, platform);
      assert.deepEqual(
        safePaths(
          root,
          files.map((names) => [root, ...names]),
          platform,
        ),
        safe,
        'always the same',
      );
    }),
    { numRuns: 2000 },
  );
});

test('paths that all stay as they are come out the same by the quick way and by the long one', () => {
  const usual = fc.stringMatching(/^[a-cA-Cé]{1,2}$/);
  const names = fc.array(fc.oneof({ weight: 9, arbitrary: usual }, hostileName), { minLength: 1, maxLength: 3 });
  const roots = fc.oneof(usual, fc.constant('.torrent-dl'));
  const platforms = fc.constantFrom<NodeJS.Platform>('linux', 'darwin', 'win32');
  let quick = 0;
  fc.assert(
    fc.property(roots, fc.array(names, { minLength: 1, maxLength: 6 }), platforms, (root, files, platform) => {
      const wanted = files.map((each) => [root, ...each]);
      const safe = safePaths(root, wanted, platform);
      assert.deepEqual(safe, changedPaths(root, wanted, platform));
      assert.deepEqual(safe.caseCollisions, findCaseCollisions(safe.paths));
      if (safe.renamed.size === 0) quick++;
    }),
    { numRuns: 2000 },
  );
  assert.ok(quick > 100, 'both ways were gone');
});

test('a multitude of folders, or long paths, are placed as few and short ones are', () => {
  const many = Array.from({ length: 20_100 }, (_, n) => [String(n), 'f']);
  assert.deepEqual(paths(many).slice(-2), ['r/20098/f', 'r/20099/f']);
  const long = Array.from({ length: 30 }, () => 'n'.repeat(80));
  assert.deepEqual(paths([long, [...long, 'f']]), [
    `r/${[...long.slice(0, -1), `${long[0]!} (2)`].join('/')}`,
    `r/${[...long, 'f'].join('/')}`,
  ]);
});

function foldersOf(file: string): string[] {
  const components = file.split('/');
  return components.slice(1).map((_, at) => components.slice(0, at + 1).join('/'));
}

function checkPath(file: string, root: string, platform: NodeJS.Platform): void {
  const { win32, posix } = path;
  const flavour = platform === 'win32' ? win32 : posix;
  const out = platform === 'win32' ? 'C:\\out' : '/out';
  const resolved = flavour.relative(out, flavour.resolve(out, file));
  assert.equal(resolved.split(flavour.sep).join('/'), file, 'the path is what it looks like');
  const components = file.split('/');
  assert.ok(components.length > 1 && components[0] === root);
  assert.notEqual(components[0].toLowerCase(), '.torrent-dl');
  for (const component of components) {
    assert.ok(component !== '' && component !== '.' && component !== '..');
    assert.ok(Buffer.byteLength(component) <= 255);
    assert.doesNotMatch(component, /\p{Cc}/u);
  }
}
