import assert from 'node:assert/strict';
import { chmod, lstat, mkdir, readFile, readdir, stat, symlink, writeFile } from 'node:fs/promises';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { DiskError } from '../../src/common/errors.js';
import { diskError, systemError } from '../../src/file/disk-error.js';
import { FileReader } from '../../src/file/reader.js';
import type { JobOwner } from '../../src/file/threads.js';
import { FileWriter } from '../../src/file/writer.js';
import { Bench, bytesOf, make, openThreads, temporaryDisk, temporaryFolder, readBlock } from './helpers.js';

const MIXED = [
  { path: 'a', length: 20_000 },
  { path: 'empty', length: 0 },
  { path: 'deep/er/b', length: 1, isExecutable: true },
  { path: '.pad/1', length: 12_767, isPadding: true },
  { path: 'deep/c', length: 32_768 },
  { path: 'deep/empty', length: 0 },
  { path: 'last', length: 1 },
];

function failsWith(code: string, words: RegExp) {
  return (error: unknown): boolean => {
    assert(error instanceof DiskError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, words);
    assert(!error.message.includes('\n'));
    return true;
  };
}

/** Everything in a folder but our state: inodes, modes, sizes, times and names. */
function listing(folder: string): string {
  return spawnSync('find', [folder, '-mindepth', '1', '-not', '-path', '*/.torrent-dl*', '-ls']).stdout.toString();
}

test('pieces in any order become the files, exactly; padding is written nowhere', async (t) => {
  const out = await temporaryFolder(t);
  const made = make(MIXED);
  await using bench = await Bench.open(made, out, openThreads(t));
  const order = Array.from({ length: made.metainfo.pieceCount }, (_, index) => index).reverse();
  const results = await Promise.all(order.map((index) => bench.put(index)));
  assert(results.every((result) => result === 'ok'));
  assert.equal(bench.writer.pending, 0);
  for (const [file, { path: name, isPadding }] of made.metainfo.files.entries()) {
    if (isPadding) await assert.rejects(stat(path.join(out, name)));
    else assert(bytesOf(made, file).equals(await readFile(path.join(out, name))), name);
  }
  assert.deepEqual(bench.finished.sort(), [0, 2, 4, 6]);
  assert.deepEqual((await readdir(path.join(out, 't'))).sort(), ['a', 'deep', 'empty', 'last']);
});

test('an executable file is made executable, others are not', async (t) => {
  const out = await temporaryFolder(t);
  const made = make(MIXED);
  await using bench = await Bench.open(made, out, openThreads(t));
  await bench.putAll();
  assert.equal((await stat(path.join(out, 't/deep/er/b'))).mode & 0o100, 0o100);
  assert.equal((await stat(path.join(out, 't/a'))).mode & 0o111, 0);
});

test('whatever the sizes, what was written is found by a check and given by the reader', async (t) => {
  const threads = openThreads(t);
  const sizes = fc.array(fc.record({ length: fc.integer({ min: 0, max: 60_000 }), isPadding: fc.boolean() }), {
    minLength: 1,
    maxLength: 12,
  });
  const pieceLength = fc.constantFrom(16_384, 32_768, 524_288);
  await fc.assert(
    fc.asyncProperty(sizes, pieceLength, fc.nat(), async (list, length, seed) => {
      const out = await temporaryFolder(t);
      const made = make(
        list.map((file, n) => ({ path: `${n % 3}/${n}`, ...file })),
        length,
        seed,
      );
      const { pieceCount, totalLength } = made.metainfo;
      {
        await using bench = await Bench.open(made, out, threads);
        assert.equal(await bench.putAll(), undefined);
        assert.equal((await bench.writer.check({ recheck: true })).have.count, pieceCount);
      }
      await using reader = new FileReader(made.metainfo, out);
      for (let index = 0; index < pieceCount; index++) {
        const expected = made.data.subarray(index * length, Math.min(totalLength, (index + 1) * length));
        assert(expected.equals(await readBlock(reader, index, 0, expected.length)));
      }
    }),
    { numRuns: 15 },
  );
});

