import assert from 'node:assert/strict';
import { chmodSync, readdirSync, statSync, truncateSync } from 'node:fs';
import { appendFile, mkdir, open, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { spawnSync } from 'node:child_process';
import { test, type TestContext } from 'node:test';
import fc from 'fast-check';
import { createTorrent } from '../src/create.js';
import { lengthOfPiece } from '../src/common/pieces.js';
import { verifyTorrent, type VerifyReport } from '../src/verify.js';
import { bytesOf, make, members, temporaryDisk, temporaryFolder, type Made } from './file/helpers.js';
import { Bitfield } from '../src/common/bitfield.js';

const PIECE = 16_384;

/** Writes the torrent's files, but for pad files. */
async function write(made: Made, out: string): Promise<void> {
  for (const [file, { path: name, isPadding }] of made.metainfo.files.entries()) {
    if (isPadding) continue;
    await mkdir(path.dirname(path.join(out, name)), { recursive: true });
    await writeFile(path.join(out, name), bytesOf(made, file));
  }
}

/** A torrent, and its files in a folder. */
async function madeIn(t: TestContext, ...words: Parameters<typeof make>): Promise<{ made: Made; out: string }> {
  const out = await temporaryFolder(t);
  const made = make(...words);
  await write(made, out);
  return { made, out };
}

/** Turns one byte over. */
async function spoil(file: string, at: number): Promise<void> {
  const handle = await open(file, 'r+');
  const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, at);
  await handle.write(Buffer.from([buffer[0]! ^ 1]), 0, 1, at);
  await handle.close();
}

/** `path state badPieces/pieces` of each file. */
function lines({ files }: VerifyReport): string[] {
  return files.map(({ path, state, badPieces, pieces }) => `${path} ${state} ${badPieces}/${pieces}`);
}

/** All below a folder, with what tells whether it was touched; the time of the last look apart. */
function snapshot(folder: string): unknown {
  return ['', ...readdirSync(folder, { recursive: true, encoding: 'utf8' })].sort().map((name) => {
    const { ino, size, mtimeMs, ctimeMs, mode } = statSync(path.join(folder, name));
    return { name, ino, size, mtimeMs, ctimeMs, mode };
  });
}

test('what is all right is complete, by metainfo, bytes or path', async (t) => {
  const out = await temporaryFolder(t);
  await mkdir(path.join(out, 'd/e'), { recursive: true });
  await writeFile(path.join(out, 'd/a'), make(100_000).data);
  await writeFile(path.join(out, 'd/e/b'), make(3, PIECE, 2).data);
  await writeFile(path.join(out, 'd/empty'), '');
  const { bytes, metainfo } = await createTorrent(path.join(out, 'd'));
  await writeFile(path.join(out, 'd.torrent'), bytes);
  for (const source of [metainfo, bytes, path.join(out, 'd.torrent')]) {
    const report = await verifyTorrent(source, out);
    assert.equal(report.isComplete, true);
    assert.deepEqual(lines(report), ['d/a ok 0/7', 'd/e/b ok 0/1', 'd/empty ok 0/0']);
    assert.deepEqual(report.pieces, { count: 7, ok: 7, corrupt: 0, missing: 0, bitfield: new Uint8Array([0xfe]) });
    assert.equal(report.files[1]!.size, 3);
  }
});

