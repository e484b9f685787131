/** Damages bytes the way that finds bugs: small edits, lengths and numbers that lie, parts of other inputs. */

/** Whole numbers from 0 to below `below`, repeatable from one seed (mulberry32). */
export type RandomInteger = (below: number) => number;

export function randomFrom(seed: number): RandomInteger {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** Bytes and texts at which parsers turn: lengths, signs, ends, numbers at the borders of types. */
const TOKENS = [
  ...[
    'd',
    'l',
    'i',
    'e',
    ':',
    '0:',
    'de',
    'le',
    'i0e',
    'i-1e',
    'i9007199254740993e',
    '-1:',
    '99999999999:',
    '1:',
    '..',
  ],
  ...['\x00', '\xff', '\x7f', '\x80', '\x00\x00\x00\x00', '\xff\xff\xff\xff', '\x00\x00\x00\x01', '\x00\x02\x00\x00'],
  ...['%', '%00', '&', '=', '\r\n', '\n', '/', '\\', '\u202e', '4:path', '5:files', '6:pieces', '4:name', '6:length'],
].map((token) => Buffer.from(token, 'latin1'));

const MOST_LENGTH = 65_536;

/** One to four damages of one of the seeds. */
export function mutate(seeds: readonly Uint8Array[], random: RandomInteger): Uint8Array {
  let bytes: Uint8Array = seeds[random(seeds.length)]!;
  for (let left = 1 + random(4); left > 0; left--) bytes = damage(bytes, seeds, random);
  return bytes.length > MOST_LENGTH ? bytes.subarray(0, MOST_LENGTH) : bytes;
}

function damage(bytes: Uint8Array, seeds: readonly Uint8Array[], random: RandomInteger): Uint8Array {
  const at = random(bytes.length + 1);
  const length = random(Math.min(24, bytes.length - at + 1));
  switch (random(8)) {
    case 0: // one bit
      return at === bytes.length ? bytes : splice(bytes, at, 1, Buffer.of(bytes[at]! ^ (1 << random(8))));
    case 1: // one byte
      return splice(bytes, at, 1, Buffer.of(random(256)));
    case 2:
      return splice(bytes, at, length, Buffer.alloc(0));
    case 3:
      return splice(bytes, at, length, TOKENS[random(TOKENS.length)]!);
    case 4: // twice
      return splice(bytes, at, 0, bytes.subarray(at, at + length));
    case 5: // cut off
      return bytes.subarray(0, at);
    case 6: {
      const other = seeds[random(seeds.length)]!;
      const from = random(other.length + 1);
      return splice(bytes, at, length, other.subarray(from, from + random(64)));
    }
    default:
      return splice(bytes, at, 0, number(bytes, at, random));
  }
}

/** A number of other size where one stands, in digits; elsewhere some digits. */
function number(bytes: Uint8Array, at: number, random: RandomInteger): Uint8Array {
  const isDigit = bytes[at] !== undefined && bytes[at] >= 0x30 && bytes[at] <= 0x39;
  return Buffer.from(isDigit ? String(random(10)) : String(random(2 ** 31) * random(1000)));
}

function splice(bytes: Uint8Array, at: number, length: number, replacement: Uint8Array): Uint8Array {
  return Buffer.concat([bytes.subarray(0, at), replacement, bytes.subarray(at + length)]);
}
