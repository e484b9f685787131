import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ProtocolError } from '../../src/common/errors.js';
import {
  BLOCK_HEAD_LENGTH,
  encodeExtended,
  encodeHave,
  encodeMessage,
  MESSAGE,
  WireReader,
  writeBlockHead,
  writeRequest,
  type BlockSink,
} from '../../src/peer/wire.js';

type Seen = [kind: string, ...rest: (number | string)[]];

/** Reads a stream cut at `cuts`, and notes what comes out. */
function readAll(stream: Uint8Array, cuts: readonly number[], bitfieldLength = 3): Seen[] {
  const seen: Seen[] = [];
  let block: number[] = [];
  const messages = {
    onMessage: (id: number, payload: Uint8Array) => {
      seen.push(['message', id, Buffer.from(payload).toString('hex')]);
    },
  };
  const blocks: BlockSink = {
    onBlock: (index, begin, length) => {
      block = [];
      seen.push(['block', index, begin, length]);
    },
    onBlockBytes: (chunk, from, to) => block.push(...chunk.subarray(from, to)),
    onBlockEnd: () => seen.push(['end', Buffer.from(block).toString('hex')]),
  };
  const reader = new WireReader(bitfieldLength, blocks, messages);
  const places = [0, ...[...cuts].map((cut) => cut % (stream.length + 1)).sort((a, b) => a - b), stream.length];
  for (let at = 1; at < places.length; at++) reader.push(stream, places[at - 1]!, places[at]!);
  return seen;
}

function request(id: number, index: number, begin: number, length: number): Uint8Array {
  const bytes = new Uint8Array(17);
  writeRequest(bytes, 0, id, index, begin, length);
  return bytes;
}

const uint32 = fc.integer({ min: 0, max: 0xffffffff });
const message: fc.Arbitrary<{ bytes: Uint8Array; seen: Seen[] }> = fc.oneof(
  fc.constant({ bytes: new Uint8Array(4), seen: [] as Seen[] }),
  fc.constantFrom(0, 1, 2, 3, 14, 15).map((id) => ({ bytes: encodeMessage(id), seen: [['message', id, ''] as Seen] })),
  uint32.map((index) => ({
    bytes: encodeHave(index),
    seen: [['message', 4, index.toString(16).padStart(8, '0')] as Seen],
  })),
  fc.tuple(fc.constantFrom(6, 8, 16), uint32, uint32, uint32).map(([id, index, begin, length]) => {
    const bytes = request(id, index, begin, length);
    return { bytes, seen: [['message', id, Buffer.from(bytes.subarray(5)).toString('hex')] as Seen] };
  }),
  fc.uint8Array({ minLength: 3, maxLength: 3 }).map((payload) => ({
    bytes: encodeMessage(MESSAGE.bitfield, payload),
    seen: [['message', 5, Buffer.from(payload).toString('hex')] as Seen],
  })),
  fc.tuple(fc.nat(255), fc.uint8Array({ maxLength: 300 })).map(([id, payload]) => ({
    bytes: encodeExtended(id, payload),
    seen: [['message', 20, Buffer.from([id, ...payload]).toString('hex')] as Seen],
  })),
  fc.tuple(uint32, uint32, fc.uint8Array({ minLength: 1, maxLength: 300 })).map(([index, begin, data]) => ({
    bytes: Buffer.concat([blockHead(index, begin, data.length), data]),
    seen: [['block', index, begin, data.length] as Seen, ['end', Buffer.from(data).toString('hex')] as Seen],
  })),
  fc.uint8Array({ maxLength: 300 }).map((payload) => ({ bytes: encodeMessage(200, payload), seen: [] })),
);

function blockHead(index: number, begin: number, length: number): Uint8Array {
  const head = new Uint8Array(BLOCK_HEAD_LENGTH);
  writeBlockHead(head, 0, index, begin, length);
  return head;
}

test('however a stream is split, the same messages and blocks come out', () => {
  fc.assert(
    fc.property(fc.array(message, { maxLength: 12 }), fc.array(fc.nat(4000), { maxLength: 30 }), (messages, cuts) => {
      const stream = Buffer.concat(messages.map(({ bytes }) => bytes));
      assert.deepEqual(
        readAll(stream, cuts),
        messages.flatMap(({ seen }) => seen),
      );
    }),
  );
});

test('read byte by byte, too', () => {
  const stream = Buffer.concat([encodeMessage(1), blockHead(7, 16384, 5), Buffer.from('hello'), encodeHave(3)]);
  assert.deepEqual(readAll(stream, [...stream.keys()]), [
    ['message', 1, ''],
    ['block', 7, 16384, 5],
    ['end', Buffer.from('hello').toString('hex')],
    ['message', 4, '00000003'],
  ]);
});

test('random bytes give messages or a ProtocolError, never anything else', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 500 }), fc.array(fc.nat(500), { maxLength: 5 }), (bytes, cuts) => {
      try {
        readAll(bytes, cuts);
      } catch (error) {
        assert.ok(error instanceof ProtocolError, String(error));
      }
    }),
    { numRuns: 2000 },
  );
});

const malformed: [what: string, bytes: number[]][] = [
  ['a length of 4 GiB', [0xff, 0xff, 0xff, 0xff, 99]],
  ['a block of 4 GiB', [0xff, 0xff, 0xff, 0xff, 7, 0, 0, 0, 0, 0, 0, 0, 0]],
  ['a block of 129 KiB', [0, 2, 4, 9, 7, 0, 0, 0, 0, 0, 0, 0, 0]],
  ['an empty block', [0, 0, 0, 9, 7, 0, 0, 0, 0, 0, 0, 0, 0]],
  ['a piece message with half a head', [0, 0, 0, 5, 7, 0, 0, 0, 0]],
  ['a choke with a payload', [0, 0, 0, 2, 0, 0]],
  ['a have that is too short', [0, 0, 0, 3, 4, 0, 0]],
  ['a bitfield of the wrong size', [0, 0, 0, 3, 5, 0, 0]],
  ['an extended message without an id', [0, 0, 0, 1, 20]],
  ['an extended message of 16 MiB', [1, 0, 0, 0, 20]],
];
for (const [what, bytes] of malformed) {
  test(`${what} ends the connection before anything is allocated`, () => {
    assert.throws(() => readAll(Uint8Array.from(bytes), []), ProtocolError);
    assert.throws(() => readAll(Uint8Array.from(bytes), [1, 3, 4, 5, 6]), ProtocolError);
  });
}

test('after stop() nothing more is read of the bytes at hand', () => {
  let count = 0;
  const noBlocks = { onBlock: () => assert.fail(), onBlockBytes: () => assert.fail(), onBlockEnd: () => assert.fail() };
  const reader: WireReader = new WireReader(1, noBlocks, {
    onMessage: () => {
      count++;
      reader.stop();
    },
  });
  const stream = Buffer.concat([encodeMessage(1), encodeMessage(0), encodeMessage(1)]);
  reader.push(stream, 0, stream.length);
  assert.equal(count, 1);
});
