import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compareDistance, sharedBits } from '../../../src/tracker/dht/distance.js';
import { crc32c, fitsAddress, makeIdInBucket, makeNodeId } from '../../../src/tracker/dht/node-id.js';
import { random } from './helpers.js';

const ids = fc.uint8Array({ minLength: 20, maxLength: 20 });

test('CRC-32C gives the check value of its definition', () => {
  assert.equal(crc32c(Buffer.from('123456789')), 0xe3069283);
});

test('the example ids of BEP 42 fit their addresses, and no others', () => {
  for (const [ip, id] of [
    ['124.31.75.21', '5fbfbff10c5d6a4ec8a88e4c6ab4c28b95eee401'],
    ['21.75.31.124', '5a3ce9c14e7a08645677bbd1cfe7d8f956d53256'],
    ['65.23.51.170', 'a5d43220bc8f112a3d426c84764f8c2a1150e616'],
    ['84.124.73.14', '1b0321dd1bb1fe518101ceef99462b947a01ff41'],
    ['43.213.53.83', 'e56f6cbf5b7c4be0237986d5243b87aa6d51305a'],
  ] as const) {
    const bytes = Buffer.from(id, 'hex');
    assert.equal(fitsAddress(bytes, ip), true, ip);
    assert.equal(fitsAddress(bytes, '8.8.8.8'), false, ip);
    bytes[0]! ^= 0x80;
    assert.equal(fitsAddress(bytes, ip), false, ip);
  }
});

test('an id that is made for an address fits it', () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (ip) => {
      assert.equal(fitsAddress(makeNodeId(ip, random), ip), true);
    }),
  );
});

test('in the own network, and without an address, any id will do', () => {
  for (const ip of ['127.0.0.1', '10.1.2.3', '192.168.0.1', '::1', 'fd00::1', 'fe80::1']) {
    assert.equal(fitsAddress(new Uint8Array(20), ip), true, ip);
  }
  assert.equal(makeNodeId(undefined, random).length, 20);
  assert.equal(fitsAddress(new Uint8Array(20), 'no address'), false);
});

test('an id for a bucket shares exactly so many bits with our own', () => {
  fc.assert(
    fc.property(ids, fc.nat(159), (own, bits) => {
      assert.equal(sharedBits(own, makeIdInBucket(own, bits, random)), bits);
    }),
  );
});

test('distance orders ids as the numbers that XOR makes', () => {
  const distance = (a: Uint8Array, b: Uint8Array): bigint =>
    BigInt(`0x${Buffer.from(a.map((byte, at) => byte ^ b[at]!)).toString('hex')}`);
  fc.assert(
    fc.property(ids, ids, ids, (target, a, b) => {
      const expected = distance(target, a) - distance(target, b);
      assert.equal(Math.sign(compareDistance(target, a, b)), expected < 0n ? -1 : expected > 0n ? 1 : 0);
    }),
  );
  assert.equal(sharedBits(new Uint8Array(20), new Uint8Array(20)), 160);
});
