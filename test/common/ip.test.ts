import assert from 'node:assert/strict';
import { isIPv4, isIPv6 } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { readCompactPeers } from '../../src/common/compact.js';
import { bytesOfIp, canonicalIp, ipOfBytes, isLocalIp, isUnicast } from '../../src/common/ip.js';

test('an address has one spelling, whichever way it was written', () => {
  assert.equal(canonicalIp('2001:0DB8:0:0:0:0:0:1'), '2001:db8::1');
  assert.equal(canonicalIp('::FFFF:c000:0201'), '192.0.2.1');
  assert.equal(canonicalIp('192.0.2.1'), '192.0.2.1');
  for (const text of ['', 'localhost', '1.2.3', '01.2.3.4', '1.2.3.4:80', '[::1]', 'fe80::1%lo', ':::']) {
    assert.equal(canonicalIp(text), undefined, text);
  }
  fc.assert(fc.property(fc.ipV6(), (text) => canonicalIp(canonicalIp(text)!) === canonicalIp(text)));
});

test('4 or 16 bytes are always an address', () => {
  fc.assert(fc.property(fc.uint8Array({ minLength: 4, maxLength: 4 }), (bytes) => isIPv4(ipOfBytes(bytes))));
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
      const ip = ipOfBytes(bytes);
      return isIPv6(ip) && canonicalIp(ip) === ip;
    }),
  );
  assert.equal(ipOfBytes(Buffer.from('00000000000000000000ffff7f000001', 'hex')), '127.0.0.1');
});

test('the bytes of an address are the same in every spelling', () => {
  assert.deepEqual(bytesOfIp('::1.2.3.4'), bytesOfIp('0:0:0:0:0:0:102:304'));
  assert.equal(Buffer.from(bytesOfIp('::1.2.3.4')!).toString('hex'), `${'0'.repeat(24)}01020304`);
});

test('local addresses are known in every spelling', () => {
  const local = ['127.0.0.1', '10.1.2.3', '172.31.0.1', '192.168.1.1', '169.254.169.254', '100.64.0.1', '0.0.0.0'];
  const local6 = ['::1', '::', 'fe80::1', 'fd00::1', '::ffff:127.0.0.1', '::ffff:7f00:1', '0:0:0:0:0:0:0:1'];
  const carried = ['64:ff9b::a00:1', '64:ff9b::169.254.169.254', '64:ff9b:1::7f00:1', '2002:7f00:1::', '::10.0.0.1'];
  const others = ['192.0.0.192', 'fec0::1', 'fe80::1%eth0'];
  for (const ip of [...local, ...local6, ...carried, ...others]) assert.ok(isLocalIp(ip), ip);
  const carriedOut = ['64:ff9b::8.8.8.8', '2002:808:808::1', '::8.8.8.8'];
  for (const ip of ['192.0.2.1', '172.32.0.1', '8.8.8.8', '2001:db8::1', '::ffff:8.8.8.8', ...carriedOut])
    assert.ok(!isLocalIp(ip), ip);
});

test('multicast, broadcast and unspecified addresses are no peers', () => {
  for (const ip of ['0.0.0.0', '224.0.0.1', '255.255.255.255', '::', 'ff02::1']) assert.ok(!isUnicast(ip), ip);
  for (const ip of ['127.0.0.1', '223.255.255.255', '10.0.0.1', '::1', 'fe80::1']) assert.ok(isUnicast(ip), ip);
});

test('a ragged end of compact peers is left out', () => {
  const bytes = Uint8Array.of(192, 0, 2, 1, 26, 225, 192, 0);
  assert.deepEqual(readCompactPeers(bytes, 'ipv4'), [{ host: '192.0.2.1', port: 6881 }]);
});