test('each kind of damage has its state', async (t) => {
  const names = [
    'ok',
    'damaged',
    'gap',
    'short',
    'long',
    'missing',
    'link',
    'folder',
    'pipe',
    'deep/file',
    'neighbour',
  ];
  const { made, out } = await madeIn(t, [
    ...names.map((name) => ({ path: name, length: name === 'gap' ? 20_000 : 2 * PIECE })),
    { path: 'none', length: 0 },
    { path: 'none too', length: 0 },
    { path: 'some', length: 0 },
  ]);
  const place = (name: string): string => path.join(out, 't', name);
  await spoil(place('damaged'), PIECE + 5);
  truncateSync(place('short'), PIECE + 100);
  await appendFile(place('long'), 'x');
  await unlink(place('missing'));
  await rename(place('link'), path.join(out, 'elsewhere'));
  await symlink('../elsewhere', place('link'));
  await unlink(place('folder'));
  await mkdir(place('folder'));
  await unlink(place('pipe'));
  assert.equal(spawnSync('mkfifo', [place('pipe')]).status, 0);
  await rm(place('deep'), { recursive: true });
  await writeFile(place('deep'), 'a file');
  await unlink(place('none too'));
  await writeFile(place('some'), 'x');

  const report = await verifyTorrent(made.metainfo, out);
  assert.equal(report.isComplete, false);
  // `gap` is one piece and a bit: each file behind it shares its first and last piece with its neighbours.
  assert.deepEqual(lines(report), [
    't/ok ok 0/2',
    't/damaged damaged 1/2',
    't/gap ok 0/2',
    't/short too short 2/3',
    't/long too long 2/3',
    't/missing missing 3/3',
    't/link unreadable 3/3',
    't/folder unreadable 3/3',
    't/pipe unreadable 3/3',
    't/deep/file unreadable 3/3',
    't/neighbour unproven 1/3',
    't/none ok 0/0',
    't/none too missing 0/0',
    't/some too long 0/0',
  ]);
  assert.deepEqual(
    report.files.flatMap(({ reason }) => (reason === undefined ? [] : [reason.replaceAll(out, '')])),
    [
      'cannot read "/t/link": a symbolic link is in the way, and links are not followed',
      'cannot read "/t/folder": a folder is in the way',
      'cannot read "/t/pipe": a pipe, socket or device is in the way',
      'cannot read below "/t/deep": it is not a folder',
    ],
  );
  assert.equal(report.files[4]!.size, 2 * PIECE + 1);
  const { count, ok, corrupt, missing, bitfield } = report.pieces;
  assert.deepEqual([ok + corrupt + missing, corrupt, count], [count, 1, made.metainfo.pieceCount]);
  assert.equal(members(new Bitfield(count, bitfield)).length, ok);
});

test('a piece that two files share is bad in both when it is corrupt', async (t) => {
  const { made, out } = await madeIn(t, [
    { path: 'a', length: PIECE + 100 },
    { path: 'b', length: PIECE },
  ]);
  await spoil(path.join(out, 't/b'), 7);
  assert.deepEqual(lines(await verifyTorrent(made.metainfo, out)), ['t/a damaged 1/2', 't/b damaged 1/2']);
});

test('pad files are zeros that need not be there, and are not reported', async (t) => {
  const { made, out } = await madeIn(t, [
    { path: 'a', length: 100 },
    { path: '.pad/16284', length: PIECE - 100, isPadding: true },
    { path: 'b', length: PIECE },
    { path: '.pad/1', length: 3 * PIECE, isPadding: true },
  ]);
  const report = await verifyTorrent(made.metainfo, out);
  assert.deepEqual(lines(report), ['t/a ok 0/1', 't/b ok 0/1']);
  assert.deepEqual([report.isComplete, report.pieces.ok], [true, 5]);
  assert.equal(readdirSync(path.join(out, 't')).includes('.pad'), false);
});

test('where nothing is, all is missing, and nothing is made', async (t) => {
  const out = path.join(await temporaryFolder(t), 'nowhere');
  const { metainfo } = make([{ path: 'a', length: 100_000 }]);
  const seen: number[] = [];
  const report = await verifyTorrent(metainfo, out, { onProgress: (done, total) => seen.push(done, total) });
  assert.deepEqual(lines(report), ['t/a missing 7/7']);
  assert.deepEqual([report.pieces.missing, seen], [7, [0, 0]]);
  assert.throws(() => statSync(out), { code: 'ENOENT' });
  await writeFile(out, '');
  await assert.rejects(verifyTorrent(metainfo, out), {
    ...{ name: 'DiskError', code: 'ERR_IN_THE_WAY' },
    message: `cannot read "${out}": it is not a folder`,
  });
});

test('a piece hash of zeros is not what a missing piece has', async (t) => {
  const { metainfo } = make(PIECE);
  const report = await verifyTorrent({ ...metainfo, pieceHashes: Buffer.alloc(20) }, await temporaryFolder(t));
  assert.deepEqual([report.pieces.ok, report.pieces.missing], [0, 1]);
});

