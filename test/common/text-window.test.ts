import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TextWindow } from '../../src/common/text-window.js';
import { decodeUtf8 } from '../../src/common/text.js';

test('texts are what they are alone, wherever they stand and in whatever order they are asked for', () => {
  const part = fc.oneof(
    fc.tuple(fc.constantFrom('a', 'é', 'xyz '), fc.nat(9000)).map(([unit, n]) => Buffer.from(unit.repeat(n))),
    fc.uint8Array({ maxLength: 5 }).map((bytes) => Buffer.from(bytes)),
  );
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 8 }), fc.array(fc.nat()), (parts, more) => {
      const texts = new TextWindow(Buffer.concat(parts));
      const starts = parts.map((_, n) => Buffer.concat(parts.slice(0, n)).length);
      for (const at of [...parts.keys(), ...more.map((n) => n % parts.length)]) {
        const [from, one] = [starts[at]!, parts[at]!];
        assert.equal(texts.textOf(from, from + one.length), decodeUtf8(one));
      }
    }),
  );
});
