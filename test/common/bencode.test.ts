import assert from 'node:assert/strict';
import { test } from 'node:test';
import bencode from 'bencode';
import fc from 'fast-check';
import {
  BencodeDictionary,
  BencodeError,
  decode,
  decodeAll,
  encode,
  type BencodeValue,
  type Encodable,
} from '../../src/common/bencode.js';

const bytesOf = (text: string): Buffer => Buffer.from(text, 'latin1');

/** What a value was made of: strings as Buffers, dictionaries as Maps. */
function plain(value: BencodeValue): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value);
  if (Array.isArray(value)) return value.map(plain);
  if (value instanceof BencodeDictionary) return new Map([...value].map(([key, item]) => [key, plain(item)]));
  return value;
}

function decodeText(text: string): unknown {
  return plain(decodeAll(bytesOf(text)));
}

function dictionaryOf(text: string): BencodeDictionary {
  const value = decodeAll(bytesOf(text));
  assert.ok(value instanceof BencodeDictionary);
  return value;
}

/** What makes lax decoders hang, overflow or err (ECOSYSTEM 1.2): input → the message. */
const REFUSED: Record<string, RegExp> = {
  '': /ends too early at byte 0/,
  'i-0e': /begins with -0 at byte 1/,
  'i-07e': /begins with -0/,
  i007e: /leading zero/,
  'i+5e': /malformed integer/,
  ie: /malformed integer/,
  'i-e': /malformed integer/,
  'i--1e': /malformed integer/,
  'i1.9e': /malformed integer/,
  i1: /malformed integer/,
  i: /malformed integer/,
  [`i${'9'.repeat(21)}e`]: /21 digits/,
  [`i${'9'.repeat(100_000)}e`]: /100000 digits/,
  '03:abc': /length with a leading zero/,
  '00:': /length with a leading zero/,
  '-3:abc': /no value begins with byte 0x2d/,
  'l-3:e': /no value begins with byte 0x2d at byte 1/,
  'd-3:e': /key that is not a string at byte 1/,
  '10:abc': /longer than the input at byte 0/,
  '4:abc': /longer than the input at byte 0/,
  '4294967296:abc': /longer than the input/,
  '12345678901234567890:abc': /longer than the input/,
  [`${'9'.repeat(400)}:abc`]: /longer than the input/,
  3: /longer than the input at byte 0/,
  l1: /ends too early at byte 2/,
  '3abc': /without a colon at byte 1/,
  l: /ends too early/,
  d: /ends too early/,
  'd1:a': /ends too early at byte 4/,
  'd1:ae': /no value begins with byte 0x65/,
  di1ei2ee: /key that is not a string/,
  'd1:ai1e1:ai2ee': /key "a" twice at byte 7/,
  'd1:bi1e1:ai1e1:bi2ee': /key "b" twice/,
  'd2:\xff\xfei1e2:\xff\xfei1ee': /key "\\xff\\xfe" twice/,
  '0:0:': /bytes after the end at byte 2/,
  i1ee: /bytes after the end/,
  x: /no value begins with byte 0x78/,
  '\xff': /no value begins with byte 0xff/,
  [`${'l'.repeat(101)}${'e'.repeat(101)}`]: /more than 100 levels at byte 100/,
  ['d1:a'.repeat(101)]: /more than 100 levels/,
  ['l'.repeat(1_000_000)]: /more than 100 levels/,
};

for (const [text, message] of Object.entries(REFUSED)) {
  const shown = JSON.stringify(text.length > 30 ? `${text.slice(0, 30)}…` : text);
  test(`${shown} is refused`, () => {
    assert.throws(
      () => decodeAll(bytesOf(text)),
      (error) => error instanceof BencodeError && error.code === 'ERR_BENCODE' && message.test(error.message),
    );
  });
}

