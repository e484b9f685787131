/** Stage 4: blocks → full pieces. */
import type { Bitfield } from '../common/bitfield.js';
import { BLOCK_LENGTH, lengthOfPiece, type PieceLayout } from '../common/pieces.js';
import { Blame } from './blame.js';
import { Retries } from './retries.js';
import type { Slots } from './slots.js';

/** What the assembler needs to know of a peer. */
export interface BlockTaker {
  /** Unique in this run, above 0; senders of bad blocks are told by it. */
  readonly id: number;
  readonly have: Bitfield;
  /** The slot that it works on, or -1, and which filling of that slot; written by the assembler. */
  slot: number;
  filling: number;
  /** Too slow for a piece of its own: it helps with pieces that others have started. */
  readonly isSlow: boolean;
}

/** Which pieces to fetch, and in which order; `PiecePicker` is one. */
export interface PieceOrder {
  /** Takes a wanted piece that the peer has; -1 when there is none. */
  pick: (have: Bitfield) => number;
  /** The piece has to be fetched again. */
  release: (index: number) => void;
  markDone: (index: number) => void;
}

export interface AssemblerEvents {
  /** All blocks of a piece are in its slot: to the disk with it. */
  onFull: (slot: number, index: number) => void;
  /** These peers sent wrong bytes, for sure. */
  onGuilty: (peers: number[]) => void;
}

/**
 * A peer in mid-block keeps its place for so many ticks (0.2 s: a block that takes longer comes from a slow peer); then
 * another that brings the block gets it.
 */
const TICKS_TO_KEEP_A_PLACE = 2;

/**
 * Gives out blocks to request, takes in their bytes, and hands full pieces to the disk.
 * A block is named by one number, `index * blocksPerPiece + begin / 16 KiB`, so that a request in flight is no object.
 */
export class PieceAssembler {
  readonly layout: PieceLayout;
  readonly blocksPerPiece: number;
  readonly slots: Slots;
  readonly #picker: PieceOrder;
  readonly #events: AssemblerEvents;
  readonly #blame = new Blame();
  readonly #retries = new Retries();
  /** Tick at which a writer got its place, by entry; only looked at when a second peer wants it. */
  readonly #openedAt: Uint32Array;
  #ticks = 0;

  constructor(layout: PieceLayout, picker: PieceOrder, slots: Slots, events: AssemblerEvents) {
    this.layout = layout;
    this.blocksPerPiece = Math.ceil(layout.pieceLength / BLOCK_LENGTH);
    this.slots = slots;
    this.#picker = picker;
    this.#events = events;
    this.#openedAt = new Uint32Array(slots.count * slots.blocksPerSlot);
  }

  indexOf(block: number): number {
    return Math.floor(block / this.blocksPerPiece);
  }

  beginOf(block: number): number {
    return (block % this.blocksPerPiece) * BLOCK_LENGTH;
  }

  lengthOf(block: number): number {
    return Math.min(BLOCK_LENGTH, lengthOfPiece(this.layout, this.indexOf(block)) - this.beginOf(block));
  }

  tick(): void {
    this.#ticks++;
  }

  /** Up to `most` blocks for the peer to be asked for, pushed to `out`: its own piece first, then started, then new ones. */
  takeBlocks(peer: BlockTaker, most: number, out: number[]): void {
    const { slots } = this;
    while (out.length < most) {
      let slot = this.#slotOf(peer);
      if (slot < 0 || !slots.hasUnrequested(slot)) {
        slot = this.#choose(peer);
        if (slot < 0) return;
        this.leave(peer);
        peer.slot = slot;
        peer.filling = slots.filling(slot);
        slots.join(slot);
      }
      const first = slots.pieceOf(slot) * this.blocksPerPiece;
      while (out.length < most && slots.hasUnrequested(slot)) out.push(first + slots.request(slot));
    }
  }

  /** The peer works on its piece no longer. */
  leave(peer: BlockTaker): void {
    const slot = this.#slotOf(peer);
    if (slot >= 0) this.slots.leave(slot);
    peer.slot = -1;
  }

