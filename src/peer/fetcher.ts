import type { Bitfield } from '../common/bitfield.js';
import type { Bucket, Waiter } from '../common/bucket.js';
import { ProtocolError } from '../common/errors.js';
import { BLOCK_LENGTH, lengthOfPiece } from '../common/pieces.js';
import type { BlockTaker, PieceAssembler } from '../piece/assembler.js';
import { RequestPipeline } from './pipeline.js';
import { RequestQueue } from './requests.js';
import { BLOCK_HEAD_LENGTH, MESSAGE, REQUEST_LENGTH, writeRequest, type BlockSink } from './wire.js';

/** A peer that owes blocks and brought none for so long is snubbed: others are asked for them. */
const SNUBBED_AFTER_MS = 20_000;
/** Blocks that nobody asked for, after which the peer is dropped; some may cross a cancel. */
const MOST_UNREQUESTED = 64;
/** Blocks that may still come although we gave them up. */
const MOST_LATE = 4096;
/** A peer this slow, in ms for a whole piece, helps others with theirs. */
const SLOW_PIECE_MS = 10_000;
/** Requests go out in batches: half of the pipeline, but no more than that many. */
const MOST_BATCH = 64;
/** Requests beyond twice the pipeline, from which on the peer is asked for less. */
const LEAST_TRIM = 8;
/** … provided that what it owes would take it so long. */
const LONG_MS = 2000;
/** After a reject, or a choke in answer to requests, the peer is left in peace, twice as long each time. */
const FIRST_HOLD_MS = 100;
const LONGEST_HOLD_MS = 30_000;

/** Where blocks come from and go to, and who hears of it; a `PeerManager` is one. */
export interface FetchContext {
  readonly assembler: PieceAssembler;
  /** What all peers together may send us; missing when there is no limit. */
  readonly downloadLimit?: Bucket | undefined;
  /** A block came that other peers owe us too. */
  onDuplicate: (fetcher: BlockFetcher, block: number) => void;
  /** There is room for requests, and all that may be fetched now was asked for; may push blocks to ask for again. */
  onStarving: (fetcher: BlockFetcher, most: number, out: number[]) => void;
  /** Payload bytes came, of which so many were of no use; 0 of the first when that shows only later. */
  onPayload: (received: number, wasted: number) => void;
  /** A block is whole that was wanted. */
  onBlock: () => void;
}

/**
 * What one peer owes us: asks for blocks, takes them in, and gives up what does not come.
 *
 * A download limit holds requests back, not reads: what was not asked for takes no room in anybody's buffers, delays no
 * other message, and is not owed, so no time-out and no endgame mistakes our limit for a slow peer.
 */
export class BlockFetcher implements BlockTaker, BlockSink, Waiter {
  readonly id: number;
  readonly have: Bitfield;
  slot = -1;
  filling = 0;
  readonly requests = new RequestQueue();
  readonly pipeline = new RequestPipeline();
  /** The time of the read or tick that is being handled; the clock is not read for each block. */
  nowMs: number;
  /** When it last brought a block that it owed. */
  lastBlockAtMs: number;
  isSnubbed = false;
  /** Whether it ever brought a block we lacked. */
  isUseful = false;
  /** Bytes of blocks, wanted or not, and the heads of those that it owed. */
  blockBytes = 0;

  readonly #context: FetchContext;
  readonly #send: (bytes: Uint8Array) => void;
  /** Given up (choked, timed out, cancelled), but taken if they come all the same. */
  readonly #late = new RequestQueue();
  readonly #chosen: number[] = [];
  /** The block in transit: its number, its place in the slots' memory or -1, and its length. */
  #block = -1;
  #place = -1;
  #length = 0;
  /** Where its bytes began; those up to `#place` are lost when the rest does not come. */
  #start = -1;
  #unrequested = 0;
  #rejects = 0;
  #holdUntilMs = 0;
  #hasNewBlocks = false;
  /** When it was last given up; -Infinity before that. */
  #snubbedAtMs = -Infinity;

  constructor(id: number, have: Bitfield, context: FetchContext, nowMs: number, send: (bytes: Uint8Array) => void) {
    this.id = id;
    this.have = have;
    this.#context = context;
    this.#send = send;
    this.nowMs = this.lastBlockAtMs = nowMs;
  }

  /** Too slow for a piece of its own; also until its rate is known. */
  get isSlow(): boolean {
    return this.pipeline.perSecond * (SLOW_PIECE_MS / 1000) < this.#context.assembler.layout.pieceLength;
  }

  /** It waits until the download limit lets it ask. */
  get isInLine(): boolean {
    return this.#context.downloadLimit?.isInLine(this) ?? false;
  }

  // ── Blocks, from the wire ─────────────────────────────────────────────────────────────────────────────────────────

