import assert from 'node:assert/strict';
import { mkdir, mkdtemp, open, readdir, rm, stat, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { Bitfield } from '../../src/common/bitfield.js';
import { measureSpace, noSpaceError, requireSpace } from '../../src/file/space.js';
import { decodeMetainfo } from '../../src/metainfo/decode.js';
import { makeTorrent, randomBytes, writeContent } from '../helpers/torrent.js';
import { wantedOf } from './helpers.js';

const KIB = 1024;

const torrent = makeTorrent(
  [
    { path: 'one', data: randomBytes('one', 100 * KIB) },
    { path: 'two', data: randomBytes('two', 28 * KIB) },
    { path: 'empty', data: new Uint8Array(0) },
  ],
  { pieceLength: 16 * KIB },
);
const metainfo = decodeMetainfo(torrent.bytes);
const nothing = new Bitfield(metainfo.pieceCount);

async function inTempFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'torrent-dl-'));
  try {
    await run(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

test('a folder that is not there yet has the room of the one that it will be made in, and is not made', () =>
  inTempFolder(async (folder) => {
    const space = await measureSpace(path.join(folder, 'a/b'), { metainfo, have: nothing });
    assert.equal(space.needed, 128 * KIB);
    assert.ok(space.free! > 0);
    assert.deepEqual(await readdir(folder), []);
  }));

test('what is allocated counts as there, the holes of sparse files do not', () =>
  inTempFolder(async (out) => {
    await mkdir(path.join(out, 'content'));
    await using sparse = await open(path.join(out, 'content/one'), 'w');
    await sparse.truncate(100 * KIB);
    assert.equal((await measureSpace(out, { metainfo, have: nothing })).needed, 128 * KIB);
    await sparse.write(randomBytes('one', 64 * KIB), 0, 64 * KIB, 0);
    await sparse.sync();
    const { blocks } = await stat(path.join(out, 'content/one'));
    const { needed } = await measureSpace(out, { metainfo, have: nothing });
    assert.equal(needed, 128 * KIB - blocks * 512);
  }));

test('pieces that we have need nothing, whatever the files take', () =>
  inTempFolder(async (out) => {
    const have = new Bitfield(metainfo.pieceCount);
    have.add(0);
    have.add(7);
    assert.equal((await measureSpace(out, { metainfo, have })).needed, 96 * KIB);
    have.fill();
    assert.equal((await measureSpace(out, { metainfo, have })).needed, 0);
    await writeContent(torrent, out);
    assert.equal((await measureSpace(out, { metainfo, have })).needed, 0);
  }));

test('only wanted files need room, and what their boundary pieces have of others', () =>
  inTempFolder(async (out) => {
    const { needed } = await measureSpace(out, { metainfo, have: nothing, wanted: wantedOf(metainfo, [1]) });
    assert.equal(needed, (28 + 4) * KIB);
  }));

test('files take whole blocks', () =>
  inTempFolder(async (out) => {
    const small = decodeMetainfo(
      makeTorrent(Array.from({ length: 10 }, (_, at) => ({ path: `${at}`, data: randomBytes(at, 5) }))).bytes,
    );
    const { needed } = await measureSpace(out, { metainfo: small, have: new Bitfield(small.pieceCount) });
    assert.ok(needed >= 5120 && needed <= 40_960, String(needed));
  }));

test('more than is free is refused, with both figures; less is not', () =>
  inTempFolder(async (out) => {
    await requireSpace(out, { metainfo, have: nothing });
    const huge = { ...metainfo, files: [{ ...metainfo.files[0]!, length: 2 ** 52 }], totalLength: 2 ** 52 };
    await assert.rejects(requireSpace(out, { metainfo: huge, have: nothing }), {
      code: 'ERR_NO_SPACE',
      message: /^cannot write below ".*": 4\.00 PiB needed, .* free$/,
    });
    assert.equal(
      noSpaceError('a\u001bb', { needed: 3.1 * 2 ** 30, free: 1.2 * 2 ** 30 }).message,
      'cannot write below "a\\x1bb": 3.10 GiB needed, 1.20 GiB free',
    );
  }));

test('a place that cannot be looked at is a disk error', () =>
  inTempFolder(async (folder) => {
    await writeFile(path.join(folder, 'file'), '');
    await assert.rejects(measureSpace(path.join(folder, 'file/out'), { metainfo, have: nothing }), {
      name: 'DiskError',
      code: 'ERR_IN_THE_WAY',
    });
  }));
