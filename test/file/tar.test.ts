import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TAR_END, tarHeader, tarPadding } from '../../src/file/tar.js';
import { readTarHeader } from './read-tar.js';

const PLAIN = { path: 'a/b.txt', length: 5, mode: 0o644, mtime: 1_700_000_000 };

test('a short ASCII path is a single header block', () => {
  const header = tarHeader(PLAIN);
  assert.equal(header.length, 512);
  assert.deepEqual(readTarHeader(header), PLAIN);
});

test('whatever path, length and mode an entry has, its headers say, in whole blocks', () => {
  const component = fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 90 })
    .map((text) => text.replace(/[\0/]/g, '_'));
  const entries = fc.record({
    path: fc.array(component, { minLength: 1, maxLength: 9 }).map((components) => components.join('/')),
    length: fc.oneof(fc.nat(10_000), fc.maxSafeNat()),
    mode: fc.constantFrom(0o644, 0o755),
    mtime: fc.nat(2 ** 32),
  });
  fc.assert(
    fc.property(entries, (entry) => {
      const header = tarHeader(entry);
      assert.equal(header.length % 512, 0);
      assert.deepEqual(readTarHeader(header), { ...entry });
      assert.deepEqual(tarHeader(entry), header);
    }),
    { numRuns: 300 },
  );
});

test('paths around 100 bytes, and around the digits of a record’s length, are kept', () => {
  for (let length = 80; length < 1200; length++) {
    const path = 'x'.repeat(length);
    const header = tarHeader({ ...PLAIN, path });
    assert.equal(readTarHeader(header).path, path);
    assert.equal(header.length > 512, length > 100);
  }
});

test('8 GiB is the first length for an extended header', () => {
  assert.equal(tarHeader({ ...PLAIN, length: 2 ** 33 - 1 }).length, 512);
  assert.deepEqual(readTarHeader(tarHeader({ ...PLAIN, length: 2 ** 33 })), { ...PLAIN, length: 2 ** 33 });
});

test('a time that no header holds is 0', () => {
  for (const mtime of [-1, 2 ** 33, Number.MAX_SAFE_INTEGER, NaN]) {
    assert.equal(readTarHeader(tarHeader({ ...PLAIN, mtime })).mtime, 0);
  }
});

test('data is padded to whole blocks, and two of zeros end it', () => {
  for (const [length, padding] of [
    [0, 0],
    [1, 511],
    [511, 1],
    [512, 0],
    [513, 511],
    [2 ** 40 + 1, 511],
  ] as const) {
    assert.equal(tarPadding(length).length, padding);
  }
  assert.deepEqual(TAR_END, new Uint8Array(1024));
});
