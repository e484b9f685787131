import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FileLayout } from '../../src/file/layout.js';

function layoutOf(lengths: readonly number[], pieceLength: number): { layout: FileLayout; totalLength: number } {
  let totalLength = 0;
  const files = lengths.map((length) => ({ offset: (totalLength += length) - length, length }));
  const pieceCount = Math.ceil(totalLength / pieceLength);
  return { layout: new FileLayout({ pieceLength, pieceCount, totalLength }, files), totalLength };
}

const lengths = fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 50 })), { minLength: 1, maxLength: 20 });

test('spans cover a range byte by byte, in order, each within its file', () => {
  fc.assert(
    fc.property(lengths, fc.nat(), fc.nat(), (all, from, count) => {
      const { layout, totalLength } = layoutOf(all, 16);
      fc.pre(totalLength > 0);
      const position = from % totalLength;
      const length = count % (totalLength - position + 1);
      const expected = all.flatMap((size, file) => Array.from({ length: size }, (_, offset) => `${file}:${offset}`));
      const spans = layout.spans(position, length);
      const found = spans.flatMap(({ file, offset, length: size }) =>
        Array.from({ length: size }, (_, n) => `${file}:${offset + n}`),
      );
      assert.deepEqual(found, expected.slice(position, position + length));
      assert(spans.every((span) => span.length > 0));
    }),
  );
});

test('a file belongs to every piece that holds one of its bytes, and to no other', () => {
  fc.assert(
    fc.property(lengths, fc.integer({ min: 1, max: 40 }), (all, pieceLength) => {
      const { layout, totalLength } = layoutOf(all, pieceLength);
      const pieces = all.map(() => new Set<number>());
      for (let at = 0; at < totalLength; at++) pieces[layout.fileAt(at)]!.add(Math.floor(at / pieceLength));
      for (const [file, size] of all.entries()) {
        if (size === 0) continue;
        const { first, last } = layout.piecesOf(file);
        assert.deepEqual(
          [...pieces[file]!],
          [...Array(last - first + 1).keys()].map((n) => first + n),
        );
      }
    }),
  );
});

test('offsets beyond 4 GiB are exact', () => {
  const big = 2 ** 45 + 1;
  const { layout } = layoutOf([big, 0, 3], 2 ** 24);
  assert.deepEqual(layout.spans(big - 1, 3), [
    { file: 0, offset: big - 1, length: 1 },
    { file: 2, offset: 0, length: 2 },
  ]);
});
