import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ProtocolError } from '../../src/common/errors.js';
import { ipOfBytes } from '../../src/common/ip.js';
import { decodeExtensionHandshake, encodeExtensionHandshake } from '../../src/peer/extension/handshake.js';

const decodeText = (text: string) => decodeExtensionHandshake(Buffer.from(text, 'latin1'));
const addresses = fc
  .oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.uint8Array({ minLength: 16, maxLength: 16 }))
  .map((bytes) => ipOfBytes(bytes));

test('what is encoded is decoded to the same', () => {
  const fields = fc.record({
    messageIds: fc.dictionary(fc.stringMatching(/^[a-z_]{1,20}$/), fc.integer({ min: 1, max: 255 }), {
      noNullPrototype: true,
    }),
    port: fc.option(fc.integer({ min: 1, max: 65_535 }), { nil: undefined }),
    client: fc.stringMatching(/^[ -~]{1,60}$/),
    yourIp: fc.option(addresses, { nil: undefined }),
    requestQueueLength: fc.integer({ min: 1, max: 65_535 }),
    metadataSize: fc.option(fc.integer({ min: 1, max: 16 * 1024 * 1024 }), { nil: undefined }),
    isUploadOnly: fc.constantFrom(true, undefined),
  });
  fc.assert(
    fc.property(fields, (all) => {
      const expected = Object.entries(all).filter(([, value]) => value !== undefined);
      const { messageIds, ...rest } = decodeExtensionHandshake(encodeExtensionHandshake(all));
      assert.deepEqual({ messageIds: Object.fromEntries(messageIds), ...rest }, Object.fromEntries(expected));
    }),
  );
});

test('what is sent is as BEP 10 has it, keys sorted', () => {
  const payload = encodeExtensionHandshake({
    messageIds: { ut_metadata: 3, ut_pex: 1 },
    port: 6881,
    client: 'torrent-dl 0.1.0',
    yourIp: '::ffff:192.0.2.1',
    requestQueueLength: 500,
    metadataSize: 31_235,
    isUploadOnly: true,
  });
  assert.equal(
    Buffer.from(payload).toString('latin1'),
    'd1:md11:ut_metadatai3e6:ut_pexi1ee13:metadata_sizei31235e1:pi6881e4:reqqi500e11:upload_onlyi1e' +
      '1:v16:torrent-dl 0.1.06:yourip4:\xc0\x00\x02\x01e',
  );
});

test('an address that is none, a port 0 and what is not known are left out', () => {
  const payload = encodeExtensionHandshake({ messageIds: {}, port: 0, client: 'x', yourIp: '', requestQueueLength: 1 });
  assert.equal(Buffer.from(payload).toString('latin1'), 'd1:mde4:reqqi1e1:v1:xe');
});

test('fields of odd types or values are as if missing', () => {
  for (const text of [
    'de',
    'd1:mle1:ple4:reqqde1:vi1e6:yourip3:abc11:upload_only1:xe',
    'd1:mi5e13:metadata_sizei-1e1:pi65536e4:reqqi0e1:v0:e',
    'd13:metadata_sizei2147483647e1:pi0e4:reqqi-5ee',
    'd13:metadata_sizei9999999999999999999e1:pi-1ee',
    'd1:md6:ut_pexi0e5:otheri256e4:textl1:xeee',
  ]) {
    assert.deepEqual(decodeText(text), { messageIds: new Map() }, text);
  }
});

test('keys out of order and bytes after the dictionary do not matter', () => {
  const { port, requestQueueLength } = decodeText('d4:reqqi250e1:pi6881eetrailing');
  assert.deepEqual({ port, requestQueueLength }, { port: 6881, requestQueueLength: 250 });
});

test('a client name brings no control characters to a terminal, and at most 64 of the others', () => {
  assert.equal(decodeText('d1:v8:\x1b[2Jevile').client, '\\x1b[2Jevil');
  assert.equal(decodeText('d1:v3:\xb5\xffXe').client, 'µÿX');
  assert.equal(decodeText(`d1:v500:${'a'.repeat(500)}e`).client, 'a'.repeat(64));
  const faces = Buffer.concat([Buffer.from('d1:v402:xy'), Buffer.from('😀'.repeat(100)), Buffer.from('e')]);
  assert.equal(decodeExtensionHandshake(faces).client, 'xy' + '😀'.repeat(62));
});

test('of very many messages only some are remembered', () => {
  const names = Array.from({ length: 500 }, (_, index) => `4:${String(index).padStart(4, '0')}i7e`);
  assert.equal(decodeText(`d1:md${names.join('')}ee`).messageIds.size, 64);
  assert.equal(decodeText(`d1:md65:${'n'.repeat(65)}i7eee`).messageIds.size, 0);
});

test('what is not a bencoded dictionary is a ProtocolError, and nothing else is ever thrown', () => {
  for (const text of ['', 'd', 'le', 'i1e', 'd1:v', 'd1:v999999999:xe', 'x', 'd1:v1:ad', 'l'.repeat(10_000)]) {
    assert.throws(() => decodeText(text), { name: 'ProtocolError', code: 'ERR_EXTENSION' }, text.slice(0, 20));
  }
  const valid = encodeExtensionHandshake({ messageIds: { ut_pex: 1 }, client: 'x', requestQueueLength: 5 });
  const flipped = fc.tuple(fc.nat(valid.length - 1), fc.nat(255)).map(([at, byte]) => {
    const bytes = Uint8Array.from(valid);
    bytes[at] = byte;
    return bytes;
  });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array(), flipped), (bytes) => {
      try {
        decodeExtensionHandshake(bytes);
      } catch (error) {
        assert.ok(error instanceof ProtocolError, String(error));
      }
    }),
    { numRuns: 1000 },
  );
});

test('a later handshake adds to the first: what it leaves out stays, and id 0 switches off', () => {
  const first = decodeText('d1:md11:ut_metadatai2e6:ut_pexi1ee13:metadata_sizei9e1:pi80ee');
  const both = decodeExtensionHandshake(Buffer.from('d1:md6:ut_pexi0e4:ut_xi5eee'), first);
  assert.deepEqual(both, {
    messageIds: new Map([
      ['ut_metadata', 2],
      ['ut_x', 5],
    ]),
    metadataSize: 9,
    port: 80,
  });
});
