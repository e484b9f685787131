/** Torrents that break decoders end in a line and code 3, fast and in little memory (THREATS M1–M7). */
import assert from 'node:assert/strict';
import bencode from 'bencode';
import { describe, test } from 'node:test';
import { makeTorrent, randomBytes } from '../helpers/torrent.js';
import { World } from './world.js';

const skip = process.platform !== 'linux';
const INVALID = 3;
const HASH = Buffer.alloc(20);
const MOST_OPEN_MS = 6000; // on a busy machine; alone it is less than one

/** An info dictionary of a file of 1000 bytes, with something else in it. */
function withInfo(info: Readonly<Record<string, unknown>>): Buffer {
  return Buffer.from(
    bencode.encode({ info: { name: 'x', 'piece length': 16_384, length: 1000, pieces: HASH, ...info } }),
  );
}

/** The same with an integer as it is written. */
function withNumber(key: string, digits: string): Buffer {
  const marked = withInfo({ [key]: 123_454_321 }).toString('latin1');
  return Buffer.from(marked.replace('i123454321e', `i${digits}e`), 'latin1');
}

const INVALID_TORRENTS: readonly (readonly [what: string, bytes: Uint8Array | string])[] = [
  ['lists of depth 1,000,000 (M1)', 'l'.repeat(1_000_000)],
  ['dictionaries of depth 500,000 in info (M1)', `d4:info${'d1:a'.repeat(500_000)}`],
  ['lists of depth 100,000 that are closed (M1)', `d4:info${'l'.repeat(100_000)}${'e'.repeat(100_000)}e`],
  ...['99999999999', '4294967296', '9007199254740993', '18446744073709551617', '-5', '010'].map(
    (length) => [`a string of ${length} bytes (M2)`, `d4:info${length}:xe`] as const,
  ),
  ['an integer of a million digits (M2)', `d4:infod6:lengthi${'9'.repeat(1_000_000)}eee`],
  ...['0', '-1', '-16384', '4611686018427387904', '99999999999999999999'].map(
    (digits) => [`a piece length of ${digits} (M3)`, withNumber('piece length', digits)] as const,
  ),
  ['hashes for more pieces than there are (M3)', withInfo({ pieces: Buffer.alloc(40) })],
  ['half a hash (M3)', withInfo({ pieces: Buffer.alloc(10) })],
  ...['-1', '9007199254740993', '9223372036854775808', '18446744073709551616'].map(
    (digits) => [`a length of ${digits} (M4)`, withNumber('length', digits)] as const,
  ),
  [
    'lengths that cancel out (M4)',
    withInfo({
      length: undefined,
      files: [
        { length: 2 ** 53, path: ['a'] },
        { length: -(2 ** 53) + 1000, path: ['b'] },
      ],
    }),
  ],
  [
    'lengths that overflow together (M4)',
    withInfo({
      length: undefined,
      files: Array.from({ length: 4 }, (_, at) => ({ length: 2 ** 52, path: [`${at}`] })),
    }),
  ],
  ['a path of no components (N4)', withInfo({ length: undefined, files: [{ length: 1000, path: [] }] })],
];

describe('a torrent is refused that has', { skip, concurrency: 2 }, () => {
  for (const [what, bytes] of INVALID_TORRENTS) {
    test(what, async () => {
      await using world = await World.open();
      const file = await world.give('a.torrent', Buffer.from(bytes as Uint8Array));
      const { code, stdout, stderr, lifeMs } = await world.run([file, '-o', world.out, '--timeout', '20']);
      assert.equal(code, INVALID, stderr);
      assert.match(stderr, /^torrent-dl: [^\n]{10,400}\n$/);
      assert.equal(stdout, '');
      assert.ok(lifeMs < MOST_OPEN_MS, `it took ${lifeMs.toFixed()} ms`);
    });
  }
});

describe('what is large is read in little time and memory', { skip, concurrency: 2 }, () => {
  test('100,000 pieces and 20,000 files (M5)', async () => {
    await using world = await World.open();
    const files = Array.from({ length: 20_000 }, (_, at) => ({ length: 81_920, path: [`folder ${at % 99}`, `${at}`] }));
    const torrent = withInfo({ length: undefined, files, pieces: randomBytes('pieces', 20 * 100_000) });
    const file = await world.give('a.torrent', torrent);
    const { code, stdout, stderr, lifeMs } = await world.run(['--list', file]);
    assert.equal(code, 0, stderr);
    assert.equal(stdout.trimEnd().split('\n').length, 20_000);
    assert.ok(lifeMs < MOST_OPEN_MS, `it took ${lifeMs.toFixed()} ms`);
  });

  test('ten million values in no list that matters (M5)', async () => {
    await using world = await World.open();
    const file = await world.give('a.torrent', Buffer.from(`d1:al${'i0e'.repeat(10_000_000)}ee`));
    const { code, stderr, lifeMs } = await world.run([file, '-o', world.out, '--timeout', '20']);
    assert.equal(code, INVALID, stderr);
    assert.ok(lifeMs < 2 * MOST_OPEN_MS, `it took ${lifeMs.toFixed()} ms`);
  });

  test('10,000 trackers that are none, and one torrent (T5)', async () => {
    await using world = await World.open();
    const urls = Array.from({ length: 10_000 }, (_, at) => [
      `http://\u001b[2J${at}:99999/announce`,
      `x${at}`,
      'http://[::',
    ]);
    const { bytes } = makeTorrent(randomBytes('x', 1000), { extra: { 'announce-list': urls } });
    const file = await world.give('a.torrent', bytes);
    const { code, stderr } = await world.run([file, '-o', world.out, '--stall-timeout', '1']);
    assert.equal(code, 4, stderr);
    assert.ok(stderr.split('\n').length < 40, 'a flood of warnings');
  });
});
