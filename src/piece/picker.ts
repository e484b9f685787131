import { Bitfield } from '../common/bitfield.js';
import { Candidates } from './candidates.js';
import { GAVE_UP, Rarity } from './rarity.js';
import { PickWindow } from './window.js';

/**
 * So many pieces are picked at random before the rarest come first: a piece from anyone, soon, is something to trade,
 * and a rare one comes slowly.
 */
const RANDOM_UNTIL_DONE = 4;

export interface PickerOptions {
  /** The first piece comes first, then the next. */
  readonly sequential?: boolean;
  /** Only so many pieces, from the first on that is not done, may be picked: see `PickWindow`. */
  readonly window?: number | undefined;
  /** Gives numbers from 0 to 1. */
  readonly random?: () => number;
}

/** Notes on a peer that was added. */
interface PeerNote {
  /** It had every piece when it was added, so it counts as a seed until it leaves. */
  readonly isSeed: boolean;
  readonly candidates: Candidates;
  /** How many pieces had been released when `candidates` was last asked. */
  releases: number;
}

/**
 * Which piece to start next: the rarest that a peer has, at random among equals; or the first one, when sequential; or
 * one of those that are due, in a window.
 * A pick takes as long with a million pieces as with a thousand. For a peer with few of the wanted pieces the search by
 * rarity ends early; its own bitfield is read instead, once, and the rarest of some pieces found there is picked.
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
  readonly #window: PickWindow | undefined;
  readonly #random: () => number;
  readonly #peers = new Map<Bitfield, PeerNote>();
  #seeds = 0;
  #skipped = 0;
  #releases = 0;
  /** No byte of `#wanted` before this one has a bit set. */
  #firstWanted = 0;

  /** All pieces are wanted, but those that are skipped. */
  constructor(pieceCount: number, { sequential = false, window, random = Math.random }: PickerOptions = {}) {
    this.#rarity = new Rarity(pieceCount);
    this.#wanted = new Bitfield(pieceCount);
    this.#wanted.fill();
    this.#done = new Bitfield(pieceCount);
    this.#isSequential = sequential;
    if (window !== undefined) {
      this.#window = new PickWindow(window, { wanted: this.#wanted, done: this.#done, rarity: this.#rarity });
    }
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

  /** It is never to be fetched: as if it were done, before anything is picked. */
  skip(index: number): void {
    this.markDone(index);
    this.#skipped++;
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
    this.#peers.set(have, { isSeed, candidates: this.#candidatesOf(have), releases: this.#releases });
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
    if (have) this.#peers.get(have)?.candidates.onHave(index);
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
    return this.#read(have).length > 0;
  }

  /** Takes a wanted piece that the peer has; -1 when there is none, or none in the window. */
  pick(have: Bitfield): number {
    const index = this.#find(have);
    if (index >= 0) this.take(index);
    return index;
  }

  #find(have: Bitfield): number {
    if (this.#window) return this.#window.find(have);
    return this.#isSequential ? this.#first(have) : this.#choose(have);
  }

  #choose(have: Bitfield): number {
    const isEarly = this.#done.count - this.#skipped < RANDOM_UNTIL_DONE;
    const index = isEarly ? this.#rarity.findAny(have, this.#random) : this.#rarity.findRarest(have, this.#random);
    return index === GAVE_UP ? this.#rarest(this.#read(have)) : index;
  }

  #rarest(indexes: readonly number[]): number {
    let rarest = -1;
    for (const index of indexes) {
      if (rarest < 0 || this.#rarity.availability(index) < this.#rarity.availability(rarest)) rarest = index;
    }
    return rarest;
  }

  #first(have: Bitfield): number {
    const indexes = this.#read(have);
    return indexes.length === 0 ? -1 : Math.min(...indexes);
  }

  /** Some wanted pieces of a peer, when sequential the first among them; empty only when it has none. */
  #read(have: Bitfield): readonly number[] {
    if (this.#wanted.count === 0) return [];
    const note = this.#peers.get(have);
    const candidates = note?.candidates ?? this.#candidatesOf(have);
    if (note && note.releases !== this.#releases) {
      note.releases = this.#releases;
      candidates.restart();
    }
    if (!this.#isSequential) return candidates.find();
    while (this.#wanted.bytes[this.#firstWanted] === 0) this.#firstWanted++;
    return candidates.find(this.#firstWanted);
  }

  #candidatesOf(have: Bitfield): Candidates {
    const origin = this.#isSequential ? 0 : Math.floor(this.#random() * have.bytes.length);
    return new Candidates(have, this.#wanted, origin);
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
}
