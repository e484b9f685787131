/**
 * Bencoding (BEP 3): a strict decoder for bytes from outside. They are checked whole at once; values are made of them when
 * they are asked for, so what nobody asks for costs little. Strings are views of the input, never copies: leave it as it
 * is. The `bencode` package encodes what we send.
 */
import bencode from 'bencode';
import { BencodeError } from './bencode-error.js';
import {
  contentOf,
  D,
  endOf,
  findKey,
  I,
  integerOf,
  isString,
  L,
  latin1Of,
  lengthOf,
  nextPlace,
} from './bencode-outline.js';
import { scan, type Outline } from './bencode-outline.js';
import { bug } from './errors.js';
import { decodeUtf8, quote } from './text.js';

export { BencodeError };

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

/**
 * Decodes the value that begins at `start`; what follows it is not looked at.
 * @throws {BencodeError}
 */
export function decode(bytes: Uint8Array, start = 0): Decoded {
  const { outline, end, unsortedAt } = scan(bytes, start);
  return { value: valueAt(outline, 0), end, unsortedAt };
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
 * getters give undefined for a missing key and throw when the value is of another type. Each makes its value anew.
 */
export class BencodeDictionary implements Iterable<[string, BencodeValue]> {
  readonly #outline: Outline;
  readonly #place: number;

  /** The dictionary at a place of an outline. */
  constructor(outline: Outline, place: number) {
    this.#outline = outline;
    this.#place = place;
  }

  /** Where it begins in the input. */
  get start(): number {
    return this.#outline.marks[this.#place]!;
  }

  get size(): number {
    return this.#entries().length;
  }

  /** Its bytes as found, for an info hash. */
  get raw(): Uint8Array {
    return viewOf(this.#outline.bytes, this.start, endOf(this.#outline, this.#place));
  }

  get(key: string): BencodeValue | undefined {
    const place = this.#find(key);
    return place < 0 ? undefined : valueAt(this.#outline, place);
  }

  has(key: string): boolean {
    return this.#find(key) >= 0;
  }

  *[Symbol.iterator](): IterableIterator<[string, BencodeValue]> {
    for (const { key, place } of this.#entries()) yield [key, valueAt(this.#outline, place)];
  }

  /** The bytes of a value as found, a view of the input. */
  getRaw(key: string): Uint8Array | undefined {
    const place = this.#find(key);
    if (place < 0) return undefined;
    const { bytes, marks } = this.#outline;
    return viewOf(bytes, marks[place]!, endOf(this.#outline, place));
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

  /**
   * A list of strings as text, behind `before`; undefined also when it is another value, or one of its strings is not in
   * the encoding.
   */
  getTexts(key: string, before: readonly string[] = [], encoding: 'utf8' | 'latin1' = 'utf8'): string[] | undefined {
    const place = this.#find(key);
    const { bytes, marks, texts } = this.#outline;
    if (place < 0 || bytes[marks[place]!] !== L) return undefined;
    const first = place + 3;
    const found = new Array<string>(before.length + marks[place + 2]! - first); // a string has one mark
    for (let at = 0; at < before.length; at++) found[at] = before[at]!;
    for (let at = before.length; at < found.length; at++) {
      const start = marks[first + at - before.length]!;
      if (!isString(bytes, start)) return undefined;
      const from = contentOf(bytes, start);
      const end = from + lengthOf(bytes, start);
      const text = encoding === 'utf8' ? texts.textOf(from, end) : bytes.toString('latin1', from, end);
      if (text === undefined) return undefined;
      found[at] = text;
    }
    return found;
  }

  /** An error about a key's value; it names both the key and the offset. */
  wrong(key: string, what: string): BencodeError {
    const place = this.#find(key);
    const offset = place < 0 ? this.start : this.#outline.marks[place]!;
    const bytes = Buffer.from(key, 'latin1'); // as keys are kept
    return new BencodeError(`${quote(decodeUtf8(bytes) ?? key)} ${what}`, offset, 'ERR_KEY');
  }

  #find(key: string): number {
    return findKey(this.#outline, this.#place, key);
  }

  /** Keys in order, and the places of their values. */
  #entries(): { key: string; place: number }[] {
    const { bytes, marks } = this.#outline;
    const entries: { key: string; place: number }[] = [];
    const next = marks[this.#place + 2]!;
    let isSorted = true;
    for (let at = this.#place + 3; at < next; at = nextPlace(this.#outline, at + 1)) {
      const key = latin1Of(bytes, marks[at]!);
      isSorted &&= entries.length === 0 || entries[entries.length - 1]!.key < key;
      entries.push({ key, place: at + 1 });
    }
    return isSorted ? entries : entries.sort((a, b) => (a.key < b.key ? -1 : 1));
  }
}

function valueAt(outline: Outline, place: number): BencodeValue {
  const { bytes, marks } = outline;
  const start = marks[place]!;
  const type = bytes[start];
  if (type === D) return new BencodeDictionary(outline, place);
  if (type === I) return integerOf(bytes, start);
  if (type === L) return itemsOf(outline, place);
  const from = contentOf(bytes, start);
  return viewOf(bytes, from, from + lengthOf(bytes, start));
}

function itemsOf(outline: Outline, place: number): BencodeValue[] {
  const items: BencodeValue[] = [];
  const next = outline.marks[place + 2]!;
  for (let at = place + 3; at < next; at = nextPlace(outline, at)) items.push(valueAt(outline, at));
  return items;
}

/** Never a Buffer: its views are slower to make. */
function viewOf({ buffer, byteOffset }: Buffer, from: number, end: number): Uint8Array {
  return new Uint8Array(buffer, byteOffset + from, end - from);
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
