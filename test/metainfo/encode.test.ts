import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeMetainfo } from '../../src/metainfo/decode.js';
import { encodeMetainfo, type EncodedFile } from '../../src/metainfo/encode.js';
import { checkPieceLength, choosePieceLength } from '../../src/metainfo/piece-length.js';
import { readMetainfo } from '../../src/metainfo/read.js';

const HASH = Buffer.alloc(20, 7);
const KIB = 1024;
const GIB = 1024 ** 3;

test('a torrent that says all it can is read back as it was meant', () => {
  const bytes = encodeMetainfo({
    name: 'Größe 大',
    content: [
      { name: 'a/b/ä.txt', length: 5 },
      { name: 'empty', length: 0 },
    ],
    pieceLength: 16_384,
    pieceHashes: HASH,
    trackers: [['http://a.example/announce', 'udp://b.example:1/announce'], [], ['https://c.example/announce']],
    webSeeds: ['http://w.example/', 'https://x.example/'],
    isPrivate: true,
    sourceTag: 'XYZ',
    comment: 'a comment, Grüße',
    createdBy: 'somebody',
    creationDate: 1_700_000_000,
  });
  const metainfo = decodeMetainfo(bytes);
  assert.deepEqual(
    metainfo.files.map(({ path, length, offset }) => [path, length, offset]),
    [
      ['Größe 大/a/b/ä.txt', 5, 0],
      ['Größe 大/empty', 0, 5],
    ],
  );
  assert.deepEqual(metainfo.trackers, [
    ['http://a.example/announce', 'udp://b.example:1/announce'],
    ['https://c.example/announce'],
  ]);
  assert.deepEqual(metainfo.webSeeds, ['http://w.example/', 'https://x.example/']);
  assert.deepEqual(
    [metainfo.isPrivate, metainfo.comment, metainfo.createdBy, metainfo.creationDate, metainfo.warnings],
    [true, 'a comment, Grüße', 'somebody', 1_700_000_000, []],
  );
  assert.match(Buffer.from(metainfo.infoBytes).toString('latin1'), /7:privatei1e6:source3:XYZe$/);
  assert.deepEqual(Buffer.from(metainfo.infoHash), createHash('sha1').update(metainfo.infoBytes).digest());
});

test('what is not given is not written', () => {
  const bytes = encodeMetainfo({ name: 'f', content: 5, pieceLength: 16_384, pieceHashes: HASH });
  const pieces = HASH.toString('latin1');
  const info = `d6:lengthi5e4:name1:f12:piece lengthi16384e6:pieces20:${pieces}e`;
  assert.equal(Buffer.from(bytes).toString('latin1'), `d4:info${info}e`);
});

test('a lone tracker makes no announce-list, and a lone web seed no list', () => {
  const one = { name: 'f', content: 5, pieceLength: 16_384, pieceHashes: HASH };
  const trackers = [['http://a.example/announce']];
  const text = Buffer.from(encodeMetainfo({ ...one, trackers, webSeeds: ['http://w.example/f'] })).toString('latin1');
  assert.match(text, /^d8:announce25:http:\/\/a\.example\/announce4:info/);
  assert.match(text, /8:url-list18:http:\/\/w\.example\/fe$/);
  const tiers = [...trackers, ['http://b.example/announce']];
  assert.deepEqual(decodeMetainfo(encodeMetainfo({ ...one, trackers: tiers })).trackers, tiers);
});

test('whatever the names and lengths of files, the decoder finds the same', () => {
  const component = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }).map((text) => {
    return `_${text.replace(/[/\p{Cc}\p{Cs}]/gu, '-')}_`; // names that the decoder leaves as they are
  });
  const name = fc.array(component, { minLength: 1, maxLength: 4 }).map((names) => names.join('/'));
  const files = fc.uniqueArray(fc.record({ name, length: fc.integer({ min: 1, max: 100_000 }) }), {
    minLength: 1,
    maxLength: 8,
    selector: (file: EncodedFile) => file.name.split('/')[0]!.normalize('NFC').toLowerCase(),
  });
  fc.assert(
    fc.property(files, component, fc.integer({ min: 14, max: 20 }), (content, root, power) => {
      const pieceLength = 2 ** power;
      const total = content.reduce((sum, { length }) => sum + length, 0);
      const pieceHashes = new Uint8Array(Math.ceil(total / pieceLength) * 20).fill(1);
      const metainfo = decodeMetainfo(encodeMetainfo({ name: root, content, pieceLength, pieceHashes }), 'linux');
      assert.deepEqual(
        metainfo.files.map(({ path, length }) => ({ path, length })),
        content.map((file) => ({ path: `${root}/${file.name}`, length: file.length })),
      );
      assert.deepEqual([metainfo.pieceLength, metainfo.totalLength], [pieceLength, total]);
    }),
  );
});

test('a chosen piece length is a power of two that makes 1,000 to 2,000 pieces, where that is within 16 KiB and 16 MiB', () => {
  assert.equal(choosePieceLength(1), 16 * KIB);
  assert.equal(choosePieceLength(700 * KIB * KIB), 512 * KIB);
  assert.equal(choosePieceLength(GIB * 4096), 16 * KIB * KIB);
  fc.assert(
    fc.property(fc.integer({ min: 33 * KIB * KIB, max: 31 * GIB }), (total) => {
      const length = choosePieceLength(total);
      const pieces = Math.ceil(total / length);
      assert(Number.isInteger(Math.log2(length)) && length >= 16 * KIB && length <= 16 * KIB * KIB);
      assert(pieces >= 1000 && pieces <= 2000, `${pieces} pieces`);
    }),
  );
});

test('piece lengths that other programs refuse are refused', () => {
  for (const length of [0, -16_384, 8192, 16_385, 3 * 16_384, 2 ** 29, 0.5, NaN, Infinity]) {
    assert.throws(() => checkPieceLength(length, 100), { name: 'UsageError', code: 'ERR_PIECE_LENGTH' });
  }
  checkPieceLength(16_384, 2 ** 35);
  assert.throws(() => checkPieceLength(16_384, 2 ** 35 + 1), /2097153 pieces .* choose a larger piece length/);
});

test('a torrent is read by its path, its bytes, or not again', async () => {
  await assert.rejects(readMetainfo('/nowhere/x.torrent'), {
    code: 'ERR_NO_TORRENT',
    message: 'cannot read "/nowhere/x.torrent": no such file',
  });
  await assert.rejects(readMetainfo('/'), /it is a folder/);
  const bytes = encodeMetainfo({ name: 'f', content: 5, pieceLength: 16_384, pieceHashes: HASH });
  const metainfo = await readMetainfo(bytes);
  assert.equal(metainfo.name, 'f');
  assert.equal(await readMetainfo(metainfo), metainfo);
});
