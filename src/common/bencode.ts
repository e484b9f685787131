/**
 * Bencoding (BEP 3): a strict decoder for bytes from outside. Strings are views of the input, never copies; lengths are
 * checked before anything is made of them. The `bencode` package encodes what we send.
 */
import bencode from 'bencode';
import { bug, TorrentDlError } from './errors.js';
import { decodeUtf8 } from './text.js';

/** A string, an integer (a bigint beyond ±(2^53-1)), a list or a dictionary. */
export type BencodeValue = Uint8Array | number | bigint | BencodeValue[] | BencodeDictionary;

/** What can be encoded. Keys are ASCII, integers within ±(2^53-1), text becomes UTF-8; undefined entries are left out. */
export type Encodable =
  | Uint8Array
  | string
  | number
  | readonly Encodable[]
  | ReadonlyMap<string, Encodable>
  | BencodeDictionary
  | { readonly [key: string]: Encodable | undefined };

/** A value, and what is to be known of its bytes. */
export interface Decoded {
  readonly value: BencodeValue;
  /** Offset of the first byte behind the value. */
  readonly end: number;
  /** Offset of the first key that is out of order (BEP 3 wants them sorted), or -1. */
  readonly unsortedAt: number;
}

/** The bytes are not bencoded, or not what was expected there; `offset` says where. */
export class BencodeError extends TorrentDlError {
  readonly offset: number;

  /** `code` is `ERR_BENCODE` for bytes that are not bencoded, `ERR_KEY` for a key whose value is not what it should be. */
  constructor(what: string, offset: number, code: 'ERR_BENCODE' | 'ERR_KEY' = 'ERR_BENCODE') {
    super(code, `${what} at byte ${offset}`);
    this.offset = offset;
  }
}

/** Lists and dictionaries within each other; real files need five. */
const MOST_DEPTH = 100;
/** Digits of an integer: enough for 64 bits, and no work for a hostile million of them. */
const MOST_DIGITS = 20;
/** A value can take eighty times the memory of its two bytes; a torrent of 100,000 files has 800,000 at most. */
const MOST_VALUES = 1_000_000;

const [COLON, MINUS, ZERO, NINE] = [0x3a, 0x2d, 0x30, 0x39];
const [D, E, I, L] = [0x64, 0x65, 0x69, 0x6c];

/**
 * Decodes the value that begins at `start`; what follows it is not looked at.
 * @throws {BencodeError}
 */
export function decode(bytes: Uint8Array, start = 0): Decoded {
  const decoder = new Decoder(bytes, start);
  const value = decoder.value(0);
  return { value, end: decoder.at, unsortedAt: decoder.unsortedAt };
}

/** Decodes bytes that must be one value and nothing more. @throws {BencodeError} */
export function decodeAll(bytes: Uint8Array): BencodeValue {
  const { value, end } = decode(bytes);
  if (end < bytes.length) throw new BencodeError('bytes after the end', end);
  return value;
}

/** Bencodes what we made ourselves, keys sorted. */
export function encode(value: Encodable): Uint8Array {
  return bencode.encode(forPackage(value));
}

/**
 * A dictionary: keys are bytes as latin1 text, in order of their bytes. It knows which bytes of the input it was. The
 * getters give undefined for a missing key and throw when the value is of another type.
 */
export class BencodeDictionary implements Iterable<[string, BencodeValue]> {
  /** Where it begins in the input. */
  readonly start: number;
  readonly #input: Uint8Array;
  readonly #end: number;
  /** Key, value, key, value …: half the memory of a Map, and files have many small dictionaries. */
  readonly #entries: readonly (string | BencodeValue)[];

  constructor(input: Uint8Array, start: number, end: number, entries: readonly (string | BencodeValue)[]) {
    this.#input = input;
    this.start = start;
    this.#end = end;
    this.#entries = entries;
  }

  get size(): number {
    return this.#entries.length / 2;
  }

  /** Its bytes as found, for an info hash. */
  get raw(): Uint8Array {
    return this.#input.subarray(this.start, this.#end);
  }

