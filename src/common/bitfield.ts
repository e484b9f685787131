/**
 * A set of piece indexes in the wire's layout (BEP 3): index 0 is the high bit of byte 0, spare bits are zero.
 * Counts its members as they change, so `count` costs nothing.
 */
export class Bitfield {
  readonly bytes: Uint8Array;
  readonly length: number;
  #count = 0;

  constructor(length: number, bytes?: Uint8Array) {
    this.length = length;
    this.bytes = new Uint8Array(Math.ceil(length / 8));
    if (bytes) this.load(bytes);
  }

  /** Whether `bytes` is a bitfield for `length` pieces: the right size and no spare bit set. */
  static isValid(bytes: Uint8Array, length: number): boolean {
    if (bytes.length !== Math.ceil(length / 8)) return false;
    const spare = bytes.length * 8 - length;
    return spare === 0 || (bytes[bytes.length - 1]! & ((1 << spare) - 1)) === 0;
  }

  get count(): number {
    return this.#count;
  }

  get isFull(): boolean {
    return this.#count === this.length;
  }

  has(index: number): boolean {
    return (this.bytes[index >> 3]! & (0x80 >> (index & 7))) !== 0;
  }

  /** Adds `index`; says whether it was new. */
  add(index: number): boolean {
    const bit = 0x80 >> (index & 7);
    const byte = this.bytes[index >> 3]!;
    if (byte & bit) return false;
    this.bytes[index >> 3] = byte | bit;
    this.#count++;
    return true;
  }

  /** Takes `index` out; says whether it was in. */
  delete(index: number): boolean {
    const bit = 0x80 >> (index & 7);
    const byte = this.bytes[index >> 3]!;
    if (!(byte & bit)) return false;
    this.bytes[index >> 3] = byte & ~bit;
    this.#count--;
    return true;
  }

  fill(): void {
    this.bytes.fill(0xff);
    const spare = this.bytes.length * 8 - this.length;
    if (spare) this.bytes[this.bytes.length - 1] = 0xff & ~((1 << spare) - 1);
    this.#count = this.length;
  }

  /** Becomes what `bytes` says; spare bits are dropped. */
  load(bytes: Uint8Array): void {
    this.bytes.set(bytes.subarray(0, this.bytes.length));
    const spare = this.bytes.length * 8 - this.length;
    if (spare) this.bytes[this.bytes.length - 1]! &= 0xff & ~((1 << spare) - 1);
    this.#count = 0;
    for (let byte of this.bytes) for (; byte; byte &= byte - 1) this.#count++;
  }

  /** How many indexes are in here and not in `other`. */
  countWithout(other: Bitfield): number {
    let count = 0;
    for (let at = 0; at < this.bytes.length; at++) {
      for (let byte = this.bytes[at]! & ~other.bytes[at]!; byte; byte &= byte - 1) count++;
    }
    return count;
  }
}
