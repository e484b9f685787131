import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { Bitfield } from '../../src/common/bitfield.js';
import { hashPieces, type PieceFailure } from '../../src/file/hash-pieces.js';
import { make, temporaryFolder } from './helpers.js';

function fail({ error }: PieceFailure): never {
  throw new Error(error.message);
}

test('only wanted pieces are hashed, and counted; the others have zeros', async (t) => {
  const { metainfo, data } = make(100_000);
  const place = path.join(await temporaryFolder(t), 'file');
  await writeFile(place, data);
  const wanted = new Bitfield(metainfo.pieceCount);
  for (const index of [0, 3, 4, 6]) wanted.add(index);
  const totals = new Set<number>();
  let hashed = 0;
  const digests = await hashPieces(
    { pieces: metainfo, files: [{ place, offset: 0, length: data.length }], followsLinks: false },
    {
      wanted,
      onFailure: fail,
      onProgress: (done, total) => {
        hashed = done;
        totals.add(total);
      },
    },
  );
  const length = 3 * 16_384 + (100_000 - 6 * 16_384);
  assert.deepEqual([hashed, [...totals]], [length, [length]]);
  for (let index = 0; index < metainfo.pieceCount; index++) {
    const expected = wanted.has(index) ? metainfo.pieceHashes.subarray(index * 20, index * 20 + 20) : Buffer.alloc(20);
    assert.deepEqual(
      Buffer.from(digests.subarray(index * 20, index * 20 + 20)),
      Buffer.from(expected),
      `piece ${index}`,
    );
  }
});

test('a piece that cannot be read is told of, with the file, and costs no other piece', async (t) => {
  for (const pieceLength of [16_384, 524_288]) {
    const { metainfo, data } = make(5 * pieceLength, pieceLength);
    const folder = await temporaryFolder(t);
    const files = Array.from({ length: 5 }, (_, n) => {
      return { place: path.join(folder, String(n)), offset: n * pieceLength, length: pieceLength };
    });
    for (const [n, { place, offset }] of files.entries()) {
      if (n === 1) continue;
      await writeFile(place, data.subarray(offset, offset + pieceLength - (n === 3 ? 1 : 0)));
    }
    const failures: (readonly [index: number, file: number, code: string | undefined])[] = [];
    const onFailure = ({ index, file, error }: PieceFailure): void => {
      failures.push([index, file, error.code]);
    };
    const digests = await hashPieces({ pieces: metainfo, files, followsLinks: false }, { onFailure, threads: 1 });
    assert.deepEqual(failures, [
      [1, 1, 'ENOENT'],
      [3, 3, 'ESHORT'],
    ]);
    for (const index of [0, 2, 4]) {
      const [from, end] = [index * 20, index * 20 + 20];
      assert.deepEqual(Buffer.from(digests.subarray(from, end)), Buffer.from(metainfo.pieceHashes.subarray(from, end)));
    }
  }
});

test('a thread that dies is a DiskError, not a hang', async () => {
  const { metainfo } = make(100_000);
  const work = hashPieces({ pieces: metainfo, files: [], followsLinks: false }, { onFailure: fail }); // a layout of nothing
  await assert.rejects(work, { name: 'DiskError', code: 'ERR_DISK_THREAD', message: /^a thread that hashes died: / });
});