  onBlock(index: number, begin: number, length: number): void {
    const { assembler } = this.#context;
    this.#block = this.#numberOf(index, begin);
    this.#length = length;
    this.#place = -1;
    const isExpected =
      this.#block >= 0 &&
      length === assembler.lengthOf(this.#block) &&
      (this.requests.has(this.#block) || this.#late.has(this.#block));
    // It stays owed until its last byte is here: a peer that stops in the middle of it is stalled.
    if (isExpected) {
      this.blockBytes += BLOCK_HEAD_LENGTH;
      this.#start = this.#place = assembler.open(this.id, this.#block);
    } else if (++this.#unrequested > MOST_UNREQUESTED) {
      throw new ProtocolError('ERR_WIRE', 'the peer sends what nobody asked for');
    }
  }

  onBlockBytes(chunk: Uint8Array, from: number, to: number): void {
    const length = to - from;
    const { assembler } = this.#context;
    this.blockBytes += length;
    if (this.#place >= 0 && assembler.isOpen(this.id, this.#block)) {
      assembler.slots.put(this.#place, chunk.subarray(from, to));
      this.#place += length;
      this.#context.onPayload(length, 0);
    } else {
      this.#lose();
      this.#context.onPayload(length, length);
    }
  }

  /** The block has no place any more: what came of it was of no use. */
  #lose(): void {
    if (this.#place > this.#start) this.#context.onPayload(0, this.#place - this.#start);
    this.#start = this.#place = -1;
  }

  onBlockEnd(): void {
    const { assembler } = this.#context;
    const block = this.#block;
    const isPlaced = this.#place >= 0 && assembler.isOpen(this.id, block);
    const sentAtMs = this.requests.remove(block);
    const wasOwed = sentAtMs >= 0;
    if (!wasOwed) {
      this.#late.remove(block);
      this.#context.downloadLimit?.take(this.#length); // what was given back came all the same
    }
    this.#place = -1;
    if (isPlaced) {
      this.isUseful = true;
      this.isSnubbed = false;
      this.#context.onBlock();
      if (assembler.close(this.id, block, wasOwed)) this.#context.onDuplicate(this, block);
    } else if (wasOwed) assembler.giveBack(this.id, block);
    if (!wasOwed) return;
    this.#hasNewBlocks = true;
    this.#rejects = 0;
    this.lastBlockAtMs = this.nowMs;
    this.pipeline.received(this.#length, sentAtMs, this.nowMs);
    if (this.requests.size === 0) this.pipeline.paused();
  }

  /** Whether blocks came since the last call. */
  takeNews(): boolean {
    const hasNews = this.#hasNewBlocks;
    this.#hasNewBlocks = false;
    return hasNews;
  }

  // ── Requests ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Asks for as many blocks as there is room for; the peer must not be choking us. */
  fill(): void {
    const room = this.#makeRoom();
    if (room === 0) return;
    const { downloadLimit } = this.#context;
    if (downloadLimit) this.#askWithin(downloadLimit, downloadLimit.ask(this), room);
    else this.#ask(room);
  }

  /** The download limit has so much for it. */
  onTurn(bytes: number, nowMs: number): void {
    this.nowMs = nowMs;
    this.#askWithin(this.#context.downloadLimit!, bytes, this.#makeRoom());
  }

  /** Requests that may go out now: 0, or a batch of them. */
  #makeRoom(): number {
    if (this.nowMs < this.#holdUntilMs) return 0;
    const { downloadLimit } = this.#context;
    const wanted = this.isSnubbed ? 1 : this.pipeline.target;
    const target = downloadLimit ? Math.min(wanted, mostOwedUnder(downloadLimit, this.pipeline.perSecond)) : wanted;
    const owed = this.requests.size;
    if (owed > 2 * target + LEAST_TRIM && this.#owesTooMuch) this.#trim(target);
    const room = target - owed;
    return room < Math.max(1, Math.min(target >> 1, MOST_BATCH)) ? 0 : room;
  }

  /** Asks for what the limit has free, and waits in line to ask for the rest. */
  #askWithin(limit: Bucket, free: number, room: number): void {
    const most = Math.min(room, Math.ceil(free / BLOCK_LENGTH));
    if (most <= 0) return;
    const asked = this.#ask(most);
    limit.take(asked * BLOCK_LENGTH);
    if (asked === most && most < room) limit.wait(this);
  }

  /** Asks for `most` blocks, or as many as there are; returns how many. */
  #ask(most: number): number {
    const { assembler } = this.#context;
    const blocks = this.#chosen;
    blocks.length = 0;
    assembler.takeBlocks(this, most, blocks);
    const isStarving = blocks.length === 0 && !this.isSnubbed && !assembler.slots.isBehind;
    if (isStarving) this.#context.onStarving(this, most, blocks);
    if (blocks.length === 0) return 0;
    const bytes = new Uint8Array(blocks.length * REQUEST_LENGTH);
    blocks.forEach((block, at) => {
      this.requests.add(block, this.nowMs);
      this.#write(bytes, at * REQUEST_LENGTH, MESSAGE.request, block);
    });
    this.#send(bytes);
    return blocks.length;
  }

  /** Looks at the time-outs. Says whether the peer has just become snubbed. */
  tick(): boolean {
    if (this.requests.size === 0) return false;
    const owedSinceMs = Math.max(this.requests.oldestMs, this.lastBlockAtMs, this.#snubbedAtMs);
    if (this.nowMs - owedSinceMs <= SNUBBED_AFTER_MS) return false;
    // Its blocks are for others to fetch now; it keeps one request, to show that it is back.
    this.isSnubbed = true;
    this.#snubbedAtMs = this.nowMs;
    this.#giveUp();
    this.pipeline.dropped();
    return true;
  }

  /** The peer chokes us: what it owes will not come, but for what is under way. */
  onChoke(): void {
    if (this.requests.size > 0) this.#holdBack();
    this.#giveUp();
  }

  /** The peer declines a request (BEP 6). */
  onReject(index: number, begin: number): void {
    const block = this.#numberOf(index, begin);
    // The answer to a cancel, even if the block was asked for once more since then.
    if (this.#late.remove(block) >= 0 || this.requests.remove(block) < 0) return;
    this.#context.downloadLimit?.giveBack(BLOCK_LENGTH);
    this.#context.assembler.giveBack(this.id, block);
    this.#context.assembler.leave(this);
    this.#holdBack();
  }

  #holdBack(): void {
    if (this.nowMs < this.#holdUntilMs) return; // one of many that come together
    this.#holdUntilMs = this.nowMs + Math.min(LONGEST_HOLD_MS, FIRST_HOLD_MS * 2 ** Math.min(this.#rejects++, 10));
  }

  /** Somebody else brought the block. */
  cancel(block: number): void {
    if (this.requests.remove(block) < 0) return;
    this.#context.downloadLimit?.makeUpFor(BLOCK_LENGTH);
    this.#keepLate([block]);
    const bytes = new Uint8Array(REQUEST_LENGTH);
    this.#write(bytes, 0, MESSAGE.cancel, block);
    this.#send(bytes);
  }

  /** Gives everything back. */
  close(): void {
    const { assembler } = this.#context;
    if (this.#place >= 0) assembler.abort(this.id, this.#block);
    this.#lose();
    for (const block of this.#dropRequests()) assembler.giveBack(this.id, block);
    assembler.leave(this);
  }

  /** Whether it may drop what it owes, or takes so long for it that others had better be asked for the last of it. */
  get #owesTooMuch(): boolean {
    const { perSecond, limit } = this.pipeline;
    const isLong = perSecond > 0 && this.requests.size * BLOCK_LENGTH > (perSecond * LONG_MS) / 1000;
    return isLong || this.requests.size > limit;
  }

  /** It turned out slower than what it was asked for: the last of that is for others. */
  #trim(target: number): void {
    for (const block of this.requests.list().slice(target)) {
      this.cancel(block);
      this.#context.assembler.giveBack(this.id, block);
    }
    this.#context.assembler.leave(this);
  }

  #giveUp(): void {
    const { assembler } = this.#context;
    const blocks = this.#dropRequests();
    for (const block of blocks) assembler.giveBack(this.id, block);
    this.#keepLate(blocks);
    assembler.leave(this);
    this.pipeline.reset();
  }

  /** What is not owed any more is not paid for either. */
  #dropRequests(): number[] {
    const { downloadLimit } = this.#context;
    const blocks = this.requests.clear();
    if (this.isSnubbed) downloadLimit?.makeUpFor(blocks.length * BLOCK_LENGTH);
    else downloadLimit?.giveBack(blocks.length * BLOCK_LENGTH);
    downloadLimit?.leave(this);
    return blocks;
  }

  #keepLate(blocks: readonly number[]): void {
    if (this.#late.size + blocks.length > MOST_LATE) this.#late.clear();
    for (const block of blocks.slice(0, MOST_LATE)) this.#late.add(block, this.nowMs);
  }

  /** The block's number, or -1 when there is no such block. */
  #numberOf(index: number, begin: number): number {
    const { layout, blocksPerPiece } = this.#context.assembler;
    if (index >= layout.pieceCount || begin % BLOCK_LENGTH !== 0 || begin >= lengthOfPiece(layout, index)) return -1;
    return index * blocksPerPiece + begin / BLOCK_LENGTH;
  }

  #write(bytes: Uint8Array, at: number, id: number, block: number): void {
    const { assembler } = this.#context;
    writeRequest(bytes, at, id, assembler.indexOf(block), assembler.beginOf(block), assembler.lengthOf(block));
  }
}

/**
 * What a slow peer holds up is lost to the others: one owes no more than the limit lets through in a second, and next to
 * nothing before its rate is known.
 */
function mostOwedUnder(limit: Bucket, perSecond: number): number {
  return 2 + (perSecond > 0 ? Math.ceil(limit.perSecond / BLOCK_LENGTH) : 0);
}