  get(key: string): BencodeValue | undefined {
    let low = 0;
    let high = this.#entries.length / 2 - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const found = this.#entries[2 * middle]!;
      if (found === key) return this.#entries[2 * middle + 1] as BencodeValue;
      if (found < key) low = middle + 1;
      else high = middle - 1;
    }
    return undefined;
  }

  has(key: string): boolean {
    return this.get(key) !== undefined;
  }

  *[Symbol.iterator](): IterableIterator<[string, BencodeValue]> {
    for (let at = 0; at < this.#entries.length; at += 2) {
      yield [this.#entries[at] as string, this.#entries[at + 1] as BencodeValue];
    }
  }

  /** @throws {BencodeError} */
  getBytes(key: string): Uint8Array | undefined {
    const value = this.get(key);
    if (value === undefined || value instanceof Uint8Array) return value;
    throw this.wrong(key, 'is not a string');
  }

  /** A string that must be UTF-8. @throws {BencodeError} */
  getText(key: string): string | undefined {
    const bytes = this.getBytes(key);
    if (!bytes) return undefined;
    const text = decodeUtf8(bytes);
    if (text === undefined) throw this.wrong(key, 'is not UTF-8');
    return text;
  }

  /** @throws {BencodeError} also when it is less than `least` or beyond ±(2^53-1) */
  getInteger(key: string, least = -Infinity): number | undefined {
    const value = this.get(key);
    if (value === undefined) return undefined;
    if (typeof value === 'bigint') throw this.wrong(key, `is out of range (${value})`);
    if (typeof value !== 'number') throw this.wrong(key, 'is not an integer');
    if (value < least) throw this.wrong(key, `is less than ${least} (${value})`);
    return value;
  }

  /** @throws {BencodeError} */
  getList(key: string): readonly BencodeValue[] | undefined {
    const value = this.get(key);
    if (value === undefined || Array.isArray(value)) return value;
    throw this.wrong(key, 'is not a list');
  }

  /** @throws {BencodeError} */
  getDictionary(key: string): BencodeDictionary | undefined {
    const value = this.get(key);
    if (value === undefined || value instanceof BencodeDictionary) return value;
    throw this.wrong(key, 'is not a dictionary');
  }

  /** An error about a key's value; it names both the key and the offset. */
  wrong(key: string, what: string): BencodeError {
    return new BencodeError(`"${key}" ${what}`, this.#offsetOf(key), 'ERR_KEY');
  }

  /** Where a key's value begins; where the dictionary does, if it has no such key. Walks through its bytes again. */
  #offsetOf(key: string): number {
    if (!this.has(key)) return this.start;
    const decoder = new Decoder(this.#input, this.start + 1);
    while (decoder.key() !== key) decoder.value(0);
    return decoder.at;
  }
}

/** Reads one value after the other; `at` is where it stands. */
class Decoder {
  at: number;
  unsortedAt = -1;
  readonly #bytes: Uint8Array;
  /** Parts of the lists and dictionaries that are still open: they become arrays once their length is known. */
  readonly #parts: (string | BencodeValue)[] = [];
  #top = 0;
  #values = 0;

  constructor({ buffer, byteOffset, length }: Uint8Array, start: number) {
    this.#bytes = new Uint8Array(buffer, byteOffset, length); // never a Buffer: its views are slower to make
    this.at = start;
  }

  value(depth: number): BencodeValue {
    const type = this.#bytes[this.at];
    if (type === undefined) throw new BencodeError('it ends too early', this.at);
    if (++this.#values > MOST_VALUES) throw new BencodeError(`more than ${MOST_VALUES} values`, this.at);
    if (type >= ZERO && type <= NINE) return this.#string();
    if (type === I) return this.#integer();
    if (type !== L && type !== D) throw new BencodeError(`no value begins with byte 0x${hex(type)}`, this.at);
    if (depth >= MOST_DEPTH) throw new BencodeError(`more than ${MOST_DEPTH} levels`, this.at);
    return type === L ? this.#list(depth + 1) : this.#dictionary(depth + 1);
  }

  /** A dictionary's key. */
  key(): string {
    const type = this.#bytes[this.at];
    if (type === undefined) throw new BencodeError('it ends too early', this.at);
    if (type < ZERO || type > NINE) throw new BencodeError('a key that is not a string', this.at);
    const length = this.#length();
    const from = this.at;
    this.at += length;
    return knownText(this.#bytes, from, length);
  }

  #string(): Uint8Array {
    const length = this.#length();
    const from = this.at;
    this.at += length;
    return new Uint8Array(this.#bytes.buffer, this.#bytes.byteOffset + from, length);
  }

  /** A string's length; `at` is then its first byte, and all of it is there. */
  #length(): number {
    const bytes = this.#bytes;
    const start = this.at;
    let length = 0;
    let at = start;
    for (; bytes[at]! >= ZERO && bytes[at]! <= NINE; at++) {
      length = length * 10 + (bytes[at]! - ZERO);
      if (length > bytes.length) throw new BencodeError('a string longer than the input', start);
    }
    if (at === bytes.length) throw new BencodeError('it ends too early', at);
    if (bytes[at] !== COLON) throw new BencodeError('a string without a colon', at);
    if (bytes[start] === ZERO && at - start > 1) throw new BencodeError('a length with a leading zero', start);
    this.at = at + 1;
    if (length > bytes.length - this.at) throw new BencodeError('a string longer than the input', start);
    return length;
  }

  #integer(): number | bigint {
    const bytes = this.#bytes;
    const start = ++this.at;
    const isNegative = bytes[start] === MINUS;
    const first = isNegative ? start + 1 : start;
    let value = 0;
    let at = first;
    for (; bytes[at]! >= ZERO && bytes[at]! <= NINE; at++) value = value * 10 + (bytes[at]! - ZERO);
    const digits = at - first;
    if (digits === 0 || bytes[at] !== E) throw new BencodeError('a malformed integer', start);
    if (digits > MOST_DIGITS) throw new BencodeError(`an integer of ${digits} digits`, start);
    if (bytes[first] === ZERO && isNegative) throw new BencodeError('an integer that begins with -0', start);
    if (bytes[first] === ZERO && digits > 1) throw new BencodeError('an integer with a leading zero', start);
    this.at = at + 1;
    // Rounding cannot bring a larger integer down to 2^53-1: so what is not larger here is exact.
    if (value <= Number.MAX_SAFE_INTEGER) return isNegative ? -value : value;
    return BigInt(latin1(bytes, start, at - start));
  }

  #list(depth: number): BencodeValue[] {
    const base = this.#top;
    this.at++;
    while (this.#bytes[this.at] !== E) {
      const value = this.value(depth);
      this.#parts[this.#top++] = value;
    }
    this.at++;
    return this.#take(base) as BencodeValue[];
  }

  #dictionary(depth: number): BencodeDictionary {
    const base = this.#top;
    const start = this.at++;
    let last: string | undefined;
    let isSorted = true;
    while (this.#bytes[this.at] !== E) {
      const keyAt = this.at;
      const key = this.key();
      if (last !== undefined && key <= last) {
        if (key === last) throw new BencodeError(`key "${shown(key)}" twice`, keyAt);
        isSorted = false;
        if (this.unsortedAt < 0) this.unsortedAt = keyAt;
      }
      last = key;
      this.#parts[this.#top++] = key;
      const value = this.value(depth);
      this.#parts[this.#top++] = value;
    }
    this.at++;
    const entries = this.#take(base);
    return new BencodeDictionary(this.#bytes, start, this.at, isSorted ? entries : sortEntries(entries, start));
  }

  #take(base: number): (string | BencodeValue)[] {
    const parts = this.#parts.slice(base, this.#top);
    this.#top = base;
    return parts;
  }
}