test('a corrupt piece reaches no file, and the right one does later', async (t) => {
  const out = await temporaryFolder(t);
  const made = make(40_000);
  await using bench = await Bench.open(made, out, openThreads(t));
  assert.equal(await bench.put(1, (bytes) => (bytes[77]! ^= 1)), 'corrupt');
  await assert.rejects(stat(path.join(out, 't')), { code: 'ENOENT' });
  assert.equal(await bench.put(1), 'ok');
  assert.deepEqual(bench.finished, []);
});

test('more pieces at once than the ring holds are all written', async (t) => {
  const out = await temporaryFolder(t);
  const made = make(10_000 * 64, 64);
  await using bench = await Bench.open(made, out, openThreads(t, 1), { slots: 10_000 });
  const results = await Promise.all(Array.from({ length: 10_000 }, (_, index) => bench.put(index)));
  assert(results.every((result) => result === 'ok'));
  assert(made.data.equals(await readFile(path.join(out, 't'))));
});

test('a full disk names the file and the reason, and a rerun with room completes', async (t) => {
  const disk = await temporaryDisk(t, 1024);
  if (disk === undefined) return;
  const made = make([
    { path: 'one', length: 500_000 },
    { path: 'two', length: 1_500_000 },
  ]);
  const threads = openThreads(t);
  {
    await using bench = await Bench.open(made, disk, threads);
    const error = await bench.putAll();
    failsWith('ERR_DISK_FULL', /^cannot write ".*\/t\/two": no space left on device \(\d.* more needed\)$/)(error);
  }
  assert.equal(spawnSync('mount', ['-o', 'remount,size=8m', disk]).status, 0);
  await using bench = await Bench.open(made, disk, threads);
  const { have: found } = await bench.writer.check();
  assert(found.count > 20 && found.count < made.metainfo.pieceCount);
  for (let index = 0; index < made.metainfo.pieceCount; index++) {
    if (!found.has(index)) assert.equal(await bench.put(index), 'ok');
  }
  assert(bytesOf(made, 1).equals(await readFile(path.join(disk, 't/two'))));
});

test('a limit on the size of files is told of', () => {
  const script = fileURLToPath(new URL('too-large.ts', import.meta.url));
  const words = ['-c', 'ulimit -f 100; exec "$0" "$@"', process.execPath, '--import', 'tsx', script];
  const { stdout } = spawnSync('bash', words);
  assert.match(stdout.toString(), /^ERR_FILE_TOO_LARGE cannot write ".*\/t": the file would be larger than .*\n$/);
});

test('a read-only disk is told of at once', async (t) => {
  const disk = await temporaryDisk(t, 64);
  if (disk === undefined) return;
  assert.equal(spawnSync('mount', ['-o', 'remount,ro', disk]).status, 0);
  await assert.rejects(Bench.open(make(10), disk, openThreads(t)), failsWith('ERR_READ_ONLY', /read-only/));
});

test('a disk that becomes read-only in mid-download is told of, and closing still works', async (t) => {
  const disk = await temporaryDisk(t, 256);
  if (disk === undefined) return;
  const made = make([
    { path: 'a', length: 16_384 },
    { path: 'b', length: 16_384 },
  ]);
  const bench = await Bench.open(made, disk, openThreads(t), { slots: 2 });
  assert.equal(await bench.put(0), 'ok');
  // The thread keeps `a` open for writing, which forbids the remount: a bind mount does not mind.
  spawnSync('mount', ['--bind', disk, disk]);
  assert.equal(spawnSync('mount', ['-o', 'remount,bind,ro', disk]).status, 0);
  failsWith('ERR_READ_ONLY', /cannot write ".*\/t\/b": the file system is read-only/)(await bench.put(1));
  spawnSync('umount', [disk]);
  await bench[Symbol.asyncDispose]();
});

