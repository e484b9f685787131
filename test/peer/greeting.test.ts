import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Bitfield } from '../../src/common/bitfield.js';
import { decodeMetainfo } from '../../src/metainfo/decode.js';
import { encodeGreeting, type Greeted } from '../../src/peer/greeting.js';
import { MESSAGE, readUint32 } from '../../src/peer/wire.js';
import { makeTorrent } from '../helpers/torrent.js';

const metainfo = decodeMetainfo(makeTorrent(new Uint8Array(5 * 16_384)).bytes);
const PEER = { infoHash: metainfo.infoHash, peerId: new Uint8Array(20) };

/** The ids of the messages with which we greet, having these pieces. */
function greet(pieces: readonly number[], peer: Partial<Greeted['handshake']>, said: Greeted['said'] = 'nothing') {
  const have = new Bitfield(metainfo.pieceCount);
  for (const index of pieces) have.add(index);
  const ours = { have, settled: have, metainfo, port: 6881, clientName: 'us', dhtPort: 6882 };
  const handshake = { ...PEER, supportsFast: false, supportsExtensions: false, supportsDht: false, ...peer };
  const bytes = encodeGreeting(ours, { handshake, said, messageIds: {}, yourIp: '192.0.2.1' });
  const ids: number[] = [];
  for (let at = 0; at < bytes.length; at += 4 + readUint32(bytes, at)) ids.push(bytes[at + 4]!);
  return ids;
}

const ALL = [0, 1, 2, 3, 4];

test('a greeting begins with the pieces, in the shortest way that the peer knows (BEP 3, 6)', () => {
  assert.deepEqual(greet([], {}), []);
  assert.deepEqual(greet([2], {}), [MESSAGE.bitfield]);
  assert.deepEqual(greet(ALL, {}), [MESSAGE.bitfield]);
  assert.deepEqual(greet([], { supportsFast: true }), [MESSAGE.haveNone]);
  assert.deepEqual(greet([2], { supportsFast: true }), [MESSAGE.bitfield]);
  assert.deepEqual(greet(ALL, { supportsFast: true }), [MESSAGE.haveAll]);
});

test('… and goes on with what else the peer knows (BEP 10, 5)', () => {
  const knows = { supportsExtensions: true, supportsDht: true };
  assert.deepEqual(greet([2], knows), [MESSAGE.bitfield, MESSAGE.extended, MESSAGE.port]);
});

test('who heard before that we have none is told of pieces one by one, and of no port again', () => {
  const knows = { supportsFast: true, supportsExtensions: true, supportsDht: true };
  assert.deepEqual(greet([1, 3], knows, 'greeting'), [MESSAGE.have, MESSAGE.have, MESSAGE.extended]);
});