  /** Whether one more peer may be asked for a block that is owed already (endgame). */
  mayDuplicate(block: number, most: number): boolean {
    const index = this.indexOf(block);
    const slot = this.slots.slotOf(index);
    if (slot < 0 || this.#blame.isSuspicious(index)) return false;
    const inPiece = block % this.blocksPerPiece;
    return this.slots.isMissing(slot, inPiece) && this.slots.requests(slot, inPiece) < most;
  }

  duplicate(block: number): void {
    this.slots.requestAgain(this.slots.slotOf(this.indexOf(block)), block % this.blocksPerPiece);
  }

  /** The peer that was asked for a block will not send it: choked, rejected, timed out or gone. */
  giveBack(peer: number, block: number): void {
    const index = this.indexOf(block);
    const slot = this.slots.slotOf(index);
    if (slot >= 0 && !this.#retries.isKeptFrom(index, peer)) this.slots.unrequest(slot, block % this.blocksPerPiece);
  }

  /**
   * A block is about to arrive from a peer. Returns where in `slots.bytes` it belongs, or -1 when it is not needed (its
   * bytes are then counted and dropped).
   */
  open(peer: number, block: number): number {
    const { slots } = this;
    const index = this.indexOf(block);
    const slot = slots.slotOf(index);
    const inPiece = block % this.blocksPerPiece;
    if (slot < 0 || !slots.isMissing(slot, inPiece) || this.#retries.isKeptFrom(index, peer)) return -1;
    const entry = slot * slots.blocksPerSlot + inPiece;
    const writer = slots.writer(slot, inPiece);
    if (writer !== 0 && writer !== peer && this.#ticks - this.#openedAt[entry]! < TICKS_TO_KEEP_A_PLACE) return -1;
    slots.setWriter(slot, inPiece, peer);
    this.#openedAt[entry] = this.#ticks;
    return slot * slots.slotLength + inPiece * BLOCK_LENGTH;
  }

  /** Whether the place that `open` gave still is the peer's to write to. */
  isOpen(peer: number, block: number): boolean {
    const slot = this.slots.slotOf(this.indexOf(block));
    return slot >= 0 && this.slots.writer(slot, block % this.blocksPerPiece) === peer;
  }

  /** The peer leaves in mid-block. */
  abort(peer: number, block: number): void {
    if (this.isOpen(peer, block))
      this.slots.setWriter(this.slots.slotOf(this.indexOf(block)), block % this.blocksPerPiece, 0);
  }

  /** The block's last byte is in its place. Says whether other peers still owe the same block. */
  close(peer: number, block: number, wasOwed: boolean): boolean {
    const { slots } = this;
    const index = this.indexOf(block);
    const slot = slots.slotOf(index);
    const inPiece = block % this.blocksPerPiece;
    const others = slots.requests(slot, inPiece) > (wasOwed ? 1 : 0);
    if (slots.receive(slot, inPiece, peer)) this.#events.onFull(slot, index);
    return others;
  }

  /** A disk thread has hashed the piece and, if it was right, written it. */
  written(slot: number, index: number, isRight: boolean): void {
    const { slots } = this;
    let guilty: number[] = [];
    if (!isRight) guilty = this.#blame.failed(index, slots.piece(slot), slots.senders(slot));
    else if (this.#blame.isSuspicious(index)) guilty = this.#blame.passed(index, slots.piece(slot));
    slots.free(slot);
    if (isRight) this.#retries.end(index);
    if (isRight) this.#picker.markDone(index);
    else this.#picker.release(index);
    if (guilty.length > 0) this.#events.onGuilty(guilty);
  }

  /** The slot that the peer works on, if that still holds the same try at the same piece; or -1. */
  #slotOf(peer: BlockTaker): number {
    return peer.slot >= 0 && this.slots.filling(peer.slot) === peer.filling ? peer.slot : -1;
  }

  /** A slot for the peer to take blocks from, started if need be; or -1. */
  #choose(peer: BlockTaker): number {
    const { slots } = this;
    let shared = -1;
    for (const slot of slots.open) {
      const index = slots.pieceOf(slot);
      if (!peer.have.has(index) || this.#retries.isKeptFrom(index, peer.id)) continue;
      if (slots.users(slot) === 0) return slot;
      if (shared < 0) shared = slot;
    }
    if (shared >= 0 && peer.isSlow) return shared;
    if (slots.mayStart) {
      const index = this.#picker.pick(peer.have);
      if (index >= 0) return this.#start(peer, index);
    }
    if (shared >= 0) return shared;
    const overdue = this.#takeOver(peer);
    return overdue < 0 && slots.isFull ? this.#replace(peer) : overdue;
  }

  #start(peer: BlockTaker, index: number): number {
    if (this.#blame.isSuspicious(index)) this.#retries.begin(index, peer.id, this.#ticks);
    return this.slots.start(index);
  }

  /** Begins anew with a failed piece that another peer, alone with it, does not bring. */
  #takeOver(peer: BlockTaker): number {
    const { slots } = this;
    const isThere = (index: number): boolean => {
      const slot = slots.slotOf(index);
      return slot >= 0 && peer.have.has(index) && slots.isFilling(slot);
    };
    const index = this.#retries.overdue(peer.id, this.#ticks, isThere);
    if (index < 0) return -1;
    slots.free(slots.slotOf(index));
    return this.#start(peer, index);
  }

  /**
   * All memory is taken by pieces that this peer does not have. One that nobody brings any more gives way to one that it
   * has, or those who left in the middle of pieces would end the download for all.
   */
  #replace(peer: BlockTaker): number {
    const { slots } = this;
    const idlest = slots.idlest;
    const index = idlest < 0 ? -1 : this.#picker.pick(peer.have);
    if (index < 0) return -1;
    const given = slots.pieceOf(idlest);
    slots.free(idlest);
    this.#picker.release(given);
    return this.#start(peer, index);
  }
}
