import { BencodeError } from './bencode-error.js';
import { TextWindow } from './text-window.js';

/**
 * Where the values of well-formed bencoded bytes begin. A value's place is an index into `marks`, which holds offsets
 * and places, one value behind the other:
 *
 *     string, integer    start
 *     list               start  end  next   and then each item
 *     dictionary         start  end  next   and then each key and its value, as found
 *
 * `end` is the offset behind the value, `next` the place behind its last item. A value takes 4 or 12 bytes here; as an
 * object it would take a hundred, and most files of a torrent are looked at once and never again.
 */
export interface Outline {
  readonly bytes: Buffer;
  readonly marks: Uint32Array;
  readonly texts: TextWindow;
}

/** What a scan finds. */
export interface Scan {
  readonly outline: Outline;
  /** Offset of the first byte behind the value. */
  readonly end: number;
  /** Offset of the first key that is out of order, or -1. */
  readonly unsortedAt: number;
}

/** Lists and dictionaries within each other; real files need five. */
const MOST_DEPTH = 100;
/** Digits of an integer: enough for 64 bits, and no work for a hostile million of them. */
const MOST_DIGITS = 20;
/** Once looked at, a value can take eighty times the memory of its two bytes; a torrent of 100,000 files has 800,000. */
const MOST_VALUES = 1_000_000;
/** Offsets are 32 bits. */
const MOST_BYTES = 2 ** 32 - 1;

const [COLON, MINUS, ZERO, NINE, E] = [0x3a, 0x2d, 0x30, 0x39, 0x65];
export const [D, I, L] = [0x64, 0x69, 0x6c] as const;

/**
 * Checks the value that begins at `start`, to its last byte; what follows it is not looked at.
 * @throws {BencodeError}
 */
export function scan({ buffer, byteOffset, length }: Uint8Array, start: number): Scan {
  if (length > MOST_BYTES) throw new BencodeError('more than 4 GiB', MOST_BYTES);
  const scanner = new Scanner(Buffer.from(buffer, byteOffset, length), start);
  const outline = scanner.run();
  return { outline, end: scanner.at, unsortedAt: scanner.unsortedAt };
}

/** The place behind the value at `place`. */
export function nextPlace({ bytes, marks }: Pick<Outline, 'bytes' | 'marks'>, place: number): number {
  const type = bytes[marks[place]!];
  return type === D || type === L ? marks[place + 2]! : place + 1;
}

/** The offset behind the value at `place`. */
export function endOf({ bytes, marks }: Outline, place: number): number {
  const start = marks[place]!;
  const type = bytes[start];
  if (type === D || type === L) return marks[place + 1]!;
  return type === I ? bytes.indexOf(E, start) + 1 : contentOf(bytes, start) + lengthOf(bytes, start);
}

/** The place of a key's value in the dictionary at `place`; -1 when it has no such key. */
export function findKey(outline: Outline, place: number, key: string): number {
  const { bytes, marks } = outline;
  const next = marks[place + 2]!;
  const digits = key.length < 10 ? 1 : String(key.length).length;
  for (let at = place + 3; at < next; at = nextPlace(outline, at + 1)) {
    const start = marks[at]!;
    if (isText(bytes, start + digits + 1, key) && lengthOf(bytes, start) === key.length) return at + 1;
  }
  return -1;
}

export function isString(bytes: Uint8Array, start: number): boolean {
  return bytes[start]! <= NINE;
}

/** A string's length. */
export function lengthOf(bytes: Uint8Array, start: number): number {
  let length = 0;
  for (let at = start; bytes[at] !== COLON; at++) length = length * 10 + (bytes[at]! - ZERO);
  return length;
}

/** Offset of a string's first byte. */
export function contentOf(bytes: Uint8Array, start: number): number {
  let at = start + 1;
  while (bytes[at] !== COLON) at++;
  return at + 1;
}

/** A string as latin1 text. */
export function latin1Of(bytes: Buffer, start: number): string {
  const from = contentOf(bytes, start);
  return bytes.toString('latin1', from, from + lengthOf(bytes, start));
}

/** An integer; a bigint beyond ±(2^53-1). */
export function integerOf(bytes: Buffer, start: number): number | bigint {
  const isNegative = bytes[start + 1] === MINUS;
  let value = 0;
  let at = isNegative ? start + 2 : start + 1;
  for (; bytes[at] !== E; at++) value = value * 10 + (bytes[at]! - ZERO);
  // Rounding cannot bring a larger integer down to 2^53-1: so what is not larger here is exact.
  if (value <= Number.MAX_SAFE_INTEGER) return isNegative ? -value : value;
  return BigInt(bytes.toString('latin1', start + 1, at));
}

function isText(bytes: Uint8Array, from: number, text: string): boolean {
  for (let at = 0; at < text.length; at++) if (bytes[from + at] !== text.charCodeAt(at)) return false;
  return true;
}

/** What comes next. The end of a list or dictionary may come in place of an item or a key. */
const [VALUE, ITEM, KEY] = [0, 1, 2];

/**
 * Checks one value after the other; `at` is where it stands. Lists and dictionaries do not recur here: small methods in a
 * flat loop are fast sooner, and most torrents are read in the first tenth of a second of a process.
 */
class Scanner {
  at: number;
  unsortedAt = -1;
  readonly #bytes: Buffer;
  #marks = new Uint32Array(64);
  /** How many of them there are. */
  #size = 0;
  #values = 0;
  #next = VALUE;
  #depth = 0;
  /** By depth, of the lists and dictionaries that are open: place, place of the last key or 0, whether keys are unsorted. */
  readonly #open = new Uint32Array(MOST_DEPTH + 1);
  readonly #lastKey = new Uint32Array(MOST_DEPTH + 1);
  readonly #isUnsorted = new Uint8Array(MOST_DEPTH + 1);

