import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Bitfield } from '../../src/common/bitfield.js';

const lengths = fc.integer({ min: 0, max: 100 });
const membersOf = (bitfield: Bitfield): number[] =>
  Array.from({ length: bitfield.length }, (_, index) => index).filter((index) => bitfield.has(index));

test('index 0 is the high bit of the first byte, as on the wire', () => {
  const bitfield = new Bitfield(12);
  bitfield.add(0);
  bitfield.add(9);
  assert.deepEqual([...bitfield.bytes], [0x80, 0x40]);
});

test('it is a set: what is added is in, what is deleted is out, and the count is right', () => {
  const steps = fc.array(fc.record({ index: fc.nat(99), isAdded: fc.boolean() }));
  fc.assert(
    fc.property(lengths, steps, (length, all) => {
      const bitfield = new Bitfield(length);
      const model = new Set<number>();
      for (const { index, isAdded } of all) {
        if (index >= length) continue;
        if (isAdded) assert.equal(bitfield.add(index), !model.has(index));
        else assert.equal(bitfield.delete(index), model.has(index));
        if (isAdded) model.add(index);
        else model.delete(index);
      }
      assert.deepEqual(new Set(membersOf(bitfield)), model);
      assert.equal(bitfield.count, model.size);
      assert.equal(bitfield.isFull, model.size === length);
    }),
  );
});

test('a full one has every index, no spare bit, and is what BEP 3 allows', () => {
  fc.assert(
    fc.property(lengths, (length) => {
      const bitfield = new Bitfield(length);
      bitfield.fill();
      assert.equal(bitfield.count, length);
      assert.ok(bitfield.isFull);
      assert.equal(membersOf(bitfield).length, length);
      assert.ok(Bitfield.isValid(bitfield.bytes, length));
    }),
  );
});

test('bytes of the wrong size or with a spare bit are no bitfield', () => {
  assert.ok(Bitfield.isValid(Uint8Array.of(0xff, 0xf0), 12));
  assert.ok(!Bitfield.isValid(Uint8Array.of(0xff, 0xf8), 12));
  assert.ok(!Bitfield.isValid(Uint8Array.of(0xff), 12));
  assert.ok(!Bitfield.isValid(Uint8Array.of(0xff, 0xf0, 0), 12));
  assert.ok(Bitfield.isValid(Uint8Array.of(0xff), 8));
  assert.ok(Bitfield.isValid(new Uint8Array(0), 0));
});

test('loading takes over the bytes, drops spare bits, and counts anew', () => {
  fc.assert(
    fc.property(lengths, fc.uint8Array({ minLength: 13, maxLength: 13 }), (length, random) => {
      const bytes = random.subarray(0, Math.ceil(length / 8));
      const bitfield = new Bitfield(length, new Uint8Array(bytes.length).fill(0xff));
      bitfield.load(bytes);
      for (let index = 0; index < length; index++) {
        assert.equal(bitfield.has(index), (bytes[index >> 3]! & (0x80 >> (index & 7))) !== 0);
      }
      assert.equal(bitfield.count, membersOf(bitfield).length);
      assert.ok(Bitfield.isValid(bitfield.bytes, length));
    }),
  );
});

test('its bytes are its own', () => {
  const bytes = Uint8Array.of(0x80);
  const bitfield = new Bitfield(8, bytes);
  bytes[0] = 0xff;
  assert.deepEqual(membersOf(bitfield), [0]);
});

test('what is in one and not in the other is counted', () => {
  const members = fc.uniqueArray(fc.nat(49));
  fc.assert(
    fc.property(members, members, (left, right) => {
      const [a, b] = [new Bitfield(50), new Bitfield(50)];
      for (const index of left) a.add(index);
      for (const index of right) b.add(index);
      assert.equal(a.countWithout(b), left.filter((index) => !right.includes(index)).length);
    }),
  );
});
