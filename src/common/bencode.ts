/**
 * Bencoding (BEP 3): a strict decoder for bytes from outside. Strings are views of the input, never copies; lengths are
 * checked before anything is made of them. The `bencode` package encodes what we send.
 */
import bencode from 'bencode';
import { TorrentDlError } from './errors.js';

/** A string, an integer (a bigint beyond 2^53-1), a list or a dictionary. */
export type BencodeValue = Uint8Array | number | bigint | BencodeValue[] | BencodeDictionary;

/** A dictionary: keys are bytes as latin1 text; it knows which bytes of the input it was. */
export class BencodeDictionary extends Map<string, BencodeValue> {
  /** Its bytes as found, for an info hash. */
  raw: Uint8Array = new Uint8Array(0);
  /** Offset of the first key that is out of order (BEP 3 wants them sorted), or -1. */
  unsortedAt = -1;
}

/** The bytes are not bencoded; `offset` says where. */
export class BencodeError extends TorrentDlError {
  readonly offset: number;

  constructor(what: string, offset: number) {
    super('ERR_BENCODE', `${what} at byte ${offset}`);
    this.offset = offset;
  }
}

/** Lists and dictionaries within each other; real files need five. */
const MOST_DEPTH = 100;
/** Digits of an integer: enough for 64 bits, and no work for a hostile million of them. */
const MOST_DIGITS = 20;

const [COLON, MINUS, ZERO, NINE] = [0x3a, 0x2d, 0x30, 0x39];
const [D, E, I, L] = [0x64, 0x65, 0x69, 0x6c];

/**
 * Decodes the value that begins at `start`; `end` is the offset behind it.
 * @throws {BencodeError}
 */
export function decode(bytes: Uint8Array, start = 0): { value: BencodeValue; end: number } {
  const decoder = new Decoder(bytes, start);
  const value = decoder.value(0);
  return { value, end: decoder.at };
}

/** Decodes bytes that must be one value and nothing more. @throws {BencodeError} */
export function decodeAll(bytes: Uint8Array): BencodeValue {
  const { value, end } = decode(bytes);
  if (end < bytes.length) throw new BencodeError('bytes after the end', end);
  return value;
}

/** Numbers (whole), strings, bytes, lists and plain objects or maps to bencoding, keys sorted. */
export function encode(value: unknown): Uint8Array {
  return bencode.encode(value);
}

class Decoder {
  at: number;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array, start: number) {
    this.#bytes = bytes;
    this.at = start;
  }

  value(depth: number): BencodeValue {
    const type = this.#bytes[this.at];
    if (type === undefined) throw new BencodeError('it ends too early', this.at);
    if (type >= ZERO && type <= NINE) return this.#string();
    if (type === I) return this.#integer();
    if (type !== L && type !== D) throw new BencodeError(`no value begins with byte 0x${type.toString(16)}`, this.at);
    if (depth >= MOST_DEPTH) throw new BencodeError(`more than ${MOST_DEPTH} levels`, this.at);
    return type === L ? this.#list(depth + 1) : this.#dictionary(depth + 1);
  }

  #string(): Uint8Array {
    const bytes = this.#bytes;
    const start = this.at;
    let length = 0;
    let at = start;
    for (; bytes[at]! >= ZERO && bytes[at]! <= NINE; at++) {
      length = length * 10 + bytes[at]! - ZERO;
      if (length > bytes.length) throw new BencodeError('a string longer than the input', start);
    }
    if (bytes[at] !== COLON) throw new BencodeError('a string without a colon', at);
    if (bytes[start] === ZERO && at - start > 1) throw new BencodeError('a length with a leading zero', start);
    const end = at + 1 + length;
    if (end > bytes.length) throw new BencodeError('a string longer than the input', start);
    this.at = end;
    return bytes.subarray(at + 1, end);
  }

  #integer(): number | bigint {
    const bytes = this.#bytes;
    const start = ++this.at;
    const isNegative = bytes[start] === MINUS;
    let at = isNegative ? start + 1 : start;
    const first = at;
    let value = 0;
    for (; bytes[at]! >= ZERO && bytes[at]! <= NINE; at++) value = value * 10 + bytes[at]! - ZERO;
    const digits = at - first;
    if (digits === 0 || bytes[at] !== E) throw new BencodeError('a malformed integer', start);
    if (digits > MOST_DIGITS) throw new BencodeError(`an integer of ${digits} digits`, start);
    if (bytes[first] === ZERO && (digits > 1 || isNegative))
      throw new BencodeError('an integer with a leading zero', start);
    this.at = at + 1;
    if (value <= Number.MAX_SAFE_INTEGER) return isNegative ? -value : value;
    return BigInt(latin1(bytes, start, at));
  }

  #list(depth: number): BencodeValue[] {
    this.at++;
    const list: BencodeValue[] = [];
    while (this.#bytes[this.at] !== E) list.push(this.value(depth));
    this.at++;
    return list;
  }

  #dictionary(depth: number): BencodeDictionary {
    const start = this.at++;
    const dictionary = new BencodeDictionary();
    let last = '';
    while (this.#bytes[this.at] !== E) {
      const keyAt = this.at;
      const type = this.#bytes[keyAt];
      if (type === undefined) throw new BencodeError('it ends too early', keyAt);
      if (type < ZERO || type > NINE) throw new BencodeError('a key that is not a string', keyAt);
      const bytes = this.#string();
      const key = latin1(bytes, 0, bytes.length);
      if (key <= last && dictionary.size > 0) {
        if (dictionary.has(key)) throw new BencodeError('a key twice', keyAt);
        if (dictionary.unsortedAt < 0) dictionary.unsortedAt = keyAt;
      }
      last = key;
      dictionary.set(key, this.value(depth));
    }
    this.at++;
    dictionary.raw = this.#bytes.subarray(start, this.at);
    return dictionary;
  }
}

function latin1(bytes: Uint8Array, from: number, to: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from).toString('latin1');
}
