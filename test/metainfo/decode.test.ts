import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { MetainfoError } from '../../src/common/errors.js';
import { decodeInfo, decodeMetainfo } from '../../src/metainfo/decode.js';
import type { Metainfo } from '../../src/metainfo/metainfo.js';
import { makeTorrent } from '../helpers/torrent.js';

/** What libtorrent reads in a fixture; see test/fixtures/README.md. */
interface Expected {
  readonly infoHash: string | null;
  readonly infoHashV2: string | null;
  readonly name: string;
  readonly pieceLength: number;
  readonly isPrivate: boolean;
  readonly comment: string;
  readonly createdBy: string;
  readonly trackers: readonly (readonly [number, string])[];
  readonly webSeeds: readonly string[];
  readonly files: readonly {
    readonly path: string;
    readonly length: number;
    readonly isPadding: boolean;
    readonly isExecutable: boolean;
    readonly isLink: boolean;
    readonly piecesRoot: string;
  }[];
}

const FIXTURES = new URL('../fixtures/', import.meta.url);
const expected = JSON.parse(readFileSync(new URL('expected.json', FIXTURES), 'utf8')) as Record<string, Expected>;

function fixture(name: string): Buffer {
  return readFileSync(new URL(name, FIXTURES));
}

function hex(bytes: Uint8Array | undefined): string | null {
  return bytes ? Buffer.from(bytes).toString('hex') : null;
}

/** A metainfo in the form in which libtorrent's reading is kept; within a tier libtorrent shuffles. */
function summary(metainfo: Metainfo): Expected {
  const { name, pieceLength, isPrivate, comment = '', createdBy = '', trackers, webSeeds } = metainfo;
  return {
    infoHash: hex(metainfo.infoHash),
    infoHashV2: hex(metainfo.infoHashV2),
    ...{ name, pieceLength, isPrivate, comment, createdBy, webSeeds },
    trackers: trackers.flatMap((tier, n) => tier.map((url): [number, string] => [n, url]).sort()),
    files: metainfo.files.map(({ path, length, isPadding, isExecutable, piecesRoot }) => {
      return { path, length, isPadding, isExecutable, isLink: false, piecesRoot: hex(piecesRoot) ?? '' };
    }),
  };
}

for (const [name, wanted] of Object.entries(expected)) {
  if (wanted.infoHash === null) continue;
  test(`${name} is read as libtorrent reads it`, () => {
    const metainfo = decodeMetainfo(fixture(name), 'linux');
    assert.deepEqual(summary(metainfo), { ...wanted, files: wanted.files.filter((file) => !file.isLink) });
    const offsets = metainfo.files.map((file) => file.offset);
    assert.deepEqual(
      offsets.slice(1),
      metainfo.files.slice(0, -1).map((file, n) => offsets[n]! + file.length),
    );
    const links = wanted.files.filter((file) => file.isLink).map((file) => file.path);
    assert.deepEqual(
      metainfo.warnings.filter((warning) => !warning.startsWith('dictionary keys')), // buildtorrent does not sort
      links.map((path) => `the symbolic link "${path}" is not made`),
    );
    assert.equal(metainfo.pieceHashes.length, metainfo.pieceCount * 20);
  });
}

test('a torrent for v2 alone is refused', () => {
  assert.throws(() => decodeMetainfo(fixture('libtorrent/v2-only.torrent')), {
    name: 'MetainfoError',
    code: 'ERR_V2_ONLY',
    message: /BitTorrent v2 alone \(BEP 52\), which is not supported/,
  });
});

const HASH = 'h'.repeat(20);
/** An info dictionary of one file with one piece; `more` are keys that sort behind the others. */
const info = (more = '', name = '4:name1:a'): string =>
  `d6:lengthi5e${name}12:piece lengthi16384e6:pieces20:${HASH}${more}e`;
/** One of `files`, each the inside of a dictionary. */
const listOf = (pieces: string, ...files: string[]): string =>
  `d5:filesl${files.map((file) => `d${file}e`).join('')}e4:name1:r12:piece lengthi16384e6:pieces${pieces}e`;
const torrent = (inside: string): Buffer => Buffer.from(`d4:info${inside}e`, 'latin1');
const ONE = `20:${HASH}`;