test('what is in the way is named and left alone', async (t) => {
  const threads = openThreads(t);
  const made = make([{ path: 'sub/file', length: 10 }]);
  const cases: [string, (out: string) => Promise<unknown>, string, RegExp][] = [
    [
      'a folder at the place of a file',
      (out) => mkdir(path.join(out, 't/sub/file'), { recursive: true }),
      'ERR_IN_THE_WAY',
      /t\/sub\/file": a folder is in the way/,
    ],
    [
      'a file at the place of a folder',
      async (out) => {
        await mkdir(path.join(out, 't'));
        await writeFile(path.join(out, 't/sub'), 'mine');
      },
      'ERR_IN_THE_WAY',
      /t\/sub": it is not a folder/,
    ],
    [
      'a longer file',
      async (out) => {
        await mkdir(path.join(out, 't/sub'), { recursive: true });
        await writeFile(path.join(out, 't/sub/file'), 'eleven byte');
      },
      'ERR_LONGER_FILE',
      /t\/sub\/file".*11 bytes are there, 10 belong there/,
    ],
    [
      'a pipe',
      async (out) => {
        await mkdir(path.join(out, 't/sub'), { recursive: true });
        assert.equal(spawnSync('mkfifo', [path.join(out, 't/sub/file')]).status, 0);
      },
      'ERR_IN_THE_WAY',
      /a pipe, socket or device/,
    ],
    [
      'a link at the place of a folder',
      async (out) => {
        await mkdir(path.join(out, 'elsewhere'));
        await symlink(path.join(out, 'elsewhere'), path.join(out, 't'));
      },
      'ERR_SYMLINK',
      /t": a symbolic link/,
    ],
    [
      'a link at the place of a file',
      async (out) => {
        await mkdir(path.join(out, 't/sub'), { recursive: true });
        await symlink(path.join(out, 'elsewhere'), path.join(out, 't/sub/file'));
      },
      'ERR_SYMLINK',
      /t\/sub\/file": a symbolic link/,
    ],
  ];
  for (const [what, prepare, code, words] of cases) {
    await t.test(what, async (t) => {
      const out = await temporaryFolder(t);
      await prepare(out);
      const before = listing(out);
      await assert.rejects(Bench.open(made, out, threads), failsWith(code, words));
      assert.equal(listing(out), before);
      const left = await readdir(path.join(out, '.torrent-dl'));
      assert.deepEqual(left, [], 'the lock is released');
    });
  }
});

test('the output folder itself may be a link, and a file in its place is told of', async (t) => {
  const folder = await temporaryFolder(t);
  const threads = openThreads(t);
  await mkdir(path.join(folder, 'real'));
  await symlink('real', path.join(folder, 'link'));
  const made = make(10);
  {
    await using bench = await Bench.open(made, path.join(folder, 'link'), threads);
    assert.equal(await bench.putAll(), undefined);
  }
  assert(made.data.equals(await readFile(path.join(folder, 'real/t'))));
  await assert.rejects(
    Bench.open(made, path.join(folder, 'real/t'), threads),
    failsWith('ERR_IN_THE_WAY', /cannot create the folder ".*\/real\/t": it is not a folder/),
  );
});