test('values of each type are decoded', () => {
  assert.deepEqual(decodeText('4:spam'), bytesOf('spam'));
  assert.deepEqual(decodeText('0:'), bytesOf(''));
  assert.equal(decodeText('i-42e'), -42);
  assert.equal(decodeText('i0e'), 0);
  assert.deepEqual(decodeText('le'), []);
  assert.deepEqual(decodeText('de'), new Map());
  assert.deepEqual(decodeText('d1:ali1e1:xe1:bdee'), new Map(Object.entries({ a: [1, bytesOf('x')], b: new Map() })));
  assert.equal(plain(decode(bytesOf(`${'l'.repeat(100)}${'e'.repeat(100)}`)).value) instanceof Array, true);
});

test('integers beyond 2^53-1 are exact', () => {
  assert.equal(decodeText('i9007199254740991e'), 9007199254740991);
  assert.equal(decodeText('i-9007199254740991e'), -9007199254740991);
  assert.equal(decodeText('i9007199254740992e'), 9007199254740992n);
  assert.equal(decodeText('i9007199254740993e'), 9007199254740993n);
  assert.equal(decodeText('i-9223372036854775808e'), -9223372036854775808n);
  assert.equal(decodeText('i18446744073709551615e'), 18446744073709551615n);
});

test('strings are views of the input, of a slice of pooled memory, too', () => {
  const memory = Buffer.from('xx5:helloyy');
  const { value, end } = decode(memory.subarray(2, 9));
  assert.ok(value instanceof Uint8Array);
  assert.equal(Buffer.from(value).toString(), 'hello');
  assert.equal(value.buffer, memory.buffer);
  assert.equal(end, 7);
});

test('decoding begins at an offset, ends where the value does, and what follows is not looked at', () => {
  assert.deepEqual(decode(bytesOf('d8:msg_typei1eeGARBAGE')).end, 15);
  assert.equal(decode(bytesOf('xxi5exx'), 2).value, 5);
  assert.equal(decode(bytesOf('xxi5exx'), 2).end, 5);
});

test('a dictionary knows its bytes as found', () => {
  const input = bytesOf('d4:infod1:b1:x1:ai1ee1:zi0ee');
  const { value } = decode(input);
  const info = (value as BencodeDictionary).getDictionary('info')!;
  assert.equal(Buffer.from(info.raw).toString(), 'd1:b1:x1:ai1ee');
  assert.equal(info.start, 7);
});

test('keys out of order are found nevertheless, and reported', () => {
  const { value, unsortedAt } = decode(bytesOf('d1:ci3e1:ai1e1:bi2ee'));
  assert.ok(value instanceof BencodeDictionary);
  assert.deepEqual([...value], Object.entries({ a: 1, b: 2, c: 3 }));
  assert.equal(value.get('c'), 3);
  assert.equal(unsortedAt, 7);
  assert.equal(decode(bytesOf('d1:ai1e1:bi2ee')).unsortedAt, -1);
  assert.equal(decode(bytesOf('ld1:bi1e1:ai1eee')).unsortedAt, 8, 'in an inner dictionary');
});

test('no key touches a prototype', () => {
  const dictionary = dictionaryOf('d9:__proto__d1:xi1ee11:constructori1ee');
  assert.equal((dictionary as unknown as { x: unknown }).x, undefined);
  assert.equal(({} as { x: unknown }).x, undefined);
  assert.equal(dictionary.getDictionary('__proto__')?.get('x'), 1);
  assert.equal(dictionary.get('toString'), undefined);
  assert.equal(dictionary.has('constructor'), true);
  assert.equal(dictionary.size, 2);
});

test('keys that are not UTF-8 stay apart from their spelling in hex', () => {
  const dictionary = dictionaryOf('d4:fffei2e2:\xff\xfei1ee');
  assert.equal(dictionary.get('\xff\xfe'), 1);
  assert.equal(dictionary.get('fffe'), 2);
});