/** Broken files: what is wrong → the bytes, the code, the message. */
const BROKEN: Record<string, readonly [Buffer, string, RegExp]> = {
  'an empty file': [Buffer.alloc(0), 'ERR_NOT_A_TORRENT', /it is empty$/],
  'a web page': [
    Buffer.from('\n<!DOCTYPE html><html>'),
    'ERR_NOT_A_TORRENT',
    /it is a web page \(it begins with "\\x0a<!D/,
  ],
  gzip: [gzipSync('d4:infodee'), 'ERR_NOT_A_TORRENT', /compressed with gzip$/],
  'a zip archive': [Buffer.from('PK\x03\x04xx'), 'ERR_NOT_A_TORRENT', /a zip archive$/],
  'a magnet link': [Buffer.from('magnet:?xt=urn:btih:0'), 'ERR_NOT_A_TORRENT', /it holds a magnet link$/],
  'terminal escapes': [Buffer.from('\x1b[2Jx'), 'ERR_NOT_A_TORRENT', /begins with "\\x1b\[2Jx", as no torrent does$/],
  'a list': [Buffer.from('le'), 'ERR_NOT_A_TORRENT', /begins with "le"/],
  'a word': [Buffer.from('dear reader'), 'ERR_NOT_A_TORRENT', /begins with "dear reader"/],
  'a torrent cut short': [makeTorrent(Buffer.alloc(9)).bytes.subarray(0, 60), 'ERR_BENCODE', /at byte \d+$/],
  'deep nesting': [Buffer.from(`d1:a${'l'.repeat(500_000)}`), 'ERR_BENCODE', /more than 100 levels at byte/],
  'a huge length': [Buffer.from('d4:info99999999999999999999:'), 'ERR_BENCODE', /longer than the input at byte 7$/],
  'a negative length': [Buffer.from('d4:infol-3:ee'), 'ERR_BENCODE', /at byte 8$/],
  'a key twice': [Buffer.from('d4:infode4:infodee'), 'ERR_BENCODE', /key "info" twice at byte 9$/],
  'no info': [Buffer.from('d8:announce1:xe'), 'ERR_NO_INFO', /it has no "info" dictionary$/],
  'an info that is a list': [torrent('le'), 'ERR_KEY', /"info" is not a dictionary at byte 7$/],
  'an empty info': [torrent('de'), 'ERR_PIECES', /"pieces" is missing at byte 7$/],
  'no name': [torrent(info('', '')), 'ERR_NAME', /"name" is missing/],
  'a name that is a number': [torrent(info('', '4:namei1e')), 'ERR_KEY', /"name" is not a string at byte 25$/],
  'pieces of 19 bytes': [
    torrent(listOf(`19:${'h'.repeat(19)}`, '6:lengthi5e4:pathl1:ae')),
    'ERR_PIECES',
    /has 19 bytes/,
  ],
  'a hash too many': [
    torrent(listOf(`40:${HASH}${HASH}`, '6:lengthi5e4:pathl1:ae')),
    'ERR_PIECES',
    /2 hashes, .* want 1 at/,
  ],
  'a hash too few': [torrent(listOf(ONE, '6:lengthi16385e4:pathl1:ae')), 'ERR_PIECES', /1 hashes, .* want 2 at/],
  'no hash': [torrent(listOf('0:', '6:lengthi1e4:pathl1:ae')), 'ERR_PIECES', /0 hashes, .* want 1 at/],
  'a hash for no bytes': [torrent(listOf(ONE, '6:lengthi0e4:pathl1:ae')), 'ERR_PIECES', /1 hashes, .* want 0 at/],
  ...brokenPieceLengths(),
  'a negative file length': [
    torrent(listOf(ONE, '6:lengthi-1e4:pathl1:ae')),
    'ERR_LENGTH',
    /"length" is not .* at byte \d+$/,
  ],
  'lengths that cancel out': [
    torrent(listOf(ONE, '6:lengthi-5e4:pathl1:ae', '6:lengthi10e4:pathl1:be')),
    'ERR_LENGTH',
    /"length" is not an integer within 0 and/,
  ],
  'a length of 2^63': [
    torrent(listOf(ONE, '6:lengthi9223372036854775808e4:pathl1:ae')),
    'ERR_LENGTH',
    /within 0 and 2\^53-1/,
  ],
  'lengths of more than 2^53-1 in all': [
    torrent(listOf(ONE, '6:lengthi9007199254740991e4:pathl1:ae', '6:lengthi1e4:pathl1:be')),
    'ERR_LENGTH',
    /more than 2\^53-1 bytes in all$/,
  ],
  'a length that is text': [torrent(listOf(ONE, '6:length1:54:pathl1:ae')), 'ERR_LENGTH', /"length" is not an integer/],
  'no length': [torrent(listOf(ONE, '4:pathl1:ae')), 'ERR_LENGTH', /"length" is missing at byte 16$/],
  'neither length nor files': [
    torrent(`d4:name1:a12:piece lengthi16384e6:pieces${ONE}e`),
    'ERR_LENGTH',
    /"length" is missing/,
  ],
  'no files': [torrent(listOf('0:')), 'ERR_FILES', /"files" is empty/],
  'files that are no list': [
    torrent(`d5:filesde4:name1:r12:piece lengthi1e6:pieces0:e`),
    'ERR_KEY',
    /"files" is not a list/,
  ],
  'a file that is a number': [
    torrent(`d5:filesli1ee4:name1:r12:piece lengthi1e6:pieces0:e`),
    'ERR_FILES',
    /an entry that is not a dictionary \(number 0\)/,
  ],
  'a file without a path': [torrent(listOf(ONE, '6:lengthi5e')), 'ERR_FILES', /"path" is missing/],
  'an empty path': [torrent(listOf(ONE, '6:lengthi5e4:pathle')), 'ERR_FILES', /"path" is empty/],
  'a path of numbers': [torrent(listOf(ONE, '6:lengthi5e4:pathli1ee')), 'ERR_FILES', /a name that is not a string/],
  'a path that is a string': [torrent(listOf(ONE, '6:lengthi5e4:path1:a')), 'ERR_KEY', /"path" is not a list/],
};

function brokenPieceLengths(): typeof BROKEN {
  const values = { zero: '0', negative: '-16384', huge: '9007199254740991', 'over the limit': String(2 ** 29 + 1) };
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [
      `a piece length that is ${name}`,
      [
        torrent(`d6:lengthi5e4:name1:a12:piece lengthi${value}e6:pieces${ONE}e`),
        'ERR_PIECE_LENGTH',
        /"piece length" is not within 1 and 536870912 \(-?\d+\) at byte 43$/,
      ] as const,
    ]),
  );
}