test('a link planted while a download runs leads nowhere', async (t) => {
  const out = await temporaryFolder(t);
  const away = await temporaryFolder(t);
  const made = make([
    { path: 'x/a', length: 16_384 },
    { path: 'y/b', length: 16_384 },
    { path: 'z', length: 16_384 },
  ]);
  await using bench = await Bench.open(made, out, openThreads(t));
  assert.equal(await bench.put(0), 'ok');
  await symlink(away, path.join(out, 't/y'));
  await symlink(path.join(away, 'z'), path.join(out, 't/z'));
  failsWith('ERR_SYMLINK', /t\/y": a symbolic link/)(await bench.put(1));
  failsWith('ERR_SYMLINK', /t\/z": a symbolic link/)(await bench.put(2));
  assert.deepEqual(await readdir(away), []);
  assert((await lstat(path.join(out, 't/y'))).isSymbolicLink());
});

test('a folder removed in mid-download is made again', async (t) => {
  const out = await temporaryFolder(t);
  const made = make(Array.from({ length: 100 }, (_, n) => ({ path: `x/${n}`, length: 16_384 })));
  await using bench = await Bench.open(made, out, openThreads(t, 1));
  assert.equal(await bench.put(0), 'ok');
  spawnSync('rm', ['-r', path.join(out, 't')]);
  assert.equal(await bench.put(1), 'ok');
  assert(bytesOf(made, 1).equals(await readFile(path.join(out, 't/x/1'))));
});

test('a torrent cannot take the name of the state folder', async (t) => {
  const made = make(10);
  const metainfo = {
    ...made.metainfo,
    name: '.Torrent-DL',
    files: [{ ...made.metainfo.files[0]!, path: '.Torrent-DL' }],
  };
  const opening = Bench.open({ ...made, metainfo }, await temporaryFolder(t), openThreads(t));
  await assert.rejects(opening, failsWith('ERR_IN_THE_WAY', /our own state/));
});

test('a file shorter than its torrent says at the end is not called complete', async (t) => {
  const out = await temporaryFolder(t);
  const made = make(40_000);
  const bench = await Bench.open(made, out, openThreads(t));
  await bench.putAll();
  spawnSync('truncate', ['-s', '39999', path.join(out, 't')]);
  await assert.rejects(bench.writer.save(bench.full()), failsWith('ERR_FILE_CHANGED', /has 39999 bytes, not 40000/));
  await bench[Symbol.asyncDispose]();
});

test('a file that nobody may write to is told of', async (t) => {
  const out = await temporaryFolder(t);
  const made = make(40_000);
  await using bench = await Bench.open(made, out, openThreads(t));
  await writeFile(path.join(out, 't'), '');
  if (spawnSync('chattr', ['+i', path.join(out, 't')]).status !== 0) {
    t.skip('no immutable files here');
    return;
  }
  try {
    failsWith('ERR_PERMISSION', /cannot write ".*\/t": permission denied/)(await bench.put(0));
  } finally {
    spawnSync('chattr', ['-i', path.join(out, 't')]);
    await chmod(path.join(out, 't'), 0o600);
  }
});

test('a piece without room is not tried once the threads were told to forget the torrent', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const threads = openThreads(t);
  const written: number[] = [];
  let owner: JobOwner | undefined;
  t.mock.method(threads, 'add', (_: unknown, given: JobOwner) => {
    owner = given;
    return 1;
  });
  t.mock.method(threads, 'write', (_: number, slot: number) => written.push(slot));
  t.mock.method(threads, 'remove', () => {
    t.mock.timers.tick(60_000); // a busy thread
    return Promise.resolve();
  });
  const { metainfo } = make(16_384);
  const onPiece = (): void => assert.fail('it is neither right nor wrong');
  const options = { threads, memory: new SharedArrayBuffer(16_384), slotLength: 16_384, onPiece };
  const writer = await FileWriter.open(metainfo, await temporaryFolder(t), { ...options, onDiskFull: 'wait' });
  writer.write(0, 0);
  owner!.onWritten(0, 0, diskError('write', 't', systemError('ENOSPC', 't')));
  assert.ok(writer.isWaitingForRoom);
  t.mock.timers.tick(2000);
  owner!.onWritten(0, 0, diskError('write', 't', systemError('ENOSPC', 't')));
  assert.deepEqual(written, [0, 0]);
  await writer[Symbol.asyncDispose]();
  assert.deepEqual(written, [0, 0]);
});
