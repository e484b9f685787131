import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatLsdSearch, parseLsdSearch, type LsdSearch } from '../../src/tracker/lsd-message.js';

const HOST = '239.192.152.143:6771';
const HASH = '0123456789abcdef0123456789abcdef01234567';
const OTHER = 'f'.repeat(40);

const parse = (...lines: string[]): LsdSearch | undefined => parseLsdSearch(Buffer.from(lines.join('\r\n'), 'latin1'));
const START = 'BT-SEARCH * HTTP/1.1';

test('a datagram has the bytes of BEP 14', () => {
  assert.equal(
    Buffer.from(formatLsdSearch(HOST, { port: 6881, infoHashes: [HASH, OTHER], cookie: 'abc' })).toString('latin1'),
    `${START}\r\nHost: ${HOST}\r\nPort: 6881\r\nInfohash: ${HASH}\r\nInfohash: ${OTHER}\r\ncookie: abc\r\n\r\n\r\n`,
  );
});

test('what is formatted is parsed again, and the most that a datagram holds fits in 1400 bytes', () => {
  const infoHash = fc.uint8Array({ minLength: 20, maxLength: 20 }).map((bytes) => Buffer.from(bytes).toString('hex'));
  const infoHashes = fc.uniqueArray(infoHash, { minLength: 1, maxLength: 20 });
  const cookie = fc.option(fc.stringMatching(/^[!-~]{1,64}$/), { nil: undefined });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 65_535 }), infoHashes, cookie, (port, hashes, text) => {
      const search = { port, infoHashes: hashes, ...(text !== undefined && { cookie: text }) };
      assert.deepEqual(parseLsdSearch(formatLsdSearch('[ff15::efc0:988f]:6771', search)), search);
    }),
  );
  const infoHash20 = Array.from({ length: 20 }, (_, index) => String(index).padStart(40, '0'));
  const longest = { port: 65_535, infoHashes: infoHash20, cookie: 'c'.repeat(64) };
  assert.ok(formatLsdSearch('[ff15::efc0:988f]:6771', longest).length <= 1400);
  assert.throws(() => formatLsdSearch(HOST, { ...longest, infoHashes: [...infoHash20, HASH] }), /^Error: bug:/);
});

test('other spellings are understood: case, spaces, bare line feeds, unknown headers', () => {
  const expected = { port: 51413, infoHashes: [HASH] };
  assert.deepEqual(parse('bt-search * http/1.0', 'PORT:51413', `infohash:  ${HASH.toUpperCase()}  `, '', ''), expected);
  assert.deepEqual(parse(START, 'X-New: 1', 'Port: 51413', `Infohash: ${HASH}`), expected);
  assert.deepEqual(parseLsdSearch(Buffer.from(`${START}\nPort: 51413\nInfohash: ${HASH}\n\n`)), expected);
});

test('of what comes twice the first counts, and what is no info hash is left out', () => {
  const lines = [
    'Port: 1',
    'Port: 2',
    'cookie: a',
    'cookie: b',
    'Infohash: x',
    `Infohash: ${HASH}`,
    `Infohash: ${HASH}`,
  ];
  assert.deepEqual(parse(START, ...lines), { port: 1, infoHashes: [HASH], cookie: 'a' });
});

test('what is no search means nothing', () => {
  const rest = ['Port: 6881', `Infohash: ${HASH}`];
  const table: Record<string, string[]> = {
    'another method': ['M-SEARCH * HTTP/1.1', ...rest],
    'another path': ['BT-SEARCH / HTTP/1.1', ...rest],
    'no start': rest,
    'no port': [START, rest[1]!],
    'port 0': [START, 'Port: 0', rest[1]!],
    'port too large': [START, 'Port: 65536', rest[1]!],
    'port in hex': [START, 'Port: 0x10', rest[1]!],
    'negative port': [START, 'Port: -1', rest[1]!],
    'no info hash': [START, rest[0]!],
    'short info hash': [START, rest[0]!, `Infohash: ${HASH.slice(1)}`],
    'long info hash': [START, rest[0]!, `Infohash: ${HASH}0`],
    'too long': [START, ...rest, 'x'.repeat(1400)],
    nothing: [],
  };
  for (const [what, lines] of Object.entries(table)) assert.equal(parse(...lines), undefined, what);
});

test('no more than twenty info hashes are read, and no long cookie', () => {
  const hashes = Array.from({ length: 24 }, (_, index) => `Infohash:${String(index).padStart(40, '0')}`);
  assert.equal(parse(START, 'Port: 1', ...hashes)?.infoHashes.length, 20);
  assert.equal(parse(START, 'Port: 1', hashes[0]!, `cookie: ${'c'.repeat(65)}`)?.cookie, undefined);
});

test('whatever the bytes are, nothing is thrown', () => {
  const valid = formatLsdSearch(HOST, { port: 6881, infoHashes: [HASH, OTHER], cookie: 'abc' });
  const change = fc.tuple(fc.nat(valid.length - 1), fc.nat(255));
  const changed = fc.array(change, { minLength: 1, maxLength: 4 }).map((changes) => {
    const bytes = Uint8Array.from(valid);
    for (const [offset, byte] of changes) bytes[offset] = byte;
    return bytes;
  });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 2000 }), changed), (bytes) => {
      const search = parseLsdSearch(bytes);
      if (!search) return;
      assert.ok(search.port > 0 && search.port <= 65_535);
      for (const infoHash of search.infoHashes) assert.match(infoHash, /^[0-9a-f]{40}$/);
    }),
    { numRuns: 5000 },
  );
});