for (const [what, [bytes, code, message]] of Object.entries(BROKEN)) {
  test(`${what}: ${code}`, () => {
    assert.throws(
      () => decodeMetainfo(bytes),
      (error) => {
        assert.ok(error instanceof MetainfoError, String(error));
        assert.deepEqual([error.code, error.message.startsWith('not a valid torrent: ')], [code, true], error.message);
        assert.match(error.message, message);
        assert.doesNotMatch(error.message, /\p{Cc}/u);
        return true;
      },
    );
  });
}

test('the info hash is that of the bytes as found, in whatever order the keys are', () => {
  const unsorted = `d4:name1:a6:lengthi5e12:piece lengthi16384e6:pieces${ONE}e`;
  const metainfo = decodeMetainfo(torrent(unsorted));
  assert.equal(hex(metainfo.infoBytes), Buffer.from(unsorted).toString('hex'));
  assert.deepEqual(metainfo.infoHash, decodeInfo(Buffer.from(unsorted)).infoHash);
  assert.notDeepEqual(metainfo.infoHash, decodeMetainfo(torrent(info())).infoHash);
  assert.deepEqual(metainfo.warnings, ['dictionary keys are not in order at byte 17']);
});

test('bytes behind the end are ignored with a warning', () => {
  const metainfo = decodeMetainfo(Buffer.concat([torrent(info()), Buffer.from('\r\n')]));
  assert.deepEqual(metainfo.warnings, ["ignored 2 bytes behind the torrent's end"]);
});

test('a slice of pooled memory is read like a file of its own', () => {
  const bytes = makeTorrent(Buffer.from('hello')).bytes;
  const pool = Buffer.concat([Buffer.from('d4:info'), bytes, Buffer.from('xx')]);
  assert.deepEqual(decodeMetainfo(pool.subarray(7, 7 + bytes.length)), decodeMetainfo(bytes));
});

