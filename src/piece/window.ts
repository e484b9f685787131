import type { Bitfield } from '../common/bitfield.js';
import type { Rarity } from './rarity.js';

/** Of so many wanted pieces, at most, the rarest is looked for: a pick costs no more in a large window. */
const MOST_COMPARED = 128;
/** This part of the window comes in order: the output is about to wait for it. */
const URGENT_PART = 16;

/**
 * Where a download that leaves in order may pick: `length` pieces from the first that is not done. Its first sixteenth
 * comes in order, then the rarest first, and the first among equals.
 *
 *     done │ urgent, in order │ rarest first │ not yet
 *          ▲ first                           ▲ first + length
 */
export class PickWindow {
  readonly #length: number;
  readonly #urgent: number;
  readonly #wanted: Bitfield;
  readonly #done: Bitfield;
  readonly #rarity: Rarity;
  #first = 0;

  constructor(length: number, { wanted, done, rarity }: { wanted: Bitfield; done: Bitfield; rarity: Rarity }) {
    this.#length = length;
    this.#urgent = Math.ceil(length / URGENT_PART);
    this.#wanted = wanted;
    this.#done = done;
    this.#rarity = rarity;
  }

  /** A wanted piece out of `have`; -1 when there is none in the window. */
  find(have: Bitfield): number {
    this.#advance();
    const end = Math.min(this.#first + this.#length, this.#done.length);
    let best = -1;
    let least = Infinity;
    let compared = 0;
    for (let at = this.#first >> 3; at * 8 < end && compared < MOST_COMPARED; at++) {
      for (let bits = this.#wanted.bytes[at]! & have.bytes[at]!; bits !== 0;) {
        const bit = Math.clz32(bits) - 24;
        bits &= ~(0x80 >> bit);
        const index = at * 8 + bit;
        if (index >= end) break;
        if (index < this.#first + this.#urgent) return index;
        compared++;
        const availability = this.#rarity.availability(index);
        if (availability >= least) continue;
        least = availability;
        best = index;
      }
    }
    return best;
  }

  /** What is done is left behind, in whole bytes at first: there may be a million pieces. */
  #advance(): void {
    const { bytes, length } = this.#done;
    while (bytes[this.#first >> 3] === 0xff) this.#first = ((this.#first >> 3) + 1) << 3;
    while (this.#first < length && this.#done.has(this.#first)) this.#first++;
  }
}
