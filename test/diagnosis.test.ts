import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Bitfield } from '../src/common/bitfield.js';
import { availabilityOf } from '../src/diagnosis.js';
import { Wanted } from '../src/file/wanted.js';
import { decodeMetainfo } from '../src/metainfo/decode.js';
import { makeTorrent, randomBytes } from './helpers/torrent.js';

test('what we have exists, and what a peer has; a short piece counts less', () => {
  const metainfo = decodeMetainfo(makeTorrent(randomBytes('availability', 3 * 16_384 + 8192)).bytes);
  const wanted = new Wanted(metainfo);
  const have = new Bitfield(metainfo.pieceCount);
  assert.equal(
    availabilityOf(wanted, have, () => false),
    0,
  );
  assert.equal(
    availabilityOf(wanted, have, () => true),
    1,
  );
  have.add(0);
  assert.equal(
    availabilityOf(wanted, have, (index) => index < 2),
    2 / 3.5,
  );
  assert.equal(
    availabilityOf(wanted, have, (index) => index === 3),
    1.5 / 3.5,
  );
});

test('of the files that are not wanted nothing has to exist', () => {
  const files = ['a', 'b'].map((name) => ({ path: name, data: randomBytes(name, 20_000) }));
  const metainfo = decodeMetainfo(makeTorrent(files).bytes);
  const chosen = new Bitfield(2);
  chosen.add(1);
  const wanted = new Wanted(metainfo, chosen);
  const have = new Bitfield(metainfo.pieceCount);
  assert.equal(
    availabilityOf(wanted, have, (index) => index > 0),
    1,
  );
  assert.equal(
    availabilityOf(wanted, have, (index) => index < 2),
    (32_768 - 20_000) / 20_000,
  );
});
