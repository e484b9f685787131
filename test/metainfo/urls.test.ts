import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeMetainfo } from '../../src/metainfo/decode.js';
import type { Metainfo } from '../../src/metainfo/metainfo.js';
import { makeTorrent } from '../helpers/torrent.js';

function read(extra: Readonly<Record<string, unknown>>): Metainfo {
  return decodeMetainfo(makeTorrent(Buffer.from('x'), { extra }).bytes);
}

test('announce-list replaces announce', () => {
  const { trackers, warnings } = read({
    announce: 'http://old.example/',
    'announce-list': [['http://a.example/x', 'udp://b.example:1'], ['https://c.example/']],
  });
  assert.deepEqual(trackers, [['http://a.example/x', 'udp://b.example:1'], ['https://c.example/']]);
  assert.deepEqual(warnings, []);
});

test('a lone announce is one tier of one, also beside an announce-list with nothing in it', () => {
  const announce = 'http://a.example/announce?key=%FF';
  const lists = [undefined, [], [[]], [['']], 5, [['nonsense']], [[['x']]]];
  for (const list of lists) assert.deepEqual(read({ announce, 'announce-list': list }).trackers, [[announce]]);
});

test('a flat announce-list is one tier for each URL', () => {
  const { trackers } = read({ 'announce-list': ['http://a.example/', 'http://b.example/'] });
  assert.deepEqual(trackers, [['http://a.example/'], ['http://b.example/']]);
});

test('URLs that come twice, empty ones and white space are dropped without a word', () => {
  const { trackers, warnings } = read({ 'announce-list': [[' http://a.example/\n', ''], ['http://a.example/'], ['']] });
  assert.deepEqual(trackers, [['http://a.example/']]);
  assert.deepEqual(warnings, []);
});

test('bad URLs are dropped with a warning that hides what may be secret', () => {
  const bad = [
    'http://a.example:99999/secret',
    'file:///etc/passwd',
    'http://',
    'secret',
    'http://a.example/\u0000',
    7,
  ];
  const { trackers, warnings } = read({ 'announce-list': [[...bad, 'http://good.example/']] });
  assert.deepEqual(trackers, [['http://good.example/']]);
  assert.equal(warnings.length, bad.length);
  assert.equal(warnings[0], 'ignored tracker: http://a.example:99999/… is no URL that a tracker can have');
  assert.doesNotMatch(warnings.join(''), /secret|passwd/);
});

test('web seeds are a string or a list, over HTTP alone', () => {
  assert.deepEqual(read({ 'url-list': 'http://a.example/My%20File' }).webSeeds, ['http://a.example/My%20File']);
  assert.deepEqual(read({ 'url-list': '' }).warnings, []);
  const { webSeeds, httpSeeds, warnings } = read({
    'url-list': ['http://a.example/', 'ftp://b.example/', 'http://a.example/'],
    httpseeds: ['https://c.example/seed.php'],
  });
  assert.deepEqual([webSeeds, httpSeeds], [['http://a.example/'], ['https://c.example/seed.php']]);
  assert.deepEqual(warnings, ['ignored web seed: ftp://b.example/… is no URL that a web seed can have']);
});

test('a flood of trackers is cut off, with few warnings', () => {
  const { trackers, warnings } = read({
    'announce-list': Array.from({ length: 5000 }, (_, n) => [`http://t${n}.example/`]),
  });
  assert.equal(trackers.length, 500);
  assert.ok(warnings.length <= 11);
});
