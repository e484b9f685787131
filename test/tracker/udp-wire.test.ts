import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TrackerError } from '../../src/common/errors.js';
import type { AnnounceRequest } from '../../src/tracker/announce.js';
import * as wire from '../../src/tracker/udp-wire.js';
import { UdpTrackerCore, compact, errorReply, reply, uint32 } from '../helpers/udp-tracker.js';
import { mutate, requestTo } from './fakes.js';

const FROM = { host: '192.0.2.7', port: 4000 };
/** Only the transaction id of it matters to an answer. */
const REQUEST = Uint8Array.from({ length: 16 }, (_, index) => (index < 12 ? 0 : 0x77));

/** What a tracker reads from an announce. */
function received(request: AnnounceRequest) {
  const core = new UdpTrackerCore();
  const connected = core.answer(wire.encodeConnect(5), FROM)!;
  assert.deepEqual(wire.readHeader(connected), { action: wire.ACTION.connect, transactionId: 5 });
  const answer = core.answer(wire.encodeAnnounce(wire.readConnect(connected), 0xfedc_ba98, request), FROM)!;
  assert.deepEqual(wire.readHeader(answer), { action: wire.ACTION.announce, transactionId: 0xfedc_ba98 });
  return core.announces[0]!;
}

test('an announce says what it is given, whatever that is', () => {
  const anything = fc.record({
    infoHash: fc.uint8Array({ minLength: 20, maxLength: 20 }),
    peerId: fc.uint8Array({ minLength: 20, maxLength: 20 }),
    key: fc.integer({ min: 0, max: 0xffff_ffff }).map((key) => key.toString(16).padStart(8, '0')),
    port: fc.integer({ min: 1, max: 65_535 }),
    totals: fc.record({ uploaded: fc.maxSafeNat(), downloaded: fc.maxSafeNat(), left: fc.maxSafeNat() }),
    event: fc.constantFrom('started' as const, 'completed' as const, 'stopped' as const, undefined),
    numWant: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
  });
  fc.assert(
    fc.property(anything, (parts) => {
      const { from, urlData, optionLengths, ...got } = received(requestTo('udp://tracker.example:80/announce', parts));
      assert.deepEqual(from, FROM);
      assert.equal(urlData, '/announce');
      assert.deepEqual(optionLengths, [9]);
      assert.deepEqual(got, {
        infoHash: Buffer.from(parts.infoHash).toString('hex'),
        peerId: Buffer.from(parts.peerId).toString('latin1'),
        key: parts.key,
        port: parts.port,
        event: parts.event ?? '',
        numWant: parts.numWant,
        uploaded: BigInt(parts.totals.uploaded),
        downloaded: BigInt(parts.totals.downloaded),
        left: BigInt(parts.totals.left),
      });
    }),
  );
});

test('path and query go along in options of 255 bytes at most (BEP 41)', () => {
  const cases: [string, string, number[]][] = [
    ['udp://t:80', '', []],
    ['udp://t:80/', '/', [1]],
    ['udp://t:80/dir?a=b&c=d#e', '/dir?a=b&c=d', [12]],
    ['udp://t:80/ü', '/%C3%BC', [7]],
    [`udp://t:80/${'x'.repeat(254)}`, `/${'x'.repeat(254)}`, [255]],
    [`udp://t:80/${'x'.repeat(255)}`, `/${'x'.repeat(255)}`, [255, 1]],
    [`udp://t:80/${'x'.repeat(600)}?y`, `/${'x'.repeat(600)}?y`, [255, 255, 93]],
  ];
  for (const [url, urlData, optionLengths] of cases) {
    const got = received(requestTo(url));
    assert.deepEqual([got.urlData, got.optionLengths], [urlData, optionLengths]);
  }
});

test('the peers of an answer are those of its family, each once, without those that cannot be', () => {
  const ipv4 = [
    { host: '192.0.2.1', port: 1 },
    { host: '192.0.2.2', port: 65_535 },
  ];
  const ipv6 = [{ host: '2001:db8::1', port: 6881 }];
  const odd = [
    { host: '0.0.0.0', port: 5 },
    { host: '224.0.0.1', port: 5 },
    { host: '192.0.2.3', port: 0 },
  ];
  const body = [uint32(900, 7, 8)];
  const answer = wire.readAnnounce(reply(REQUEST, 1, ...body, ...[...ipv4, ...odd, ...ipv4].map(compact)), 'ipv4');
  assert.deepEqual(answer.peers, ipv4);
  assert.deepEqual([answer.intervalMs, answer.incomplete, answer.complete], [900_000, 7, 8]);
  assert.deepEqual(wire.readAnnounce(reply(REQUEST, 1, ...body, ...ipv6.map(compact)), 'ipv6').peers, ipv6);
});