test('nothing is written, and the resume state is neither made nor believed', async (t) => {
  const { made, out } = await madeIn(t, 200_000);
  await mkdir(path.join(out, '.torrent-dl'));
  await writeFile(path.join(out, '.torrent-dl/t.resume'), 'all of it is right, believe me');
  await spoil(path.join(out, 't'), 0);
  for (const name of ['t', '.torrent-dl', '']) chmodSync(path.join(out, name), name === 't' ? 0o444 : 0o555);
  const before = snapshot(out);
  assert.deepEqual(lines(await verifyTorrent(made.metainfo, out)), ['t damaged 1/13']);
  assert.deepEqual(snapshot(out), before);
  chmodSync(out, 0o755);
  chmodSync(path.join(out, '.torrent-dl'), 0o755);
});

test('a read-only disk is read', async (t) => {
  const disk = await temporaryDisk(t, 1024);
  if (disk === undefined) return;
  const made = make([{ path: 'a', length: 100_000 }]);
  await write(made, disk);
  assert.equal(spawnSync('mount', ['-o', 'remount,ro', disk]).status, 0);
  assert.equal((await verifyTorrent(made.metainfo, disk)).isComplete, true);
});

test('a file that shrinks meanwhile is unreadable, and the others are still reported', async (t) => {
  const { made, out } = await madeIn(t, [
    { path: 'a', length: 4 * PIECE },
    { path: 'b', length: 4 * PIECE },
  ]);
  const onProgress = (done: number): void => {
    if (done === 0) truncateSync(path.join(out, 't/a'), PIECE);
  };
  const report = await verifyTorrent(made.metainfo, out, { onProgress });
  assert.deepEqual(lines(report), ['t/a unreadable 3/4', 't/b ok 0/4']);
  assert.match(report.files[0]!.reason!, /it is shorter than it was/);
  assert.deepEqual([report.pieces.missing, report.pieces.corrupt], [3, 0]);
});

test('progress counts the bytes that are there, and an abort ends the work with its reason', async (t) => {
  const { made, out } = await madeIn(t, 20_000_000, 65_536);
  truncateSync(path.join(out, 't'), 10_000_000);
  const seen: number[] = [];
  await verifyTorrent(made.metainfo, out, { onProgress: (done, total) => seen.push(done, total) });
  const there = Math.floor(10_000_000 / 65_536) * 65_536;
  assert.deepEqual([seen[0], seen.at(-2), seen.at(-1)], [0, there, there]);

  const reason = new Error('stopped');
  const stop = new AbortController();
  const onProgress = (): void => stop.abort(reason);
  await assert.rejects(verifyTorrent(made.metainfo, out, { signal: stop.signal, onProgress }), reason);
  await assert.rejects(verifyTorrent(made.metainfo, out, { signal: AbortSignal.abort(reason) }), reason);
});

test('whatever bytes are spoilt, just the pieces that have them are corrupt', async (t) => {
  const lengths = [1, PIECE - 1, 40_000, 3, 700_000, 5];
  for (const pieceLength of [PIECE, 524_288]) {
    const { made, out } = await madeIn(
      t,
      lengths.map((length, n) => ({ path: `f${n}`, length })),
      pieceLength,
    );
    const total = made.metainfo.totalLength;
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(fc.nat(total - 1), { maxLength: 4 }), async (positions) => {
        const flip = async (): Promise<void> => {
          for (const position of positions) {
            const file = made.metainfo.files.findLast(({ offset }) => offset <= position)!;
            await spoil(path.join(out, file.path), position - file.offset);
          }
        };
        await flip();
        const report = await verifyTorrent(made.metainfo, out);
        await flip();
        const bad = new Set(positions.map((position) => Math.floor(position / pieceLength)));
        assert.equal(report.pieces.corrupt, bad.size);
        const right = members(new Bitfield(report.pieces.count, report.pieces.bitfield));
        assert.deepEqual(
          right,
          Array.from({ length: report.pieces.count }, (_, index) => index).filter((index) => !bad.has(index)),
        );
        for (const { index, state } of report.files) {
          const { offset, length } = made.metainfo.files[index]!;
          const isBad = [...bad].some((piece) => {
            const begin = piece * pieceLength;
            return begin < offset + length && begin + lengthOfPiece(made.metainfo, piece) > offset;
          });
          assert.equal(state, isBad ? 'damaged' : 'ok');
        }
      }),
      { numRuns: 8 },
    );
  }
});
