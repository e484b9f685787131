import type { Bitfield } from '../common/bitfield.js';

/** `findRarest` and `findAny` found none among the pieces that they may look at, but there may be one. */
export const GAVE_UP = -2;
/** Pieces looked at in one run: enough for a peer that has a tenth of it. And in all runs together. */
const MOST_TRIES_IN_RUN = 24;
const MOST_TRIES = 256;

/**
 * How many peers have each piece, and the listed pieces sorted by it, so that the rarest is found at once. A piece that
 * gains or loses a peer changes places with one at the border of its run, which costs the same for any number of pieces:
 *
 *   order │ 7 2 9 │ 4 │ 0 8 3 5 │          positions 0 … size-1
 *   have  │   3   │ 2 │    1    │ (0: none)
 *         └ from[3] └ from[2]   └ size
 *                     └── from[1]
 *
 * Rarest last, for that is where pieces are taken out: only the runs behind the piece have to move up.
 */
export class Rarity {
  readonly #availability: Uint16Array;
  /** How many pieces, listed or not, have each availability. */
  #pieces = new Int32Array(16);
  readonly #order: Int32Array;
  /** Where a piece stands in `order`, or -1 when it is not listed. */
  readonly #position: Int32Array;
  /** Where the run of each availability begins; below `#lowest` all runs are empty and this is not kept. */
  #from = new Int32Array(16);
  #lowest = 0;
  #size: number;

  /** All pieces are listed, and nobody has any. */
  constructor(pieceCount: number) {
    this.#availability = new Uint16Array(pieceCount);
    this.#pieces[0] = pieceCount;
    this.#order = Int32Array.from({ length: pieceCount }, (_, index) => index);
    this.#position = this.#order.slice();
    this.#size = pieceCount;
  }

  /** How many pieces are listed. */
  get size(): number {
    return this.#size;
  }

  has(index: number): boolean {
    return this.#position[index]! >= 0;
  }

  availability(index: number): number {
    return this.#availability[index]!;
  }

  /** The least availability of any piece, listed or not, and how many pieces have more than that. */
  least(): { availability: number; above: number } {
    let least = 0;
    while (this.#pieces[least] === 0 && least + 1 < this.#pieces.length) least++;
    return { availability: least, above: this.#availability.length - this.#pieces[least]! };
  }

  /** One more peer has the piece. */
  raise(index: number): void {
    const availability = this.#availability[index]!;
    if (availability + 1 === this.#from.length) this.#grow();
    this.#availability[index] = availability + 1;
    this.#pieces[availability]!--;
    this.#pieces[availability + 1]!++;
    if (this.#position[index]! < 0) return;
    this.#place(this.#order[this.#from[availability]!]!, this.#position[index]!);
    this.#place(index, this.#from[availability]!++);
  }

  /** One peer less has the piece. */
  lower(index: number): void {
    const availability = this.#availability[index]!;
    this.#availability[index] = availability - 1;
    this.#pieces[availability]!--;
    this.#pieces[availability - 1]!++;
    if (this.#position[index]! < 0) return;
    this.#reach(availability - 1);
    const last = --this.#from[availability - 1]!;
    this.#place(this.#order[last]!, this.#position[index]!);
    this.#place(index, last);
  }

  /** Lists a piece that is not listed. */
  insert(index: number): void {
    const availability = this.#availability[index]!;
    this.#reach(availability);
    let gap = this.#size++;
    for (let rarer = this.#lowest; rarer < availability; rarer++) {
      const first = this.#from[rarer]!++;
      if (first === gap) continue;
      this.#place(this.#order[first]!, gap);
      gap = first;
    }
    this.#place(index, gap);
  }

  /** Takes a listed piece off the list. */
  remove(index: number): void {
    let gap = this.#position[index]!;
    for (let at = this.#availability[index]!; at >= this.#lowest; at--) {
      const last = (at === this.#lowest ? this.#size : this.#from[at - 1]!) - 1;
      if (last !== gap) this.#place(this.#order[last]!, gap);
      gap = last;
      if (at > this.#lowest) this.#from[at - 1]!--;
    }
    this.#size--;
    this.#position[index] = -1;
    while (this.#lowest + 1 < this.#from.length && this.#from[this.#lowest] === this.#size) this.#lowest++;
  }

  /**
   * A listed piece out of `have`, at random among the rarest; -1 when there is none, or `GAVE_UP`. Of a long run only a
   * part is looked at, so a peer that has little of it may be given a piece of the next run.
   */
  findRarest(have: Bitfield, random: () => number): number {
    let tries = MOST_TRIES;
    let isWhole = true;
    for (let end = this.#size; end > 0 && tries > 0;) {
      const from = this.#from[this.#availability[this.#order[end - 1]!]!]!;
      const most = Math.min(tries, MOST_TRIES_IN_RUN);
      const index = this.#find(have, from, end, random, most);
      if (index >= 0) return index;
      if (index === GAVE_UP) isWhole = false;
      tries -= Math.min(most, end - from);
      end = from;
      if (tries === 0 && end > 0) isWhole = false;
    }
    return isWhole ? -1 : GAVE_UP;
  }

  /** A listed piece out of `have`, at random; -1 when there is none, or `GAVE_UP`. */
  findAny(have: Bitfield, random: () => number): number {
    return this.#find(have, 0, this.#size, random, MOST_TRIES);
  }

  /** Looks through part of the order, all around from a random place. */
  #find(have: Bitfield, from: number, end: number, random: () => number, mostTries: number): number {
    const length = end - from;
    if (length === 0) return -1;
    let at = from + Math.floor(random() * length);
    for (let tries = Math.min(length, mostTries); tries > 0; tries--) {
      const index = this.#order[at]!;
      if (have.has(index)) return index;
      if (++at === end) at = from;
    }
    return length > mostTries ? GAVE_UP : -1;
  }

  #place(index: number, position: number): void {
    this.#order[position] = index;
    this.#position[index] = position;
  }

  /** Keeps the runs from `availability` on. */
  #reach(availability: number): void {
    while (this.#lowest > availability) this.#from[--this.#lowest] = this.#size;
  }

  #grow(): void {
    const from = new Int32Array(this.#from.length * 2);
    from.set(this.#from);
    this.#from = from;
    const pieces = new Int32Array(from.length);
    pieces.set(this.#pieces);
    this.#pieces = pieces;
  }
}
