/**
 * Random torrents' names, and what must hold for all of them. Run by hand for a million:
 * `node --import tsx test/hostile/random-names.ts 1000000 [seed]`
 */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { safePaths } from '../../src/metainfo/paths.js';

const HOME = '/home/user/downloads';
const MOST_NAME = 255;
const MOST_PATH = 4096 - HOME.length - 1;

const BITS = [
  '.',
  '..',
  '/',
  '\\',
  '\0',
  '~',
  ' ',
  ':',
  'a',
  'A',
  'é',
  'e\u0301',
  '\u202e',
  '\ud800',
  'CON',
  '.torrent-dl',
  ' (2)',
];
const name = fc.oneof(
  fc.constantFrom('', '.', '..', '...', '.torrent-dl', 'a', 'A', 'a/b', '/etc/passwd', 'n'.repeat(300)),
  fc.array(fc.constantFrom(...BITS), { maxLength: 5 }).map((bits) => bits.join('')),
  fc.string({ unit: 'binary', maxLength: 12 }),
);

export interface RandomNames {
  readonly root: string;
  readonly files: readonly (readonly string[])[];
}

export const hostileNames: fc.Arbitrary<RandomNames> = fc.record({
  root: name,
  files: fc.array(fc.array(name, { minLength: 1, maxLength: 4 }), { maxLength: 6 }),
});

/** @throws when a path leads out of the output folder, or two files or a file and a folder share a place */
export function checkNames({ root, files }: RandomNames): void {
  const { paths } = safePaths(
    root,
    files.map((names) => [root, ...names]),
    'linux',
  );
  assert.equal(paths.length, files.length);
  const folders = new Set<string>();
  for (const file of paths) {
    const names = file.split('/');
    assert.equal(path.posix.resolve(HOME, file), `${HOME}/${file}`, `${JSON.stringify(file)} leads elsewhere`);
    assert.ok(Buffer.byteLength(file) <= MOST_PATH);
    for (const [at, part] of names.entries()) {
      assert.ok(part !== '' && part !== '.' && part !== '..' && !part.includes('\0'), JSON.stringify(file));
      assert.ok(Buffer.byteLength(part) <= MOST_NAME);
      if (at > 0) folders.add(names.slice(0, at).join('/'));
    }
    assert.notEqual(names[0], '.torrent-dl');
  }
  assert.equal(new Set(paths).size, paths.length, 'two files in one place');
  assert.ok(!paths.some((file) => folders.has(file)), 'a file where a folder is');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [numRuns, seed = Date.now() | 0] = process.argv.slice(2).map(Number);
  process.stdout.write(`seed ${seed}\n`);
  fc.assert(fc.property(hostileNames, checkNames), { numRuns: numRuns ?? 1_000_000, seed });
  process.stdout.write(`${numRuns ?? 1_000_000} torrents, and no path led astray\n`);
}
