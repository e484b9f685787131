import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { ProtocolError } from '../../src/common/errors.js';
import {
  clientName,
  createPeerId,
  decodeHandshake,
  encodeHandshake,
  HANDSHAKE_LENGTH,
  HandshakeReader,
} from '../../src/peer/handshake.js';

const bytesOf = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length });
const peerIdOf = (text: string): Uint8Array => Buffer.from(text.padEnd(20, 'x'), 'latin1');

test('a handshake is the 68 bytes of BEP 3, with our bits for BEP 10 and BEP 6', () => {
  const bytes = encodeHandshake({ infoHash: new Uint8Array(20).fill(0xaa), peerId: new Uint8Array(20).fill(0xbb) });
  const hex = Buffer.from(bytes).toString('hex');
  assert.equal(
    hex,
    Buffer.from('\x13BitTorrent protocol').toString('hex') + '0000000000100004' + 'aa'.repeat(20) + 'bb'.repeat(20),
  );
});

test('what is encoded is decoded to the same, whatever the reserved bytes', () => {
  fc.assert(
    fc.property(bytesOf(20), bytesOf(20), bytesOf(8), (infoHash, peerId, reserved) => {
      const bytes = encodeHandshake({ infoHash, peerId, reserved });
      assert.equal(bytes.length, HANDSHAKE_LENGTH);
      const handshake = decodeHandshake(bytes);
      assert.deepEqual(Buffer.from(handshake.infoHash), Buffer.from(infoHash));
      assert.deepEqual(Buffer.from(handshake.peerId), Buffer.from(peerId));
      assert.equal(handshake.supportsExtensions, (reserved[5]! & 0x10) !== 0);
      assert.equal(handshake.supportsFast, (reserved[7]! & 4) !== 0);
      assert.equal(handshake.supportsDht, (reserved[7]! & 1) !== 0);
    }),
  );
});

test('what is decoded does not change with the memory it came from', () => {
  const bytes = new Uint8Array(encodeHandshake({ infoHash: new Uint8Array(20).fill(1), peerId: new Uint8Array(20) }));
  const { infoHash, peerId } = decodeHandshake(bytes);
  bytes.fill(9);
  assert.deepEqual([...infoHash, ...peerId], [...new Uint8Array(20).fill(1), ...new Uint8Array(20)]);
});

test('random bytes are no handshake, and a ProtocolError says so', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      assert.throws(() => decodeHandshake(bytes), ProtocolError);
    }),
  );
  const almost = encodeHandshake({ infoHash: new Uint8Array(20), peerId: new Uint8Array(20) });
  almost[19]! ^= 0x20;
  assert.throws(() => decodeHandshake(almost), { code: 'ERR_HANDSHAKE' });
});

test('a peer id is 20 characters that a URL need not escape, and new each time', () => {
  const text = Buffer.from(createPeerId(randomBytes)).toString('latin1');
  assert.match(text, /^-TD0100-[A-Za-z0-9]{12}$/);
  assert.notEqual(text, Buffer.from(createPeerId(randomBytes)).toString('latin1'));
});

test('known peer ids have the names of their programs', () => {
  const names = {
    '-qB4520-': 'qBittorrent 4.5.2',
    '-TR3000-': 'Transmission 3.0',
    '-LT2080-': 'libtorrent 2.0.8',
    '-DE13F0-': 'Deluge 1.3.15',
    '-lt0D80-': 'rTorrent 0.13.8',
    '-XX1234-': 'XX 1.2.3.4',
    'A2-1-36-0-': 'aria2 1.36.0',
    'M7-9-2--': 'M7-9-2--',
  };
  for (const [peerId, name] of Object.entries(names)) assert.equal(clientName(peerIdOf(peerId)), name);
});

test('no peer id brings control characters to a terminal', () => {
  assert.equal(clientName(peerIdOf('\x1b[2J\x07\x9b\xe9!')), '?[2J???!');
  fc.assert(fc.property(bytesOf(20), (peerId) => assert.match(clientName(peerId), /^[ -~µ]+$/)));
});

test('a handshake comes in parts, and what follows it is left', () =>
  fc.assert(
    fc.property(bytesOf(20), bytesOf(20), fc.array(fc.nat({ max: 90 })), (infoHash, peerId, cuts) => {
      const bytes = Buffer.concat([encodeHandshake({ infoHash, peerId }), Buffer.alloc(32, 1)]);
      const reader = new HandshakeReader();
      let at = 0;
      for (const length of [...cuts, bytes.length]) {
        if (reader.handshake) break;
        const part = bytes.subarray(at, at + length);
        at += reader.push(part, part.length);
      }
      assert.equal(at, HANDSHAKE_LENGTH);
      assert.deepEqual(Buffer.from(reader.handshake!.infoHash), Buffer.from(infoHash));
    }),
  ));
