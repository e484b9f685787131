import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { MetainfoError } from '../../src/common/errors.js';
import { decodeMetainfo } from '../../src/metainfo/decode.js';
import { lengthOfPiece } from '../../src/common/pieces.js';

const FIXTURES = new URL('../fixtures/', import.meta.url);
const seeds = readdirSync(FIXTURES, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.torrent'))
  .sort()
  .map((name) => readFileSync(new URL(name, FIXTURES)));

/** What bencoding and metainfo are made of: damage that a parser gets far with. */
const TOKENS = ['d', 'l', 'i', 'e', '0:', 'de', 'le', 'i0e', 'i-1e', 'i9007199254740993e', '1:a', '4:path', '6:length'];
TOKENS.push('5:files', '4:attr', '1:p', '1:l', '2:..', '9:file tree', '99999999999:', '-1:', '\xff\xfe', '6:pieces0:');

type Damage = (bytes: Buffer) => Buffer;

const damage: fc.Arbitrary<Damage> = fc.oneof(
  fc.tuple(fc.nat(), fc.nat(255)).map(
    ([at, byte]): Damage =>
      (bytes) =>
        splice(bytes, at, 1, Buffer.from([byte])),
  ),
  fc.tuple(fc.nat(), fc.nat(20)).map(
    ([at, length]): Damage =>
      (bytes) =>
        splice(bytes, at, length, Buffer.alloc(0)),
  ),
  fc.tuple(fc.nat(), fc.nat(8), fc.constantFrom(...TOKENS)).map(
    ([at, length, token]): Damage =>
      (bytes) =>
        splice(bytes, at, length, Buffer.from(token, 'latin1')),
  ),
  fc.tuple(fc.nat(), fc.nat(), fc.nat(60)).map(([to, from, length]): Damage => (bytes) => {
    const start = from % (bytes.length + 1);
    return splice(bytes, to, 0, bytes.subarray(start, start + length));
  }),
);

function splice(bytes: Buffer, at: number, length: number, replacement: Buffer): Buffer {
  const start = at % (bytes.length + 1);
  return Buffer.concat([bytes.subarray(0, start), replacement, bytes.subarray(start + length)]);
}

test('a damaged torrent gives a MetainfoError, or a metainfo that holds together', () => {
  fc.assert(
    fc.property(fc.constantFrom(...seeds), fc.array(damage, { minLength: 1, maxLength: 4 }), (seed, damages) => {
      const bytes = damages.reduce<Buffer>((damaged, apply) => apply(damaged), seed);
      try {
        checkMetainfo(decodeMetainfo(bytes));
      } catch (error) {
        assert.ok(error instanceof MetainfoError, error instanceof Error ? error.stack : String(error));
        assert.match(error.message, /^not a valid torrent: \P{Cc}+$/u);
      }
    }),
    { numRuns: 4000 },
  );
});

function checkMetainfo(metainfo: ReturnType<typeof decodeMetainfo>): void {
  const { files, totalLength, pieceCount, pieceLength, pieceHashes, name } = metainfo;
  let offset = 0;
  for (const file of files) {
    assert.equal(file.offset, offset);
    offset += file.length;
    assert.ok(file.path === name || file.path.startsWith(`${name}/`));
  }
  assert.equal(offset, totalLength);
  assert.equal(pieceHashes.length, 20 * pieceCount);
  if (pieceCount > 0) {
    const last = lengthOfPiece(metainfo, pieceCount - 1);
    assert.ok(last > 0 && last <= pieceLength);
  } else assert.equal(totalLength, 0);
  for (const warning of metainfo.warnings) assert.doesNotMatch(warning, /\p{Cc}/u);
}
