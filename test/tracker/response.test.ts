import assert from 'node:assert/strict';
import { test } from 'node:test';
import bencode from 'bencode';
import fc from 'fast-check';
import { TrackerError } from '../../src/common/errors.js';
import { parseAnnounceReply, parseFailure } from '../../src/tracker/response.js';
import { compact } from '../helpers/tracker.js';

const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);
const parse = (reply: Record<string, unknown>) => parseAnnounceReply(bencode.encode(reply));
const hostsOf = (reply: Record<string, unknown>): string[] =>
  parse(reply).peers.map(({ host, port }) => `${host} ${port}`);

test('compact peers are read, 6 bytes each (BEP 23)', () => {
  const port = fc.integer({ min: 1, max: 65_535 });
  const address = fc.tuple(fc.ipV4(), port).map(([host, port]) => ({ host, port }));
  fc.assert(
    fc.property(fc.array(address), (peers) => {
      const usable = peers.filter(({ host }) => !/^(0|22[4-9]|2[3-5]\d)\./.test(host));
      const unique = new Map(usable.map((peer) => [`${peer.host} ${peer.port}`, peer]));
      assert.deepEqual(parse({ peers: compact(peers) }).peers, [...unique.values()]);
    }),
  );
});

test('peers6 are read, 18 bytes each (BEP 7)', () => {
  const peers6 = Buffer.from(
    '20010db8000000000000000000000001' + '1ae1' + '00'.repeat(10) + 'ffffc0000201' + '1ae2',
    'hex',
  );
  assert.deepEqual(hostsOf({ peers: '', peers6 }), ['2001:db8::1 6881', '192.0.2.1 6882']);
});

test('dictionary peers are read; host names and nonsense are left out', () => {
  const peers = [
    { ip: '192.0.2.1', port: 6881, 'peer id': 'x'.repeat(20) },
    { ip: '2001:DB8:0::1', port: 6882 },
    { ip: '::ffff:192.0.2.7', port: 6883 },
    { ip: 'peer.example.org', port: 6881 },
    { ip: 'fe80::1%eth0', port: 6881 },
    { ip: '192.0.2.1', port: 65_536 },
    { ip: '192.0.2.1', port: -1 },
    { ip: '192.0.2.1' },
    { ip: 7, port: 6881 },
    { port: 6881 },
    'text',
    7,
    [],
  ];
  assert.deepEqual(hostsOf({ peers }), ['192.0.2.1 6881', '2001:db8::1 6882', '192.0.2.7 6883']);
});

test('port 0, multicast, broadcast and unspecified addresses are left out', () => {
  const hosts = ['0.0.0.0', '0.1.2.3', '224.0.0.1', '239.192.152.143', '255.255.255.255'];
  const peers = compact([...hosts.map((host) => ({ host, port: 6881 })), { host: '192.0.2.1', port: 0 }]);
  const peers6 = Buffer.from('00'.repeat(16) + '1ae1' + 'ff02' + '00'.repeat(13) + '01' + '1ae1', 'hex');
  assert.deepEqual(hostsOf({ peers, peers6 }), []);
  assert.deepEqual(
    hostsOf({
      peers: [
        { ip: '::', port: 1 },
        { ip: 'FF0E::1', port: 1 },
        { ip: '224.1.1.1', port: 1 },
      ],
    }),
    [],
  );
});

test('an answer gives 2000 peers at the most', () => {
  const many = Array.from({ length: 5000 }, (_, index) => ({ host: `10.1.${index >> 8}.${index & 255}`, port: 1 }));
  assert.equal(parse({ peers: compact(many) }).peers.length, 2000);
  assert.equal(parse({ peers: many.map(({ host, port }) => ({ ip: host, port })) }).peers.length, 2000);
});

test('intervals stay between a minute and an hour, whatever the tracker says', () => {
  const cases: [interval: string, min: string, seconds: number, minSeconds: number][] = [
    ['i1800e', '', 1800, 60],
    ['i1800e', 'i900e', 1800, 900],
    ['i0e', '', 1800, 60],
    ['i-1e', 'i-5e', 1800, 60],
    ['i1e', 'i1e', 60, 10],
    ['i5e', '', 60, 10],
    ['i120e', 'i3000e', 120, 120],
    ['i9223372036854775808e', 'i9223372036854775808e', 3600, 3600],
    ['i-9223372036854775808e', '', 1800, 60],
    ['2:12', '2:12', 1800, 60],
  ];
  for (const [interval, min, seconds, minSeconds] of cases) {
    const text = `d8:interval${interval}${min && `12:min interval${min}`}5:peers0:e`;
    const { intervalMs, minIntervalMs } = parseAnnounceReply(ascii(text));
    assert.deepEqual([intervalMs, minIntervalMs], [seconds * 1000, minSeconds * 1000], text);
  }
});

