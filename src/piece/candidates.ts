import type { Bitfield } from '../common/bitfield.js';

/** So many wanted pieces are found before reading stops (and the rest of their last byte). */
const ENOUGH = 16;
/** With so many listed, a piece more makes its byte be read again instead. */
const MOST_LISTED = 64;

/**
 * Some of the wanted pieces that one peer has, found by reading its bitfield. Each byte is read once, for wanted pieces
 * only get fewer; what may turn up again behind the reader is told: `onHave` and `restart`.
 */
export class Candidates {
  readonly #have: Bitfield;
  readonly #wanted: Bitfield;
  /** Reading begins at this byte and goes all around. */
  readonly #origin: number;
  readonly #list: number[] = [];
  /** Bytes read: no wanted piece in them but those listed. */
  #read = 0;
  /** How many pieces the peer had; when that has changed unheard, reading begins anew. */
  #count: number;

  constructor(have: Bitfield, wanted: Bitfield, origin: number) {
    this.#have = have;
    this.#wanted = wanted;
    this.#origin = origin;
    this.#count = have.count;
  }

  /** Wanted pieces of the peer, 16 if it has so many. Nothing is wanted in the first `skip` bytes (origin 0 only). */
  find(skip = 0): readonly number[] {
    if (this.#count !== this.#have.count) this.restart();
    this.#dropTaken();
    const length = this.#have.bytes.length;
    this.#read = Math.max(this.#read, skip);
    while (this.#list.length < ENOUGH && this.#read < length) {
      const at = this.#read + this.#origin;
      this.#readByte(at < length ? at : at - length);
      this.#read++;
    }
    return this.#list;
  }

  /** The peer's bitfield has one piece more. */
  onHave(index: number): void {
    if (this.#count + 1 !== this.#have.count) return;
    this.#count++;
    const after = (index >> 3) - this.#origin;
    const place = after < 0 ? after + this.#have.bytes.length : after;
    if (place >= this.#read) return;
    if (this.#list.length < MOST_LISTED) this.#list.push(index);
    else this.#read = place;
  }

  /** A piece is wanted again, or the bitfield has changed: nothing is known any more. */
  restart(): void {
    this.#list.length = 0;
    this.#read = 0;
    this.#count = this.#have.count;
  }

  #dropTaken(): void {
    let kept = 0;
    for (const index of this.#list) if (this.#wanted.has(index)) this.#list[kept++] = index;
    this.#list.length = kept;
  }

  #readByte(at: number): void {
    let bits = this.#have.bytes[at]! & this.#wanted.bytes[at]!;
    while (bits !== 0) {
      const bit = Math.clz32(bits) - 24;
      this.#list.push(at * 8 + bit);
      bits &= ~(0x80 >> bit);
    }
  }
}
