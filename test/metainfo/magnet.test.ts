import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MetainfoError } from '../../src/common/errors.js';
import { decodeMetainfo } from '../../src/metainfo/decode.js';
import { isMagnet, magnetOf, parseInfoHash, parseMagnet } from '../../src/metainfo/magnet.js';
import { makeTorrent } from '../helpers/torrent.js';

const HEX = 'c9e15763f722f23e98a29decdfae341b98d53056';
const BASE32 = 'ZHQVOY7XELZD5GFCTXWN7LRUDOMNKMCW';
const XT = `magnet:?xt=urn:btih:${HEX}`;
const V2 = `urn:btmh:1220${'ab'.repeat(32)}`;

const hexOf = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString('hex');

test('everything that a link can say is read', () => {
  const magnet = parseMagnet(
    `${XT}&dn=Ubuntu+20.04%20%E2%9C%93&tr=http%3A%2F%2Ft.example%2Fannounce%3Fkey%3Da+b&tr=udp://u.example:80&xl=17` +
      '&x.pe=192.0.2.1:6881&x.pe=%5B2001:DB8::1%5D:1&x.pe=Peer.example:65535&ws=https://w.example/f&so=0,2,4-8',
  );
  assert.deepEqual(
    { ...magnet, infoHash: hexOf(magnet.infoHash) },
    {
      infoHash: HEX,
      name: 'Ubuntu 20.04 ✓',
      trackers: [['http://t.example/announce?key=a+b'], ['udp://u.example:80']],
      peers: [
        { host: '192.0.2.1', port: 6881 },
        { host: '2001:db8::1', port: 1 },
        { host: 'peer.example', port: 65_535 },
      ],
      webSeeds: ['https://w.example/f'],
      selectOnly: [
        { first: 0, last: 0 },
        { first: 2, last: 2 },
        { first: 4, last: 8 },
      ],
      warnings: [],
    },
  );
});

for (const [what, link] of [
  ['in upper case', XT.toUpperCase()],
  ['in base 32', `magnet:?xt=urn:btih:${BASE32}`],
  ['in base 32, lower case', `magnet:?xt=urn:btih:${BASE32.toLowerCase()}`],
  ['escaped', `magnet:?xt=${encodeURIComponent(`urn:btih:${HEX}`)}`],
  ['beside the one of a hybrid', `magnet:?xt=${V2}&xt=urn:btih:${HEX}`],
  ['beside a topic of another network', `magnet:?xt=urn:ed2k:31D6&xt.1=urn:btih:${HEX}`],
  ['said twice', `${XT}&xt.2=urn:btih:${BASE32}`],
  ['beside one that is cut', `magnet:?xt=urn:btih:${HEX.slice(3)}&xt=urn:btih:${HEX}`],
  ['behind another parameter, copied from HTML', `magnet:?dn=x&amp;xt=urn:btih:${HEX}&amp;tr=udp://u`],
  ['with spaces around, slashes and a fragment', ` MAGNET://?xt=urn:btih:${HEX}#x\n`],
] as const) {
  test(`an info hash ${what} is read`, () => {
    assert.ok(isMagnet(link));
    assert.equal(hexOf(parseMagnet(link).infoHash), HEX);
  });
}

for (const [what, link, code, message] of [
  ['something else', 'http://example.org/', 'ERR_MAGNET', /"http:\/\/example.org\/" does not begin with "magnet:\?"/],
  ['a link without parameters', 'magnet:', 'ERR_MAGNET', /no "\?"/],
  ['a link that is far too long', `${XT}&dn=${'x'.repeat(300_000)}`, 'ERR_MAGNET', /longer than 262144/],
  ['no topic', 'magnet:?dn=x', 'ERR_INFO_HASH', /no info hash/],
  ['only topics of other networks', 'magnet:?xt=urn:ed2k:31D6', 'ERR_INFO_HASH', /no info hash/],
  ['an info hash that was cut', XT.slice(0, -1), 'ERR_INFO_HASH', /"c9e1.*" is no info hash/],
  ['digits that are none', XT.replace('c9', 'zz'), 'ERR_INFO_HASH', /"zze1.*" is no info hash/],
  ['a link for v2 alone', `magnet:?xt=${V2}`, 'ERR_V2_ONLY', /BitTorrent v2 alone/],
  ['two torrents', `${XT}&xt=urn:btih:${'0'.repeat(40)}`, 'ERR_MAGNET', /names 2 torrents/],
  [
    'an info hash that could forge a line',
    'magnet:?xt=urn:btih:%1b%5b2J%0a',
    'ERR_INFO_HASH',
    /"\\x1b\[2J\\x0a" is no/,
  ],
] as const) {
  test(`refused with ${code}: ${what}`, () => {
    assert.throws(
      () => parseMagnet(link),
      (error: unknown) => {
        assert.ok(error instanceof MetainfoError);
        assert.equal(error.code, code);
        assert.match(error.message, /^not a valid magnet link: [^\n]+$/);
        assert.match(error.message, message);
        return true;
      },
    );
  });
}