test('getters give the value, or undefined for a missing key', () => {
  const dictionary = dictionaryOf('d1:ad1:xi1ee1:bi-5e1:cli1ee1:d5:h\xc3\xa9\xc3\xa9e');
  assert.equal(dictionary.getDictionary('a')?.get('x'), 1);
  assert.equal(dictionary.getInteger('b'), -5);
  assert.deepEqual(dictionary.getList('c'), [1]);
  assert.equal(dictionary.getText('d'), 'héé');
  assert.equal(dictionary.getBytes('d')?.length, 5);
  for (const get of ['getDictionary', 'getInteger', 'getList', 'getText', 'getBytes'] as const) {
    assert.equal(dictionary[get]('none'), undefined);
  }
});

test('a list of strings is given as text, if it is one', () => {
  const dictionary = dictionaryOf('d1:al0:2:xy2:\xc3\xa9e1:bl1:xi1ee1:cl1:x1:\xffe1:d1:x1:ele1:fl1:xleee');
  assert.deepEqual(dictionary.getTexts('a'), ['', 'xy', 'é']);
  assert.deepEqual(dictionary.getTexts('a', ['r'], 'latin1'), ['r', '', 'xy', 'Ã©']);
  assert.deepEqual(dictionary.getTexts('c', [], 'latin1'), ['x', 'ÿ']);
  assert.deepEqual(dictionary.getTexts('e'), []);
  for (const key of ['b', 'c', 'd', 'f', 'none']) assert.equal(dictionary.getTexts(key), undefined);
});

test('a value is given as its bytes', () => {
  const dictionary = dictionaryOf('d1:ai-12e1:b3:xyz1:cli1eee');
  const raw = (key: string): string => Buffer.from(dictionary.getRaw(key)!).toString();
  assert.deepEqual(['a', 'b', 'c'].map(raw), ['i-12e', '3:xyz', 'li1ee']);
  assert.equal(dictionary.getRaw('none'), undefined);
});

test('keys are ordered by their bytes, the shorter first', () => {
  const unsortedAt = (keys: readonly string[]): number =>
    decode(bytesOf(`d${keys.map((key) => `${key.length}:${key}i0e`).join('')}e`)).unsortedAt;
  assert.equal(unsortedAt(['', 'B', 'a', 'aa', 'ab', 'b']), -1);
  for (const keys of [
    ['a', ''],
    ['ab', 'a'],
    ['a', 'B'],
    ['\xff', 'a'],
  ])
    assert.ok(unsortedAt(keys) > 0, keys.join());
  assert.throws(() => unsortedAt(['ab', 'a', 'ab']), /key "ab" twice in the dictionary at byte 0$/);
  assert.throws(() => unsortedAt(['']) + unsortedAt(['', '']), /key "" twice at byte 6$/);
});

test('getters name the key and the offset of a value of another type', () => {
  const dictionary = dictionaryOf('d1:ad1:xi1ee1:bi-5e1:c1:\xff1:di9007199254740993ee');
  const fails = (read: () => unknown, message: string): void => {
    assert.throws(read, { name: 'BencodeError', code: 'ERR_KEY', message });
  };
  fails(() => dictionary.getBytes('a'), '"a" is not a string at byte 4');
  fails(() => dictionary.getList('b'), '"b" is not a list at byte 15');
  fails(() => dictionary.getDictionary('b'), '"b" is not a dictionary at byte 15');
  fails(() => dictionary.getInteger('b', 0), '"b" is less than 0 (-5) at byte 15');
  fails(() => dictionary.getInteger('c'), '"c" is not an integer at byte 22');
  fails(() => dictionary.getText('c'), '"c" is not UTF-8 at byte 22');
  fails(() => dictionary.getInteger('d'), '"d" is out of range (9007199254740993) at byte 28');
  assert.equal(dictionary.wrong('zz', 'is missing').offset, 0);
});

