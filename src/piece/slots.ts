import { BLOCK_LENGTH, lengthOfPiece, type PieceLayout } from '../common/pieces.js';

/** Memory for pieces in progress: enough for 100 ms × 500 MB/s, and little beside the rest of the process. */
const MEMORY_BUDGET = 64 * 1024 * 1024;
/** More than that at the disk threads, and no piece is started: a queue there makes nothing faster. */
const MOST_WRITING = 16 * 1024 * 1024;
/** With huge pieces the budget gives way: fewer pieces at once than this would let one slow peer block all others. */
const LEAST_SLOTS = 4;

const UNREQUESTED = 0;
const REQUESTED = 1;
const RECEIVED = 2;

/**
 * The memory of the pieces in progress, one slot each, and what has arrived of them.
 *
 *     free ──start──► filling ──last block closed──► writing (at a disk thread) ──free──► free
 *                                                       └───hold──► held (for its turn) ──┘
 *
 * Only a filling slot is ever written to. A block in transit has one writer; whoever lost that place writes nowhere, so
 * a late peer cannot change bytes that were verified.
 * All tables are flat: entry `slot * blocksPerSlot + n` belongs to block n of the piece in that slot.
 */
export class Slots {
  readonly memory: SharedArrayBuffer;
  readonly bytes: Buffer;
  readonly slotLength: number;
  readonly blocksPerSlot: number;
  readonly count: number;
  readonly #layout: PieceLayout;
  readonly #free: number[] = [];
  /** Slots that have blocks nobody was asked for, in the order in which they were started. */
  readonly open: number[] = [];
  /** Blocks that anybody was ever asked for. */
  asked = 0;
  readonly #pieceOf: Int32Array;
  readonly #slotOf: Int32Array;
  readonly #blocks: Int32Array;
  readonly #unrequested: Int32Array;
  readonly #missing: Int32Array;
  readonly #cursor: Int32Array;
  readonly #users: Int32Array;
  readonly #filling: Float64Array;
  #fillings = 0;
  /** Slots with all their blocks that are neither held nor free yet. */
  #writing = 0;
  readonly #isHeld: Uint8Array;
  readonly #mostWriting: number;
  readonly #state: Uint8Array;
  readonly #requests: Uint8Array;
  readonly #sender: Int32Array;
  readonly #writer: Int32Array;

  /** `budget`: bytes for all slots, though there are four at least. */
  constructor(layout: PieceLayout, budget = MEMORY_BUDGET) {
    this.#layout = layout;
    this.slotLength = Math.min(layout.pieceLength, Math.max(1, layout.totalLength));
    this.blocksPerSlot = Math.ceil(this.slotLength / BLOCK_LENGTH);
    const most = Math.min(Math.floor(budget / (this.blocksPerSlot * BLOCK_LENGTH)), layout.pieceCount);
    this.count = Math.max(1, most, Math.min(LEAST_SLOTS, layout.pieceCount));
    this.#mostWriting = Math.max(2, Math.floor(MOST_WRITING / this.slotLength));
    this.memory = new SharedArrayBuffer(this.count * this.slotLength);
    this.bytes = Buffer.from(this.memory);
    this.#pieceOf = new Int32Array(this.count).fill(-1);
    this.#slotOf = new Int32Array(layout.pieceCount).fill(-1);
    this.#blocks = new Int32Array(this.count);
    this.#unrequested = new Int32Array(this.count);
    this.#missing = new Int32Array(this.count);
    this.#cursor = new Int32Array(this.count);
    this.#users = new Int32Array(this.count);
    this.#filling = new Float64Array(this.count);
    this.#isHeld = new Uint8Array(this.count);
    const entries = this.count * this.blocksPerSlot;
    this.#state = new Uint8Array(entries);
    this.#requests = new Uint8Array(entries);
    this.#sender = new Int32Array(entries);
    this.#writer = new Int32Array(entries);
    // A stack: the slot freed last is used next, so memory that was never needed is never touched.
    for (let slot = this.count - 1; slot >= 0; slot--) this.#free.push(slot);
  }

  /** Whether there is a slot for one more piece, and the disk keeps up. */
  get mayStart(): boolean {
    return this.#free.length > 0 && !this.isBehind;
  }

  /** The disk threads do not keep up: what is to come waits for them, and not for peers. */
  get isBehind(): boolean {
    return this.#writing >= this.#mostWriting;
  }

  /** No slot is free. */
  get isFull(): boolean {
    return this.#free.length === 0;
  }

  /** No slot is in use. */
  get isEmpty(): boolean {
    return this.#free.length === this.count;
  }

  /** Pieces are at the disk threads. */
  get isWriting(): boolean {
    return this.#writing > 0;
  }

