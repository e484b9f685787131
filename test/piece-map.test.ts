import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';

import { Bitfield } from '../src/common/bitfield.js';
import { Wanted } from '../src/file/wanted.js';
import { decodeMetainfo } from '../src/metainfo/decode.js';
import { mapPieces } from '../src/piece-map.js';
import { Tally } from '../src/tally.js';
import { makeTorrent, randomBytes } from './helpers/torrent.js';

/** Two files of four pieces each. */
const metainfo = decodeMetainfo(
  makeTorrent([
    { path: 'one', data: randomBytes(1, 65_536) },
    { path: 'two', data: randomBytes(2, 65_536) },
  ]).bytes,
);

function stateOf(have: readonly number[], { inFlight = -1, peers = [] as readonly number[], chosen = [0, 1] } = {}) {
  const files = new Bitfield(2);
  for (const file of chosen) files.add(file);
  const wanted = new Wanted(metainfo, files);
  const tally = new Tally();
  tally.begin(wanted);
  for (const index of have) tally.addPiece(index);
  return {
    wanted,
    tally,
    isInFlight: (index: number) => index === inFlight,
    availability: (n: number) => peers[n] ?? 1,
  };
}

test('a cell for each piece says what it is', () => {
  const state = stateOf([0, 2], { inFlight: 3, peers: [9, 9, 9, 5, 5, 1, 5, 5] });
  const [one, two] = [
    ['have', 'missing', 'have', 'inFlight'],
    ['missing', 'rarest', 'missing', 'missing'],
  ];
  assert.deepEqual(mapPieces(100, state), [...one, ...two]);
});

test('where all are equally rare none is the rarest', () => {
  assert.deepEqual(new Set(mapPieces(8, stateOf([]))), new Set(['missing']));
});

test('a cell of several pieces tells of those in flight first, then how much is there', () => {
  assert.deepEqual(mapPieces(4, stateOf([0, 1, 2], { inFlight: 4 })), ['have', 'some', 'inFlight', 'missing']);
});

test('pieces that nobody wants are left blank', () => {
  assert.deepEqual(mapPieces(2, stateOf([], { chosen: [1] })), ['unwanted', 'missing']);
});

test('every piece is in one cell, whatever the width', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20 }), fc.nat(7), (cells, missing) => {
      const map = mapPieces(cells, stateOf([0, 1, 2, 3, 4, 5, 6, 7].filter((index) => index !== missing)));
      assert.equal(map.length, Math.min(cells, 8));
      assert.equal(map.filter((cell) => cell !== 'have').length, 1);
    }),
  );
});