test('more values than any torrent has are refused before they take the memory', () => {
  const before = process.memoryUsage.rss();
  assert.throws(() => decodeAll(bytesOf(`l${'de'.repeat(5_000_000)}e`)), /more than 1000000 values/);
  assert.ok(process.memoryUsage.rss() - before < 300 * 2 ** 20);
});

const byteString = fc.uint8Array({ maxLength: 40 });
const anyValue = fc.letrec<{ value: Encodable }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    byteString,
    fc.maxSafeInteger(),
    fc.array(tie('value'), { maxLength: 5 }),
    fc.dictionary(fc.stringMatching(/^[ -~]{0,30}$/), tie('value'), { maxKeys: 6 }),
  ),
})).value;

/** The decoded form of what was encoded. */
function expected(value: Encodable): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value);
  if (Array.isArray(value)) return (value as Encodable[]).map(expected);
  if (typeof value !== 'object') return value;
  const entries = Object.entries(value).map(([key, item]): [string, unknown] => [key, expected(item as Encodable)]);
  return new Map(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

test('what is encoded is decoded to the same, and encoded again to the same bytes', () => {
  fc.assert(
    fc.property(anyValue, (value) => {
      const bytes = encode(value);
      const decoded = decodeAll(bytes);
      assert.deepEqual(plain(decoded), expected(value));
      assert.deepEqual(encode(decoded as Encodable), bytes);
    }),
  );
});

/** A value decoded by the package, in the form of `plain`; its keys are text. */
function fromPackage(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value);
  if (Array.isArray(value)) return value.map(fromPackage);
  if (typeof value !== 'object' || value === null) return value;
  return new Map(Object.entries(value).map(([key, item]) => [key, fromPackage(item)]));
}

test('on well-formed input we and the bencode package agree', () => {
  fc.assert(
    fc.property(anyValue, (value) => {
      const bytes = encode(value);
      const [ours, theirs] = [plain(decodeAll(bytes)), fromPackage(bencode.decode(Buffer.from(bytes)))];
      assert.deepEqual(ours, theirs);
    }),
  );
});

test('random and damaged bytes give a value or a BencodeError', () => {
  const alphabet = fc.constantFrom(...'deli0123456789:-ax'.split(''));
  const noise = fc.oneof(
    fc.uint8Array({ maxLength: 60 }),
    fc.array(alphabet, { maxLength: 60 }).map((characters) => bytesOf(characters.join(''))),
    fc.tuple(anyValue, fc.nat(), fc.nat(255)).map(([value, at, byte]) => {
      const bytes = Buffer.from(encode(value));
      bytes[at % bytes.length] = byte;
      return bytes;
    }),
  );
  fc.assert(
    fc.property(noise, (bytes) => {
      try {
        const { end, value } = decode(bytes);
        assert.ok(end <= bytes.length);
        if (value instanceof BencodeDictionary) assert.equal(value.raw.length, end);
      } catch (error) {
        assert.ok(error instanceof BencodeError, String(error));
        assert.ok(error.offset >= 0 && error.offset <= bytes.length);
      }
    }),
    { numRuns: 3000 },
  );
});

test('maps, text, views and nested values are encoded with sorted keys', () => {
  const slice = Buffer.from('xxabcxx').subarray(2, 5);
  const value = {
    z: 'é',
    a: new Map<string, Encodable>([
      ['b', 1],
      ['B', 2],
    ]),
    none: undefined,
    l: [slice, 0, -1],
  };
  assert.equal(Buffer.from(encode(value)).toString(), 'd1:ad1:Bi2e1:bi1ee1:ll3:abci0ei-1ee1:z2:ée');
});

test('what the package would mangle is never sent', () => {
  assert.throws(() => encode({ a: 1.5 }), /bug: 1.5 cannot be bencoded/);
  assert.throws(() => encode(2 ** 53), /bug: /);
  assert.throws(() => encode({ ключ: 1 }), /bug: key/);
});
