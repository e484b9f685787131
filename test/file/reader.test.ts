import assert from 'node:assert/strict';
import { mkdir, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { DiskError } from '../../src/common/errors.js';
import { lengthOfPiece } from '../../src/common/pieces.js';
import { FileReader } from '../../src/file/reader.js';
import { bytesOf, make, temporaryFolder, type Made } from './helpers.js';

async function store(made: Made, out: string): Promise<void> {
  for (const [file, { path: name, isPadding }] of made.metainfo.files.entries()) {
    if (isPadding) continue;
    await mkdir(path.dirname(path.join(out, name)), { recursive: true });
    await writeFile(path.join(out, name), bytesOf(made, file));
  }
}

const MADE = make(
  [
    { path: 'a', length: 700_000 },
    { path: 'pad', length: 86_432, isPadding: true },
    { path: 'empty', length: 0 },
    { path: 'b', length: 1_000_000 },
  ],
  786_432,
);

test('any part of any piece is read, across extents, files and padding', async (t) => {
  const out = await temporaryFolder(t);
  await store(MADE, out);
  await using reader = new FileReader(MADE.metainfo, out);
  const { pieceCount, pieceLength } = MADE.metainfo;
  await fc.assert(
    fc.asyncProperty(fc.nat(), fc.nat(), fc.integer({ min: 1, max: 600_000 }), async (n, from, most) => {
      const index = n % pieceCount;
      const whole = lengthOfPiece(MADE.metainfo, index);
      const begin = from % whole;
      const length = Math.min(most, whole - begin);
      const position = index * pieceLength + begin;
      assert(MADE.data.subarray(position, position + length).equals(await reader.read(index, begin, length)));
    }),
  );
});

test('after the first block of an extent the others come at once', async (t) => {
  const out = await temporaryFolder(t);
  await store(MADE, out);
  await using reader = new FileReader(MADE.metainfo, out);
  const first = reader.read(0, 0, 16_384);
  const second = reader.read(0, 16_384, 16_384);
  assert(first instanceof Promise && second instanceof Promise);
  assert.equal((await first).buffer, (await second).buffer, 'one read serves both');
  assert(reader.read(0, 245_760, 16_384) instanceof Uint8Array);
  assert(reader.read(0, 262_144, 16_384) instanceof Promise);
});

test('a piece written after its neighbour was read is not served stale', async (t) => {
  const out = await temporaryFolder(t);
  const made = make(40_000);
  const half = Buffer.alloc(40_000);
  made.data.copy(half, 0, 0, 16_384);
  await writeFile(path.join(out, 't'), half);
  await using reader = new FileReader(made.metainfo, out);
  await reader.read(0, 0, 16_384);
  await writeFile(path.join(out, 't'), made.data);
  assert(made.data.subarray(16_384, 32_768).equals(await reader.read(1, 0, 16_384)));
});

test('data that is gone, cut, or behind a link is a DiskError, and read again when it is back', async (t) => {
  const out = await temporaryFolder(t);
  const made = make(40_000);
  const place = path.join(out, 't');
  await using reader = new FileReader(made.metainfo, out);
  const fails = (code: string, words: RegExp) =>
    assert.rejects(
      async () => reader.read(1, 0, 16_384),
      (error: unknown) => error instanceof DiskError && error.code === code && words.test(error.message),
    );
  await fails('ERR_FILE_GONE', /cannot read ".*\/t": it is gone/);
  await symlink('/etc/passwd', place);
  await fails('ERR_SYMLINK', /symbolic link/);
  await rm(place);
  await writeFile(place, made.data);
  await truncate(place, 20_000);
  await fails('ERR_FILE_GONE', /shorter than it was/);
  await writeFile(place, made.data);
  assert.equal((await reader.read(1, 0, 16_384)).length, 16_384);
});