/** @throws {BencodeError} when a key is there twice */
function sortEntries(entries: readonly (string | BencodeValue)[], start: number): (string | BencodeValue)[] {
  const keys = entries.filter((_, at) => at % 2 === 0) as string[];
  const order = [...keys.keys()].sort((a, b) => (keys[a]! < keys[b]! ? -1 : 1));
  const again = order.find((at, n) => n > 0 && keys[order[n - 1]!] === keys[at]);
  if (again !== undefined) throw new BencodeError(`key "${shown(keys[again]!)}" twice in the dictionary`, start);
  return order.flatMap((at) => [entries[2 * at]!, entries[2 * at + 1]!]);
}

/** Keys seen lately: files repeat the same few, and to compare bytes is faster than to make a string. */
const KNOWN_TEXTS = Array.from({ length: 256 }, () => '');

function knownText(bytes: Uint8Array, from: number, length: number): string {
  if (length === 0 || length > 24) return latin1(bytes, from, length);
  const place = (length * 31 + bytes[from]! * 7 + bytes[from + length - 1]!) & 255;
  const known = KNOWN_TEXTS[place]!;
  let same = known.length === length ? 0 : -1;
  while (same >= 0 && same < length) same = known.charCodeAt(same) === bytes[from + same] ? same + 1 : -1;
  return same === length ? known : (KNOWN_TEXTS[place] = latin1(bytes, from, length));
}

function latin1(bytes: Uint8Array, from: number, length: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + from, length).toString('latin1');
}

/** The start of a key, fit for a message. */
function shown(key: string): string {
  return key.slice(0, 40).replace(/[^ -~]/g, (character) => `\\x${hex(character.charCodeAt(0))}`);
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, '0');
}

/** The package drops bigints, rounds what is not whole, and sorts keys beyond ASCII wrongly: none of it reaches it. */
function forPackage(value: Encodable): unknown {
  if (typeof value === 'number' && !Number.isSafeInteger(value)) bug(`${value} cannot be bencoded`);
  if (typeof value !== 'object' || value instanceof Uint8Array) return value;
  if (Array.isArray(value)) return (value as readonly Encodable[]).map(forPackage);
  const entries = value instanceof Map || value instanceof BencodeDictionary ? [...value] : Object.entries(value);
  return new Map(
    (entries as [string, Encodable | undefined][])
      .filter(([, item]) => item !== undefined)
      .map(([key, item]) => {
        if (/[^\0-\x7f]/.test(key)) bug(`key "${key}" is not ASCII`);
        return [key, forPackage(item!)];
      }),
  );
}
