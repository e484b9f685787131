/** Reads tar headers back, by the standard's table and not by our code. */
import assert from 'node:assert/strict';
import type { TarEntry } from '../../src/file/tar.js';

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

/** What an entry means to who reads its headers. @throws when they are not in order */
export function readTarHeader(bytes: Uint8Array): TarEntry {
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
