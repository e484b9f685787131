import { Bitfield } from '../common/bitfield.js';
import { GAVE_UP, Rarity } from './rarity.js';

/**
 * So many pieces are picked at random before the rarest come first: a piece from anyone, soon, is something to trade,
 * and a rare one comes slowly.
 */
const RANDOM_UNTIL_DONE = 4;
/** Pieces looked at in order of rarity for a peer that has few of them, before its own bitfield is read instead. */
const MOST_TRIES = 256;
/** Of so many pieces found there the rarest is taken. */
const SAMPLE = 16;

/** What is known of a peer's bitfield: in the first bytes from `origin` on, all around, it has nothing that is wanted. */
interface PeerNote {
  /** It had every piece when it was added, so it counts as a seed until it leaves. */
  readonly isSeed: boolean;
  readonly origin: number;
  emptyBytes: number;
  /** The note holds while the peer has as many pieces as then, and no piece became wanted again. */
  count: number;
  releases: number;
}

/**
 * Which piece to start next: the rarest that a peer has, at random among equals; or the first one, when sequential.
 * A pick takes as long with a million pieces as with a thousand, except that what is known of a peer that has next to
 * nothing of use is found by reading its bitfield, once.
 *
 *   wanted ──take, pick──► taken ──markDone──► done
 *      ▲                     │
 *      └──────release────────┘
 */
export class PiecePicker {
  readonly #rarity: Rarity;
  readonly #wanted: Bitfield;
  readonly #done: Bitfield;
  readonly #isSequential: boolean;
  readonly #random: () => number;
  readonly #peers = new Map<Bitfield, PeerNote>();
  #seeds = 0;
  #releases = 0;
  /** No byte of `#wanted` before this one has a bit set. */
  #firstWanted = 0;

  /** All pieces are wanted. `random` gives numbers from 0 to 1. */
  constructor(
    pieceCount: number,
    { sequential = false, random = Math.random }: { sequential?: boolean; random?: () => number } = {},
  ) {
    this.#rarity = new Rarity(pieceCount);
    this.#wanted = new Bitfield(pieceCount);
    this.#wanted.fill();
    this.#done = new Bitfield(pieceCount);
    this.#isSequential = sequential;
    this.#random = random;
  }

  /** How many pieces are neither taken nor done. */
  get wantedCount(): number {
    return this.#wanted.count;
  }

  /** Wanted or taken → done. */
  markDone(index: number): void {
    this.take(index);
    this.#done.add(index);
  }