test('what is wrong and can be done without is a warning, without passkeys and control characters', () => {
  const magnet = parseMagnet(
    `${XT}&tr=nonsense&tr=http://[/secret&tr=%ff&ws=ftp://w.example/secret&x.pe=1.2.3.4&x.pe=1.2.3.4.5:6&x.pe=h:0` +
      '&x.pe=h:65536&x.pe=[zz]:1&x.pe=%1b:1&so=3-1,x,99999999999&dn=',
  );
  assert.deepEqual([magnet.trackers, magnet.webSeeds, magnet.peers], [[], [], []]);
  assert.equal(magnet.selectOnly, undefined);
  assert.equal(magnet.name, undefined);
  assert.equal(magnet.warnings.length, 13);
  assert.doesNotMatch(magnet.warnings.join(''), /secret|\p{Cc}/u);
});

test('a name is made fit for a terminal and cut; a bad escape in it stands for itself', () => {
  const nameOf = (dn: string) => parseMagnet(`${XT}&dn=${dn}`).name;
  assert.equal(nameOf('100%&dn=other'), '100%');
  assert.equal(nameOf('%1b[31m%E2%80%AE%zz%4'), '\\x1b[31m\\u202e%zz%4');
  assert.equal(nameOf('✓'.repeat(1000)), '✓'.repeat(255));
  assert.equal(nameOf('%ff'), '\ufffd');
});

test('counts are bounded, and what is said twice counts once', () => {
  const many = (of: (n: number) => string) => Array.from({ length: 4000 }, (_, n) => `&${of(n)}`).join('');
  assert.equal(parseMagnet(XT + many((n) => `tr=udp://u${n}`)).trackers.length, 500);
  assert.equal(parseMagnet(XT + many((n) => `x.pe=h${n}:1`)).peers.length, 200);
  assert.equal(parseMagnet(XT + many(() => 'x.pe=h:1&tr=udp://u')).peers.length, 1);
  assert.equal(parseMagnet(`${XT}&so=${'1,'.repeat(20_000)}`).selectOnly?.length, 10_000);
});

test('a bare info hash is read, and nothing else is one', () => {
  for (const text of [HEX, HEX.toUpperCase(), BASE32, BASE32.toLowerCase()])
    assert.equal(hexOf(parseInfoHash(text)), HEX);
  for (const text of ['', HEX.slice(1), `${HEX}0`, ` ${HEX}`, BASE32.replace('Z', '1'), `${HEX}\n`, XT]) {
    assert.equal(parseInfoHash(text), undefined);
  }
});

test('the link of a torrent leads back to it', () => {
  const trackers = [['http://t.example/announce?a=b&c=d+e'], ['udp://u.example:1', 'udp://v.example:2']];
  const torrent = makeTorrent(Buffer.from('x'), { name: 'a b&c=✓+%41', trackers, webSeeds: ['http://w.example/?f=1'] });
  const metainfo = decodeMetainfo(torrent.bytes);
  const magnet = parseMagnet(magnetOf(metainfo));
  assert.deepEqual(hexOf(magnet.infoHash), hexOf(torrent.infoHash));
  assert.equal(magnet.name, 'a b&c=✓+%41');
  assert.deepEqual(magnet.trackers.flat(), trackers.flat());
  assert.deepEqual(magnet.webSeeds, ['http://w.example/?f=1']);
  assert.match(magnetOf({ ...metainfo, infoHashV2: Buffer.alloc(32, 1) }), /&xt=urn:btmh:1220(?:01){32}&/);
});

test('any name makes a link that is read', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.uint8Array({ minLength: 20, maxLength: 20 }), (name, infoHash) => {
      const magnet = parseMagnet(magnetOf({ infoHash, name, trackers: [], webSeeds: [] }));
      assert.deepEqual(magnet.infoHash, infoHash);
      assert.deepEqual(parseInfoHash(hexOf(infoHash)), infoHash);
    }),
  );
});

/** What links are made of. */
const TOKENS = [
  '&',
  '=',
  '%',
  '%2',
  '%ff',
  '+',
  '&xt=',
  'urn:btih:',
  'urn:btmh:',
  '&tr=',
  'udp://',
  'http://[',
  '&dn=',
];
TOKENS.push(
  '&so=',
  '0-',
  ',',
  '&x.pe=',
  '[::1]:1',
  ':',
  '&ws=',
  '.1',
  '\u0000',
  '\ud800',
  '\u202e',
  '#',
  '?',
  'magnet:',
  HEX,
);

test('a damaged link gives a MetainfoError, or a magnet that holds together', () => {
  const damage = fc.tuple(fc.nat(400), fc.nat(6), fc.oneof(fc.constantFrom(...TOKENS), fc.string({ maxLength: 4 })));
  const whole = `${XT}&dn=a+b&tr=http%3A%2F%2Ft/a&x.pe=[::1]:1&ws=http://w/&so=0,2-4`;
  fc.assert(
    fc.property(fc.array(damage, { minLength: 1, maxLength: 6 }), (damages) => {
      let link = whole;
      for (const [at, length, token] of damages) link = link.slice(0, at) + token + link.slice(at + length);
      try {
        const magnet = parseMagnet(link);
        assert.equal(magnet.infoHash.length, 20);
        assert.doesNotMatch([magnet.name, ...magnet.warnings].join(''), /\p{Cc}/u);
        for (const { port } of magnet.peers) assert.ok(port > 0 && port <= 65_535);
        for (const url of [...magnet.trackers.flat(), ...magnet.webSeeds]) assert.ok(URL.canParse(url));
      } catch (error) {
        assert.ok(error instanceof MetainfoError, error instanceof Error ? error.stack : String(error));
        assert.match(error.message, /^not a valid magnet link: \P{Cc}+$/u);
      }
    }),
    { numRuns: 5000 },
  );
});