test('intervals are held within a minute and an hour, and so many peers are enough', () => {
  for (const [stated, keptMs] of [
    [0, 1_800_000],
    [1, 60_000],
    [0xffff_ffff, 3_600_000],
  ]) {
    assert.equal(wire.readAnnounce(reply(REQUEST, 1, uint32(stated!, 0, 0)), 'ipv4').intervalMs, keptMs);
  }
  const flood = Array.from({ length: 10_000 }, (_, index) => compact({ host: '192.0.2.1', port: index + 1 }));
  assert.equal(wire.readAnnounce(reply(REQUEST, 1, uint32(1, 2, 3), ...flood), 'ipv4').peers.length, 2000);
});

test('a refusal is told without what could forge the lines of a terminal', () => {
  const { message, code } = wire.readError(errorReply(REQUEST, '\u001b[2Jgone\r\n\u202e '));
  assert.equal(message, 'refused: \\x1b[2Jgone\\x0d\\x0a\\u202e');
  assert.equal(code, 'ERR_TRACKER_REFUSED');
  assert.equal(wire.readError(errorReply(REQUEST, '')).message, 'refused: no reason given');
  assert.ok(wire.readError(errorReply(REQUEST, 'x'.repeat(60_000))).message.length < 250);
});

test('answers of a wrong length are malformed', () => {
  const wrong: [string, () => unknown][] = [
    ['the answer to "connect" is too short', () => wire.readConnect(reply(REQUEST, 0, new Uint8Array(7)))],
    ['the answer to "announce" is too short', () => wire.readAnnounce(reply(REQUEST, 1, new Uint8Array(11)), 'ipv4')],
    [
      'the length of the peers is not a multiple of 6',
      () => wire.readAnnounce(reply(REQUEST, 1, new Uint8Array(19)), 'ipv4'),
    ],
    [
      'the length of the peers is not a multiple of 18',
      () => wire.readAnnounce(reply(REQUEST, 1, new Uint8Array(18)), 'ipv6'),
    ],
    ['the answer to "scrape" is too short', () => wire.readScrape(reply(REQUEST, 2, new Uint8Array(23)), 2)],
  ];
  for (const [message, read] of wrong) assert.throws(read, { name: 'TrackerError', message });
});

test('what is shorter than a header, or of another protocol, is no answer', () => {
  const others = [
    '',
    '00',
    '00000000',
    '00000000777777',
    '0000000477777777',
    '6431323a',
    '2100000000000000',
    '0100000000000000',
  ];
  for (const hex of others) assert.equal(wire.readHeader(Buffer.from(hex, 'hex')), undefined, hex);
});

/** All that is done with an answer. Gives how often a reader refused. */
function readAll(bytes: Uint8Array): number {
  const readers = [
    () => wire.readHeader(bytes),
    () => wire.readConnect(bytes),
    () => wire.readAnnounce(bytes, 'ipv4'),
    () => wire.readAnnounce(bytes, 'ipv6'),
    () => wire.readScrape(bytes, 3),
    () => wire.readError(bytes),
  ];
  let refusals = 0;
  for (const read of readers) {
    try {
      read();
    } catch (error) {
      if (!(error instanceof TrackerError)) throw error;
      refusals++;
    }
  }
  return refusals;
}

test('any bytes are an answer or a TrackerError', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void readAll(bytes)),
    { numRuns: 2000 },
  );
});

test('answers with damage are answers or TrackerErrors', () => {
  // TRACKER_FUZZ=1000000 makes it the long run
  const runs = Number(process.env['TRACKER_FUZZ'] ?? 3000);
  const seeds = [
    reply(REQUEST, 0, new Uint8Array(8).fill(9)),
    reply(REQUEST, 1, uint32(1800, 3, 4), ...[1, 2, 3].map((port) => compact({ host: '192.0.2.1', port }))),
    reply(REQUEST, 1, uint32(1800, 3, 4), compact({ host: '2001:db8::1', port: 80 })),
    reply(REQUEST, 2, uint32(1, 2, 3, 4, 5, 6, 7, 8, 9)),
    errorReply(REQUEST, 'unregistered \u001b[31m torrent'),
  ];
  let refusals = 0;
  for (let run = 0; run < runs; run++) refusals += readAll(mutate(seeds[run % seeds.length]!, run));
  assert.ok(refusals > runs / 10, String(refusals));
});