  /** Wanted → taken: it is being fetched. Says whether it was wanted. */
  take(index: number): boolean {
    if (!this.#wanted.delete(index)) return false;
    this.#rarity.remove(index);
    return true;
  }

  /** Taken → wanted: it has to be fetched again. */
  release(index: number): void {
    if (this.#done.has(index) || !this.#wanted.add(index)) return;
    this.#rarity.insert(index);
    this.#firstWanted = Math.min(this.#firstWanted, index >> 3);
    this.#releases++;
  }

  /**
   * Counts what a peer has. The picker keeps the bitfield: it is the peer's name until `removePeer`, and until then it
   * changes by `addHave` only.
   */
  addPeer(have: Bitfield): void {
    const isSeed = have.isFull;
    const origin = this.#isSequential ? 0 : Math.floor(this.#random() * have.bytes.length);
    this.#peers.set(have, { isSeed, origin, emptyBytes: 0, count: have.count, releases: this.#releases });
    if (isSeed) this.#seeds++;
    else this.#tally(have, 1);
  }

  /** Counts the peer's pieces no longer. A peer that was not added is nothing to forget. */
  removePeer(have: Bitfield): void {
    const note = this.#peers.get(have);
    if (!note) return;
    this.#peers.delete(have);
    if (note.isSeed) this.#seeds--;
    else this.#tally(have, -1);
  }

  /** A peer that was added has one piece more, and its bitfield says so. With `have`, what is known of it still holds. */
  addHave(index: number, have?: Bitfield): void {
    this.#rarity.raise(index);
    const note = have && this.#peers.get(have);
    if (!note || note.count + 1 !== have.count) return;
    const after = (index >> 3) - note.origin;
    note.emptyBytes = Math.min(note.emptyBytes, after < 0 ? after + have.bytes.length : after);
    note.count++;
  }

  /** How many peers have the piece. */
  availability(index: number): number {
    return this.#rarity.availability(index) + this.#seeds;
  }

  /**
   * How many whole copies the peers hold together, ours not counted: 2.35 means that each piece is there twice, and 35 %
   * of the pieces at least once more.
   */
  distributedCopies(): number {
    const pieceCount = this.#wanted.length;
    if (pieceCount === 0) return 0;
    const { availability, above } = this.#rarity.least();
    return this.#seeds + availability + above / pieceCount;
  }

  /** Whether the peer has a wanted piece. */
  hasWanted(have: Bitfield): boolean {
    return this.#read(have, 1) >= 0;
  }

  /** Takes a wanted piece that the peer has; -1 when there is none. */
  pick(have: Bitfield): number {
    const index = this.#isSequential ? this.#read(have, 1) : this.#choose(have);
    if (index >= 0) this.take(index);
    return index;
  }

  #tally({ bytes }: Bitfield, change: 1 | -1): void {
    for (let at = 0; at < bytes.length; at++) {
      let bits = bytes[at]!;
      while (bits !== 0) {
        const bit = Math.clz32(bits) - 24;
        if (change === 1) this.#rarity.raise(at * 8 + bit);
        else this.#rarity.lower(at * 8 + bit);
        bits &= ~(0x80 >> bit);
      }
    }
  }

  #choose(have: Bitfield): number {
    const isEarly = this.#done.count < RANDOM_UNTIL_DONE;
    const index = isEarly
      ? this.#rarity.findAny(have, this.#random, MOST_TRIES)
      : this.#rarity.findRarest(have, this.#random, MOST_TRIES);
    return index === GAVE_UP ? this.#read(have, SAMPLE) : index;
  }

  /**
   * Reads a peer's bitfield for wanted pieces, and returns the rarest of the first `most`; -1 when there is none. Bytes
   * that were found empty are not read again, so that all picks for one peer together read it about once.
   */
  #read(have: Bitfield, most: number): number {
    if (this.#wanted.count === 0 || have.count === 0) return -1;
    const note = this.#noteOf(have);
    const length = have.bytes.length;
    let rarest = -1;
    let found = 0;
    for (let read = note.emptyBytes; read < length; read++) {
      const at = read + note.origin < length ? read + note.origin : read + note.origin - length;
      let bits = have.bytes[at]! & this.#wanted.bytes[at]!;
      if (found === 0) note.emptyBytes = bits === 0 ? read + 1 : read;
      for (; bits !== 0 && found < most; found++) {
        const bit = Math.clz32(bits) - 24;
        const index = at * 8 + bit;
        if (rarest < 0 || this.#rarity.availability(index) < this.#rarity.availability(rarest)) rarest = index;
        bits &= ~(0x80 >> bit);
      }
      if (found === most) break;
    }
    return rarest;
  }

  /** The note of a peer, made anew when it holds no longer or the peer was not added. */
  #noteOf(have: Bitfield): PeerNote {
    const { count } = have;
    const releases = this.#releases;
    const note = this.#peers.get(have) ?? { isSeed: false, origin: 0, emptyBytes: 0, count, releases };
    if (note.count !== count || note.releases !== releases) {
      note.emptyBytes = 0;
      note.count = count;
      note.releases = releases;
    }
    if (this.#isSequential) {
      while (this.#wanted.bytes[this.#firstWanted] === 0) this.#firstWanted++;
      note.emptyBytes = Math.max(note.emptyBytes, this.#firstWanted);
    }
    return note;
  }
}
