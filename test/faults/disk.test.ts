/** Disks that are full, limited, read-only or failing, and output that goes away. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdir, rename, rm, stat, truncate } from 'node:fs/promises';
import { test } from 'node:test';
import { randomBytes } from '../helpers/torrent.js';
import { Scene } from './executable.js';
import { failingDisk, mounted, whyNoMount, whyNoShim } from './mount.js';

const MIB = 2 ** 20;

/** How much was sent, in KiB, when the last room goes. */
const FULL_AT_KIB = [1, 100, 250, 400, 600, 900, 1200, 1500, 1700, 1900];

test(
  'a disk that others fill at any point ends with 5, and the rerun with room completes',
  {
    skip: whyNoMount(),
  },
  async () => {
    await using scene = await Scene.open({ peer: { rate: 4 * MIB } });
    await mkdir(scene.out);
    for (const at of FULL_AT_KIB) {
      await using disk = mounted(scene.out, 'size=4m');
      const run = scene.start(['--quiet']);
      await scene.sends(at * 1024);
      const filler = disk.fill();
      await run.ends(5, /^torrent-dl: .*no space left on device[^\n]*\n/);
      await rm(filler);
      await scene.start(['--quiet']).ends(0);
      await scene.assertContent();
    }
  },
);

test('a limit on the size of files (ulimit -f) ends with 5, and the rerun without completes', async () => {
  await using scene = await Scene.open();
  for (const blocks of [100, 2000]) {
    const run = scene.start(['--quiet'], { limit: `ulimit -f ${blocks}` });
    await run.ends(5, /the file would be larger than the disk or a limit \(ulimit -f\) allows\n$/);
  }
  await scene.start().ends(0);
  await scene.assertContent();
});

test('a file system that is read-only ends with 5 and says so', { skip: whyNoMount() }, async () => {
  await using scene = await Scene.open();
  await mkdir(scene.out);
  await using disk = mounted(scene.out, 'size=8m');
  disk.remount('ro');
  await scene.start(['--quiet']).ends(5, /the file system is read-only\n$/);
});

test('a file system that turns read-only half-way ends with 5', { skip: whyNoShim() }, async () => {
  await using scene = await Scene.open();
  const env = await failingDisk(scene.folder, { call: 'pwrite', from: 5, error: 'EROFS' });
  await scene.start(['--quiet'], { env }).ends(5, /the file system is read-only\n$/);
  await scene.start(['--quiet']).ends(0);
  await scene.assertContent();
});

for (const [call, name] of [
  ['pwrite', 'a write'],
  ['pread', 'a read'],
  ['fdatasync', 'a flush'],
] as const) {
  test(`${name} that fails with EIO ends with 5, or was not needed`, { skip: whyNoShim() }, async () => {
    await using scene = await Scene.open();
    const env = await failingDisk(scene.folder, { call, from: 5, error: 'EIO' });
    const run = scene.start(['--quiet'], { env });
    const end = await run.end;
    if (end !== 0) assert.match(run.stderr, /^torrent-dl: .*input\/output error; the disk may be failing\n$/);
    assert.equal(end, call === 'pwrite' ? 5 : end);
    await scene.start(['--quiet']).ends(0);
    await scene.assertContent();
  });
}

test('data that cannot be read back when it is checked ends with 5', { skip: whyNoShim() }, async () => {
  await using scene = await Scene.open();
  await scene.start(['--quiet']).ends(0);
  const env = await failingDisk(scene.folder, { call: 'pread', from: 5, error: 'EIO' });
  await scene.start(['--quiet', '--recheck'], { env }).ends(5, /cannot read .*input\/output error/);
  await scene.start(['--quiet', '--recheck']).ends(0);
});

// Without the notes on coverage, which need descriptors of their own.
test('48 file descriptors are enough for 3,000 files', async () => {
  const content = Array.from({ length: 3000 }, (_, n) => ({ path: `${n % 40}/${n}`, data: randomBytes(n, 700) }));
  await using scene = await Scene.open({ content });
  await scene.start(['--quiet'], { limit: 'unset NODE_V8_COVERAGE; ulimit -n 48' }).ends(0);
  await scene.assertContent();
});

test('an output folder that is removed while we write to it is no download without an error', async () => {
  await using scene = await Scene.open({ length: 4 * MIB, peer: { rate: 4 * MIB } });
  const run = scene.start(['--quiet']);
  await scene.sends(MIB);
  await rm(scene.out, { recursive: true, force: true });
  await run.ends(5, /it is gone\n$/);
  await scene.start(['--quiet']).ends(0);
  await scene.assertContent();
});

test('an output folder that is moved away while we write to it is no download without an error', async () => {
  await using scene = await Scene.open({ length: 4 * MIB, peer: { rate: 4 * MIB } });
  const run = scene.start(['--quiet']);
  await scene.sends(MIB);
  await rename(scene.out, `${scene.out}-elsewhere`);
  await run.ends(5, /it is gone\n$/);
});

test('a file that another program cuts while we write to it is not taken for complete', async () => {
  await using scene = await Scene.open({ length: 4 * MIB, peer: { rate: 4 * MIB } });
  const run = scene.start(['--quiet', '--sequential']);
  await scene.sends(2 * MIB);
  await truncate(scene.file, 100_000);
  await run.ends(5, /it is shorter than it was\n/);
  await scene.start(['--quiet']).ends(0);
  await scene.assertContent();
});

test('data that is complete on a read-only disk is complete', { skip: whyNoMount() }, async () => {
  await using scene = await Scene.open();
  await mkdir(scene.out);
  await using disk = mounted(scene.out, 'size=8m');
  await scene.start(['--quiet']).ends(0);
  disk.remount('ro');
  await scene.start(['--quiet']).ends(0);
  await scene.start(['--quiet', '--recheck']).ends(0);
});

test(
  'what a full disk leaves behind is a file of no more than the torrent, and no lock or draft',
  {
    skip: whyNoMount(),
  },
  async () => {
    await using scene = await Scene.open({ peer: { rate: 4 * MIB } });
    await mkdir(scene.out);
    await using disk = mounted(scene.out, 'size=4m');
    const run = scene.start(['--quiet']);
    await scene.sends(MIB);
    disk.fill();
    await run.ends(5);
    const list = spawnSync('find', [scene.out, '-name', '*.lock', '-o', '-name', '*.new'], { encoding: 'utf8' });
    assert.equal(list.stdout, '');
    assert.ok((await stat(scene.file)).size <= scene.torrent.totalLength);
  },
);
