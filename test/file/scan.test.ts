import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { quoted } from '../../src/file/disk-error.js';
import { DiskError } from '../../src/common/errors.js';
import { findTwins, makeOutFolder } from '../../src/file/scan.js';
import { Bench, make, openThreads, temporaryFolder } from './helpers.js';

const TWINS = make([
  { path: 'Read me', length: 5 },
  { path: 'read ME', length: 5 },
]);

test('names that differ in case or Unicode form only are twins, others are not', () => {
  const { files } = TWINS.metainfo;
  assert.deepEqual(findTwins(files), ['t/Read me', 't/read ME']);
  const named = (name: string) => ({ ...files[0]!, path: name });
  assert.deepEqual(findTwins([named('\u00e9'), named('e\u0301')]), ['\u00e9', 'e\u0301']);
  assert.equal(findTwins([named('a'), named('b'), named('a/a')]), undefined);
});

test('a disk that tells upper from lower case takes twins', async (t) => {
  const out = await temporaryFolder(t);
  await using bench = await Bench.open(TWINS, out, openThreads(t));
  assert.equal(await bench.putAll(), undefined);
  assert.deepEqual((await readdir(path.join(out, 't'))).sort(), ['Read me', 'read ME']);
});

test('a disk that does not is no place for them', async (t) => {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'torrent-dl-fold-'));
  const disk = path.join(folder, 'disk');
  t.after(async () => {
    spawnSync('umount', ['-l', disk], { stdio: 'ignore' });
    await rm(folder, { recursive: true, force: true });
  });
  await mkdir(disk);
  const run = (program: string, ...words: string[]) => spawnSync(program, words, { stdio: 'ignore' }).status === 0;
  const image = path.join(folder, 'image');
  const isThere =
    run('truncate', '-s', '8M', image) &&
    run('mkfs.ext4', '-q', '-O', 'casefold', image) &&
    run('mount', '-o', 'loop', image, disk) &&
    run('mkdir', path.join(disk, 'out')) &&
    run('chattr', '+F', path.join(disk, 'out'));
  if (!isThere) t.skip('no disk that folds case can be made here');
  else await assert.rejects(Bench.open(TWINS, path.join(disk, 'out'), openThreads(t)), { code: 'ERR_SAME_FILE' });
});

test('a path cannot forge lines or colours on a terminal', () => {
  assert.equal(quoted('a\u001b[31m\nb\u202ec'), '"a\\x1b[31m\\x0ab\\u202ec"');
});

test('an output folder is made with those above it; where none can be made, it says so and does not hang', async (t) => {
  const out = path.join(await temporaryFolder(t), 'a', 'b', 'c');
  makeOutFolder(out);
  makeOutFolder(out);
  for (const place of ['/proc/none', '/proc/none/below']) {
    assert.throws(() => makeOutFolder(place), DiskError);
  }
});