test('no bytes at all are a torrent of no pieces', () => {
  const metainfo = decodeMetainfo(makeTorrent(new Uint8Array(0)).bytes);
  assert.deepEqual([metainfo.totalLength, metainfo.pieceCount, metainfo.files.length], [0, 0, 1]);
});

test('the count of pieces is exact for lengths next to 2^53', () => {
  const length = Number.MAX_SAFE_INTEGER;
  const pieceLength = 2 ** 29;
  const count = Number((BigInt(length) + BigInt(pieceLength) - 1n) / BigInt(pieceLength));
  const build = (hashes: number): Buffer =>
    makeTorrent(new Uint8Array(0), {
      info: { length, 'piece length': pieceLength, pieces: Buffer.alloc(hashes * 20) },
    }).bytes;
  assert.equal(decodeMetainfo(build(count)).totalLength, length);
  assert.throws(() => decodeMetainfo(build(count - 1)), { code: 'ERR_PIECES' });
});

test('comment, maker and date are read; wrong ones are left out', () => {
  const made = makeTorrent(Buffer.from('x'), { extra: { comment: 'Grüße', 'created by': 'me', 'creation date': 1e9 } });
  const { comment, createdBy, creationDate, warnings } = decodeMetainfo(made.bytes);
  assert.deepEqual(
    { comment, createdBy, creationDate, warnings },
    { comment: 'Grüße', createdBy: 'me', creationDate: 1e9, warnings: [] },
  );
  const wrong = makeTorrent(Buffer.from('x'), {
    extra: { comment: 5, 'created by': [], 'creation date': -7, encoding: 1 },
  });
  const read = decodeMetainfo(wrong.bytes);
  assert.deepEqual([read.comment, read.createdBy, read.creationDate], [undefined, undefined, undefined]);
  assert.equal(read.warnings.length, 4);
  assert.match(read.warnings[0]!, /^ignored: "encoding" is not a string at byte \d+$/);
});

test('text that is not UTF-8 is read in the encoding of the torrent', () => {
  const extra = { encoding: 'windows-1251', comment: Buffer.from('cfe0ef', 'hex') };
  const made = makeTorrent(Buffer.from('x'), { extra, info: { name: Buffer.from('cfe0ef2e747874', 'hex') } });
  const { name, comment } = decodeMetainfo(made.bytes);
  assert.deepEqual([name, comment], ['Пап.txt', 'Пап']);
});

test('a torrent is private unless it says 0', () => {
  const isPrivate = (value: unknown): boolean =>
    decodeMetainfo(makeTorrent(Buffer.from('x'), { info: { private: value } }).bytes).isPrivate;
  assert.deepEqual([1, 0, 2, '1', undefined].map(isPrivate), [true, false, true, true, false]);
});

test('an info dictionary alone is read with what a magnet link says', () => {
  const { bytes } = makeTorrent(Buffer.from('hello'), { trackers: [['http://a.example/']] });
  const whole = decodeMetainfo(bytes);
  const { trackers } = whole;
  assert.deepEqual(decodeInfo(whole.infoBytes, { trackers }), whole);
  assert.deepEqual(decodeInfo(whole.infoBytes).trackers, []);
  assert.throws(() => decodeInfo(Buffer.concat([whole.infoBytes, Buffer.from('x')])), { code: 'ERR_BENCODE' });
  assert.throws(() => decodeInfo(Buffer.from('le')), { name: 'MetainfoError', code: 'ERR_NOT_A_TORRENT' });
});

test('100,000 files take less than seconds', { timeout: 20_000 }, () => {
  const file = (n: number): string => `d6:lengthi1e4:pathl3:dir${`file ${n}`.length}:file ${n}ee`;
  const files = Array.from({ length: 100_000 }, (_, n) => file(n)).join('');
  const inside = `d5:filesl${files}e4:name1:r12:piece lengthi100000e6:pieces${ONE}e`;
  const start = performance.now();
  assert.equal(decodeMetainfo(torrent(inside)).files.length, 100_000);
  assert.ok(performance.now() - start < 6000, 'even on a machine that is busy otherwise');
});