  /** The open slot with the fewest blocks that nobody works on and of which nobody owes any; -1 when there is none. */
  get idlest(): number {
    let idlest = -1;
    for (const slot of this.open) {
      const isIdle = this.#users[slot] === 0 && this.#missing[slot] === this.#unrequested[slot];
      if (isIdle && (idlest < 0 || this.#receivedOf(slot) < this.#receivedOf(idlest))) idlest = slot;
    }
    return idlest;
  }

  /** The slot of a piece in progress, or -1. */
  slotOf(index: number): number {
    return this.#slotOf[index]!;
  }

  pieceOf(slot: number): number {
    return this.#pieceOf[slot]!;
  }

  /** Which filling of the slot this is: a number that never comes again; 0 while it is free. */
  filling(slot: number): number {
    return this.#filling[slot]!;
  }

  /** Takes a free slot for a piece, as `mayStart` allows. */
  start(index: number): number {
    const slot = this.#free.pop()!;
    const blocks = Math.ceil(lengthOfPiece(this.#layout, index) / BLOCK_LENGTH);
    const from = slot * this.blocksPerSlot;
    this.#state.fill(UNREQUESTED, from, from + blocks);
    this.#requests.fill(0, from, from + blocks);
    this.#sender.fill(0, from, from + blocks);
    this.#writer.fill(0, from, from + blocks);
    this.#filling[slot] = ++this.#fillings;
    this.#pieceOf[slot] = index;
    this.#slotOf[index] = slot;
    this.#blocks[slot] = this.#unrequested[slot] = this.#missing[slot] = blocks;
    this.#cursor[slot] = this.#users[slot] = 0;
    this.open.push(slot);
    return slot;
  }

  /** A disk thread is done with the piece, and its bytes are needed for a while: it does not keep others from starting. */
  hold(slot: number): void {
    this.#isHeld[slot] = 1;
    this.#writing--;
  }

  /** Gives a slot back; whoever still writes to it writes nowhere. */
  free(slot: number): void {
    const from = slot * this.blocksPerSlot;
    this.#writer.fill(0, from, from + this.#blocks[slot]!);
    if (this.#missing[slot] === 0 && !this.#isHeld[slot]) this.#writing--;
    this.#isHeld[slot] = 0;
    this.#slotOf[this.#pieceOf[slot]!] = -1;
    this.#pieceOf[slot] = -1;
    this.#filling[slot] = 0;
    if (this.#unrequested[slot]! > 0) this.#close(slot);
    this.#unrequested[slot] = 0;
    this.#free.push(slot);
  }

  /** Blocks of its piece are still to come. */
  isFilling(slot: number): boolean {
    return this.#missing[slot]! > 0;
  }

  hasUnrequested(slot: number): boolean {
    return this.#unrequested[slot]! > 0;
  }

  /** How many peers work on the slot; see `join` and `leave`. */
  users(slot: number): number {
    return this.#users[slot]!;
  }

  join(slot: number): void {
    this.#users[slot]!++;
  }

  leave(slot: number): void {
    this.#users[slot]!--;
  }

  /** Marks the first block that nobody was asked for as requested and gives its number in the piece; there must be one. */
  request(slot: number): number {
    const from = slot * this.blocksPerSlot;
    let block = this.#cursor[slot]!;
    while (this.#state[from + block] !== UNREQUESTED) block++;
    this.#cursor[slot] = block + 1;
    this.#state[from + block] = REQUESTED;
    this.#requests[from + block] = 1;
    this.asked++;
    this.#unrequested[slot]!--;
    if (!this.hasUnrequested(slot)) this.#close(slot);
    return block;
  }

  /** One peer more was asked for a requested block (endgame). */
  requestAgain(slot: number, block: number): void {
    this.#requests[slot * this.blocksPerSlot + block]!++;
  }

  /** How many peers owe the block. */
  requests(slot: number, block: number): number {
    return this.#requests[slot * this.blocksPerSlot + block]!;
  }

  /** A peer owes the block no longer; when nobody does it can be requested again. */
  unrequest(slot: number, block: number): void {
    const entry = slot * this.blocksPerSlot + block;
    if (this.#state[entry] !== REQUESTED || --this.#requests[entry]! > 0) return;
    this.#state[entry] = UNREQUESTED;
    if (block < this.#cursor[slot]!) this.#cursor[slot] = block;
    if (!this.hasUnrequested(slot)) this.open.push(slot);
    this.#unrequested[slot]!++;
  }

  /** Copies `bytes` to their place in the slots' memory. V8's own `set` goes byte by byte there, for it is shared; `fill` does not. */
  put(place: number, bytes: Uint8Array): void {
    this.bytes.fill(bytes, place, place + bytes.length);
  }

  isMissing(slot: number, block: number): boolean {
    return this.#state[slot * this.blocksPerSlot + block] !== RECEIVED;
  }

  /** Who is writing the block now: a peer's id, or 0. */
  writer(slot: number, block: number): number {
    return this.#writer[slot * this.blocksPerSlot + block]!;
  }

  setWriter(slot: number, block: number, peer: number): void {
    this.#writer[slot * this.blocksPerSlot + block] = peer;
  }

  /** The block is whole, by `peer`. Says whether the piece is now, too. */
  receive(slot: number, block: number, peer: number): boolean {
    const entry = slot * this.blocksPerSlot + block;
    if (this.#state[entry] === UNREQUESTED) {
      this.#unrequested[slot]!--;
      if (!this.hasUnrequested(slot)) this.#close(slot);
    }
    this.#state[entry] = RECEIVED;
    this.#requests[entry] = 0;
    this.#writer[entry] = 0;
    this.#sender[entry] = peer;
    this.#missing[slot]!--;
    if (this.#missing[slot]! > 0) return false;
    this.#writing++;
    return true;
  }

  /** Who sent each block of the piece, in order. */
  senders(slot: number): Int32Array {
    const from = slot * this.blocksPerSlot;
    return this.#sender.subarray(from, from + this.#blocks[slot]!);
  }

  /** The bytes of a slot's piece. */
  piece(slot: number): Uint8Array {
    const from = slot * this.slotLength;
    return this.bytes.subarray(from, from + lengthOfPiece(this.#layout, this.#pieceOf[slot]!));
  }

  #receivedOf(slot: number): number {
    return this.#blocks[slot]! - this.#missing[slot]!;
  }

  #close(slot: number): void {
    const at = this.open.indexOf(slot);
    if (at >= 0) this.open.splice(at, 1);
  }
}