  constructor(bytes: Buffer, start: number) {
    this.#bytes = bytes;
    this.at = start;
  }

  run(): Outline {
    const bytes = this.#bytes;
    do {
      const type = bytes[this.at];
      if (type === undefined) throw new BencodeError('it ends too early', this.at);
      if (type === E && this.#next !== VALUE) this.#close();
      else if (this.#next === KEY) this.#key(type);
      else this.#value(type);
    } while (this.#depth > 0);
    return { bytes, marks: this.#marks.slice(0, this.#size), texts: new TextWindow(bytes) };
  }

  #value(type: number): void {
    if (++this.#values > MOST_VALUES) throw new BencodeError(`more than ${MOST_VALUES} values`, this.at);
    if (type === L || type === D) return this.#begin(type);
    this.#mark(this.at);
    if (type >= ZERO && type <= NINE) this.#string();
    else if (type === I) this.#integer();
    else throw new BencodeError(`no value begins with byte 0x${hex(type)}`, this.at);
    if (this.#next === VALUE) this.#next = KEY;
  }

  #begin(type: number): void {
    if (this.#depth >= MOST_DEPTH) throw new BencodeError(`more than ${MOST_DEPTH} levels`, this.at);
    const depth = ++this.#depth;
    this.#open[depth] = this.#size;
    this.#lastKey[depth] = 0;
    this.#isUnsorted[depth] = 0;
    this.#mark(this.at++);
    this.#mark(0);
    this.#mark(0);
    this.#next = type === L ? ITEM : KEY;
  }

  #close(): void {
    const place = this.#open[this.#depth]!;
    this.#marks[place + 1] = ++this.at;
    this.#marks[place + 2] = this.#size;
    if (this.#isUnsorted[this.#depth] === 1) this.#refuseTwice(place);
    this.#depth--;
    const outer = this.#marks[this.#open[this.#depth]!]!;
    this.#next = this.#bytes[outer] === L ? ITEM : KEY;
  }

  #key(type: number): void {
    if (type < ZERO || type > NINE) throw new BencodeError('a key that is not a string', this.at);
    const start = this.at;
    const place = this.#size;
    this.#mark(start);
    this.#string();
    const last = this.#lastKey[this.#depth]!;
    if (last > 0) this.#compare(this.#marks[last]!, start);
    this.#lastKey[this.#depth] = place;
    this.#next = VALUE;
  }

  /** Takes note of a key that does not belong behind the last. */
  #compare(last: number, start: number): void {
    const order = compareStrings(this.#bytes, last, start);
    if (order < 0) return;
    if (order === 0) throw new BencodeError(`key "${shown(latin1Of(this.#bytes, start))}" twice`, start);
    this.#isUnsorted[this.#depth] = 1;
    if (this.unsortedAt < 0) this.unsortedAt = start;
  }

  #mark(offset: number): void {
    if (this.#size === this.#marks.length) {
      const marks = new Uint32Array(2 * this.#size);
      marks.set(this.#marks);
      this.#marks = marks;
    }
    this.#marks[this.#size++] = offset;
  }

  /** Goes behind a string, all of which is there. */
  #string(): void {
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
    if (length > bytes.length - at - 1) throw new BencodeError('a string longer than the input', start);
    this.at = at + 1 + length;
  }

  #integer(): void {
    const bytes = this.#bytes;
    const start = this.at + 1;
    const isNegative = bytes[start] === MINUS;
    const first = isNegative ? start + 1 : start;
    let at = first;
    while (bytes[at]! >= ZERO && bytes[at]! <= NINE) at++;
    const digits = at - first;
    if (digits === 0 || bytes[at] !== E) throw new BencodeError('a malformed integer', start);
    if (digits > MOST_DIGITS) throw new BencodeError(`an integer of ${digits} digits`, start);
    if (bytes[first] === ZERO && isNegative) throw new BencodeError('an integer that begins with -0', start);
    if (bytes[first] === ZERO && digits > 1) throw new BencodeError('an integer with a leading zero', start);
    this.at = at + 1;
  }

  /** Keys that are not sorted can be there twice without being neighbours. */
  #refuseTwice(place: number): void {
    const keys: string[] = [];
    const outline = { bytes: this.#bytes, marks: this.#marks };
    for (let at = place + 3; at < this.#size; at = nextPlace(outline, at + 1)) {
      keys.push(latin1Of(this.#bytes, this.#marks[at]!));
    }
    const again = keys.sort().find((key, n) => n > 0 && keys[n - 1] === key);
    if (again === undefined) return;
    throw new BencodeError(`key "${shown(again)}" twice in the dictionary`, this.#marks[place]!);
  }
}

/** Which of two strings comes first, by their bytes: less than 0 for the first. */
function compareStrings(bytes: Uint8Array, startA: number, startB: number): number {
  let a = contentOf(bytes, startA);
  let b = contentOf(bytes, startB);
  const endA = a + lengthOf(bytes, startA);
  const endB = b + lengthOf(bytes, startB);
  while (a < endA && b < endB && bytes[a] === bytes[b]) {
    a++;
    b++;
  }
  if (a === endA || b === endB) return endA - a - (endB - b);
  return bytes[a]! - bytes[b]!;
}

/** The start of a key, fit for a message. */
function shown(key: string): string {
  return key.slice(0, 40).replace(/[^ -~]/g, (character) => `\\x${hex(character.charCodeAt(0))}`);
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, '0');
}
