import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TAR_END, tarHeader, tarPadding, type TarEntry } from '../../src/file/tar.js';

const PLAIN = { path: 'a/b.txt', length: 5, mode: 0o644, mtime: 1_700_000_000 };

/** What a header says, read back by the standard's table. */
function read(bytes: Uint8Array): { name: string; size: number; mode: number; mtime: number; type: string } {
  const buffer = Buffer.from(bytes);
  const text = (from: number, to: number): string => buffer.toString('latin1', from, to).replace(/\0.*$/s, '');
  const sum = buffer.reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 32 : byte), 0);
  assert.equal(parseInt(text(148, 156), 8), sum, 'checksum');
  assert.equal(buffer.toString('latin1', 257, 265), 'ustar\x0000');
  return {
    name: text(0, 100),
    size: parseInt(text(124, 136), 8),
    mode: parseInt(text(100, 108), 8),
    mtime: parseInt(text(136, 148), 8),
    type: text(156, 157),
  };
}

/** The records of an extended header. */
function readRecords(bytes: Buffer): Record<string, string> {
  const records: Record<string, string> = {};
  for (let at = 0; at < bytes.length;) {
    const space = bytes.indexOf(' ', at);
    const end = at + Number(bytes.toString('latin1', at, space));
    const text = bytes.toString('utf8', space + 1, end);
    assert.ok(text.endsWith('\n'));
    const equals = text.indexOf('=');
    records[text.slice(0, equals)] = text.slice(equals + 1, -1);
    at = end;
  }
  return records;
}

/** What an entry means to who reads its headers. */
function decode(bytes: Uint8Array): TarEntry {
  const first = read(bytes.subarray(0, 512));
  if (first.type === '0') return { path: first.name, length: first.size, mode: first.mode, mtime: first.mtime };
  assert.equal(first.type, 'x');
  const records = readRecords(Buffer.from(bytes.subarray(512, 512 + first.size)));
  const header = read(bytes.subarray(512 + Math.ceil(first.size / 512) * 512));
  return {
    path: records['path'] ?? header.name,
    length: Number(records['size'] ?? header.size),
    mode: header.mode,
    mtime: header.mtime,
  };
}

test('a short ASCII path is a single header block', () => {
  const header = tarHeader(PLAIN);
  assert.equal(header.length, 512);
  assert.deepEqual(decode(header), PLAIN);
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
      assert.deepEqual(decode(header), { ...entry });
      assert.deepEqual(tarHeader(entry), header);
    }),
    { numRuns: 300 },
  );
});

test('paths around 100 bytes, and around the digits of a record’s length, are kept', () => {
  for (let length = 80; length < 1200; length++) {
    const path = 'x'.repeat(length);
    const header = tarHeader({ ...PLAIN, path });
    assert.equal(decode(header).path, path);
    assert.equal(header.length > 512, length > 100);
  }
});

test('8 GiB is the first length for an extended header', () => {
  assert.equal(tarHeader({ ...PLAIN, length: 2 ** 33 - 1 }).length, 512);
  assert.deepEqual(decode(tarHeader({ ...PLAIN, length: 2 ** 33 })), { ...PLAIN, length: 2 ** 33 });
});

test('a time that no header holds is 0', () => {
  for (const mtime of [-1, 2 ** 33, Number.MAX_SAFE_INTEGER, NaN]) {
    assert.equal(decode(tarHeader({ ...PLAIN, mtime })).mtime, 0);
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
