import assert from 'node:assert/strict';
import { mkdir, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { DiskError } from '../../src/common/errors.js';
import { lengthOfPiece } from '../../src/common/pieces.js';
import { FileReader } from '../../src/file/reader.js';
import { bytesOf, make, readBlock, temporaryFolder, type Made } from './helpers.js';

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

test('any part of any piece is read, across files and padding, into parts however they are cut', async (t) => {
  const out = await temporaryFolder(t);
  await store(MADE, out);
  await using reader = new FileReader(MADE.metainfo, out);
  const { pieceCount, pieceLength, totalLength } = MADE.metainfo;
  await fc.assert(
    fc.asyncProperty(fc.nat(), fc.nat(), fc.array(fc.nat(90_000), { maxLength: 20 }), async (n, from, lengths) => {
      const index = n % pieceCount;
      const begin = from % lengthOfPiece(MADE.metainfo, index);
      const position = index * pieceLength + begin;
      let left = totalLength - position;
      const parts = lengths.map((length) => {
        const part = Buffer.alloc(Math.min(length, left));
        left -= part.length;
        return part;
      });
      await reader.read(index, begin, parts);
      const bytes = Buffer.concat(parts);
      assert(MADE.data.subarray(position, position + bytes.length).equals(bytes));
    }),
  );
});

test('what is written after a read is what the next one gives', async (t) => {
  const out = await temporaryFolder(t);
  const made = make(40_000);
  const half = Buffer.alloc(40_000);
  made.data.copy(half, 0, 0, 16_384);
  await writeFile(path.join(out, 't'), half);
  await using reader = new FileReader(made.metainfo, out);
  await readBlock(reader, 0, 0, 16_384);
  await writeFile(path.join(out, 't'), made.data);
  assert(made.data.subarray(16_384, 32_768).equals(await readBlock(reader, 1, 0, 16_384)));
});

test('data that is gone, cut, or behind a link is a DiskError, and read again when it is back', async (t) => {
  const out = await temporaryFolder(t);
  const made = make(40_000);
  const place = path.join(out, 't');
  await using reader = new FileReader(made.metainfo, out);
  const fails = (code: string, words: RegExp) =>
    assert.rejects(
      async () => readBlock(reader, 1, 0, 16_384),
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
  assert.equal((await readBlock(reader, 1, 0, 16_384)).length, 16_384);
});