test('a failure reason is an error with the tracker’s words, fit for a terminal', () => {
  const reason = `\u001b[31mno\u202e such\ntorrent ${'x'.repeat(500)}`;
  assert.throws(
    () => parse({ 'failure reason': reason, interval: 5 }),
    (error: TrackerError) => {
      assert.equal(error.code, 'ERR_TRACKER_REFUSED');
      assert.match(error.message, /^refused: .*no.* such.*torrent x+$/);
      assert.doesNotMatch(error.message, /[\p{Cc}\u202e]/u);
      assert.ok(error.message.length < 300);
      assert.equal(error.retryInSeconds, undefined);
      return true;
    },
  );
  assert.equal(parseFailure(bencode.encode({ 'failure reason': '' }))?.message, 'refused: no reason given');
  assert.equal(parseFailure(bencode.encode({ peers: '' })), undefined);
  assert.equal(parseFailure(ascii('<html>')), undefined);
});

test('`retry in` is minutes or never (BEP 31)', () => {
  const retryIn = (value: unknown): number | undefined =>
    parseFailure(bencode.encode({ 'failure reason': 'x', 'retry in': value }))?.retryInSeconds;
  assert.equal(retryIn(5), 300);
  assert.equal(retryIn('5'), 300);
  assert.equal(retryIn('never'), Infinity);
  assert.equal(retryIn(0), 0);
  assert.equal(retryIn(-1), undefined);
  assert.equal(retryIn('soon'), undefined);
  assert.equal(retryIn(10_000_000), 86_400);
});

test('counts, warning, tracker id and external address come through', () => {
  const reply = parse({
    peers: '',
    complete: 3,
    incomplete: -4,
    'warning message': 'mind the \u0007gap',
    'tracker id': Buffer.from([0, 255]),
    'external ip': Buffer.from([192, 0, 2, 9]),
  });
  assert.equal(reply.complete, 3);
  assert.equal(reply.incomplete, undefined);
  assert.match(reply.warning ?? '', /^mind the .+gap$/);
  assert.deepEqual([...(reply.trackerId ?? [])], [0, 255]);
  assert.equal(reply.externalIp, '192.0.2.9');
});

test('what is not an answer is malformed', () => {
  const cases: [body: string, reason: RegExp][] = [
    ['', /empty/],
    ['<!DOCTYPE html><html>Moved</html>', /HTML/],
    ['hello', /not a bencoded/],
    ['le', /not a bencoded/],
    ['i5e', /not a bencoded/],
    ['d5:peers', /not a bencoded/],
    ['d5:peers999999999999:e', /not a bencoded/],
    ['l-3:e', /not a bencoded/],
    ['l'.repeat(100_000), /not a bencoded/],
    ['d5:peers7:abcdefge', /multiple of 6/],
    ['d6:peers67:abcdefge', /multiple of 18/],
    ['d5:peersi7ee', /neither/],
    ['d5:peersdee', /neither/],
  ];
  for (const [body, reason] of cases) {
    assert.throws(
      () => parseAnnounceReply(ascii(body)),
      (error) => error instanceof TrackerError && error.code === 'ERR_TRACKER_MALFORMED' && reason.test(error.message),
      body.slice(0, 40),
    );
  }
});

test('an answer without peers is one with none, and a line’s end behind it does no harm', () => {
  assert.deepEqual(parseAnnounceReply(ascii('d8:intervali900ee\r\n')).peers, []);
});

test('random bytes and damaged answers give an answer or a TrackerError', () => {
  const good = bencode.encode({
    interval: 1800,
    'min interval': 60,
    peers: [{ ip: '192.0.2.1', port: 1 }],
    peers6: '',
  });
  const damaged = fc
    .tuple(fc.nat(good.length - 1), fc.uint8Array({ maxLength: 3 }))
    .map(([at, bytes]) => Uint8Array.from([...good.subarray(0, at), ...bytes, ...good.subarray(at + bytes.length)]));
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 100 }), damaged), (bytes) => {
      try {
        assert.ok(parseAnnounceReply(bytes).peers.length <= 2000);
      } catch (error) {
        assert.ok(error instanceof TrackerError, String(error));
      }
    }),
    { numRuns: 2000 },
  );
});
