import { backoffMs } from '../../common/backoff.js';
import { ProtocolError } from '../../common/errors.js';
import { MOST_METADATA } from './handshake.js';
import { digestOf, MetadataDraft, type MetadataEvidence } from './metadata-draft.js';
import { decodeMetadataMessage, lengthOfMetadataPiece, METADATA_PIECE_LENGTH } from './metadata.js';

/** Pieces that one peer owes at most. */
const MOST_IN_FLIGHT = 8;
/** A piece is asked of two peers when there is nothing better to ask for, and of others once the first is late. */
const MOST_ASKED = 2;
const LATE_MS = 1000;
/** A peer that owes pieces and brought none for so long is left in peace for a while. */
const TIMEOUT_MS = 10_000;
const FIRST_HOLD_MS = 1000;
const LONGEST_HOLD_MS = 60_000;
/** Pieces that nobody asked for, after which the peer is dropped; some may come late. */
const MOST_UNREQUESTED = 16;
/** What all drafts together hold, in bytes. */
const MOST_HELD = 4 * MOST_METADATA;
/** A draft that nothing came for in so long is the first to go. */
const STALLED_MS = 5000;
/** After a wrong draft: peers that are fetched from alone, at a time; more if that is no more than so many bytes. */
const MOST_SOLE = 3;
const FREE_SOLE_BYTES = 1_048_576;
/** A peer has so long for itself, before it may have to make room for another. */
const LEAST_SOLE_MS = 10_000;

interface Peer {
  readonly id: number;
  /** What it claims. */
  readonly size: number;
  /** When it was asked for the pieces that it owes. */
  readonly inFlight: Map<number, number>;
  /** Given up, but taken if they come all the same. */
  readonly late: Set<number>;
  lastDataAtMs: number;
  heldUntilMs: number;
  /** In a row: rejects and time-outs. */
  failures: number;
  unrequested: number;
}

/** How far it is, in bytes; `total` is what peers claim. */
export interface MetadataProgress {
  readonly received: number;
  readonly total: number;
}

/**
 * Puts the info dictionary together from pieces that several peers send (BEP 9), whoever lies. No I/O; times are ms on
 * any monotonic clock, peers are numbers.
 *
 * Peers that claim one size share a draft. When it turns out wrong and has one sender, that one is guilty. With several,
 * each of them has to send the whole: who sends a wrong one is guilty at once, and the right one shows who sent other
 * pieces to the first draft. A draft takes memory for what came, never for a claim, and all together are bounded.
 */
export class MetadataAssembler {
  readonly #infoHash: Uint8Array;
  readonly #onGuilty: (ids: readonly number[]) => void;
  readonly #random: () => number;
  readonly #peers = new Map<number, Peer>();
  #drafts: MetadataDraft[] = [];
  /** Sizes that had a wrong draft of several senders, and what was in it. */
  readonly #suspects = new Map<number, MetadataEvidence[]>();
  #metadata: Uint8Array | undefined;

  /** `onGuilty` hears of those who sent wrong pieces for sure; numbers of `random` are from 0 to 1. */
  constructor(infoHash: Uint8Array, onGuilty: (ids: readonly number[]) => void, random: () => number = Math.random) {
    this.#infoHash = infoHash;
    this.#onGuilty = onGuilty;
    this.#random = random;
  }

  /** The info dictionary, once it is here and right. */
  get metadata(): Uint8Array | undefined {
    return this.#metadata;
  }

  /** How many peers offer it. */
  get offers(): number {
    return this.#peers.size;
  }

  /** Of the draft that is furthest. */
  get progress(): MetadataProgress | undefined {
    let best: MetadataProgress | undefined;
    for (const { received, size } of this.#drafts) {
      if (!best || received / size > best.received / best.total) best = { received, total: size };
    }
    return best;
  }

  /** Bytes that are here, over all drafts. */
  get held(): number {
    return this.#drafts.reduce((sum, { received }) => sum + received, 0);
  }

  isOffering(id: number): boolean {
    return this.#peers.has(id);
  }

  /** A peer says that it has metadata of `size` bytes (1 … 16 MiB); it may say so again. */
  offer(id: number, size: number, nowMs: number): void {
    if (this.#metadata || this.#peers.get(id)?.size === size) return;
    this.remove(id);
    const inFlight = new Map<number, number>();
    const late = new Set<number>();
    const peer = { id, size, inFlight, late, lastDataAtMs: nowMs, heldUntilMs: nowMs, failures: 0, unrequested: 0 };
    this.#peers.set(id, peer);
  }

  /** A peer is gone, or has nothing to offer any more. What it sent stays. */
  remove(id: number): void {
    const peer = this.#peers.get(id);
    if (!peer) return;
    this.#release(peer);
    this.#peers.delete(id);
    this.#drafts = this.#drafts.filter((draft) => draft.sole !== id);
  }

  /** The pieces to ask a peer for now; they count as asked for. */
  request(id: number, nowMs: number): number[] {
    const peer = this.#peers.get(id);
    if (!peer || this.#metadata || nowMs < peer.heldUntilMs) return [];
    const room = MOST_IN_FLIGHT - peer.inFlight.size;
    const draft = room > 0 ? (this.#openDraftOf(peer) ?? this.#open(peer, nowMs)) : undefined;
    if (!draft) return [];
    const pieces = draft
      .missing()
      .filter((piece) => !peer.inFlight.has(piece) && this.#mayAsk(draft, piece, nowMs))
      .slice(0, room);
    if (pieces.length > 0 && peer.inFlight.size === 0) peer.lastDataAtMs = nowMs;
    for (const piece of pieces) {
      peer.late.delete(piece);
      peer.inFlight.set(piece, nowMs);
      draft.countAsked(piece, 1);
    }
    return pieces;
  }

  /**
   * Takes a `ut_metadata` payload from a peer; says whether it was a piece of use. When it was the last that was
   * missing, `metadata` is there afterwards.
   * @throws {ProtocolError} when the peer is to be dropped for it
   */
  onMessage(id: number, payload: Uint8Array, nowMs: number): boolean {
    const message = decodeMetadataMessage(payload);
    const peer = this.#peers.get(id);
    if (!peer || this.#metadata) return false;
    if (message.type === 'reject') this.#onReject(peer, message.piece, nowMs);
    if (message.type !== 'data') return false;
    const { piece, totalSize, data } = message;
    if (!peer.inFlight.has(piece) && !peer.late.has(piece)) {
      if (++peer.unrequested > MOST_UNREQUESTED) throw wrong('metadata that nobody asked for');
      return false;
    }
    if (totalSize !== undefined && totalSize !== peer.size) {
      throw wrong(`metadata of ${totalSize} bytes, and said ${peer.size} before`);
    }
    if (data.length !== lengthOfMetadataPiece(peer.size, piece)) {
      throw wrong(`${data.length} bytes as piece ${piece} of ${peer.size} bytes of metadata`);
    }
    peer.failures = 0;
    peer.lastDataAtMs = nowMs;
    const draft = this.#openDraftOf(peer);
    this.#forget(peer, piece);
    if (!draft || draft.has(piece)) return false; // it made room for another, or another was quicker
    draft.put(piece, data, id, nowMs);
    if (draft.isWhole) this.#finish(draft);
    else this.#keepInBounds(nowMs);
    return true;
  }

  /** Gives up what does not come; called a few times a second. */
  tick(nowMs: number): void {
    for (const peer of this.#peers.values()) {
      if (peer.inFlight.size === 0 || nowMs - peer.lastDataAtMs <= TIMEOUT_MS) continue;
      for (const piece of peer.inFlight.keys()) peer.late.add(piece);
      this.#release(peer);
      this.#hold(peer, nowMs);
    }
  }

  // ── Peers ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  #onReject(peer: Peer, piece: number, nowMs: number): void {
    if (!peer.inFlight.has(piece)) return;
    this.#forget(peer, piece);
    this.#hold(peer, nowMs);
  }

  #hold(peer: Peer, nowMs: number): void {
    peer.heldUntilMs = nowMs + backoffMs(++peer.failures, FIRST_HOLD_MS, LONGEST_HOLD_MS, this.#random);
  }

  /** The peer does not owe the piece any more. */
  #forget(peer: Peer, piece: number): void {
    peer.late.delete(piece);
    if (peer.inFlight.delete(piece)) this.#openDraftOf(peer)?.countAsked(piece, -1);
  }

  #release(peer: Peer): void {
    const draft = this.#openDraftOf(peer);
    for (const piece of peer.inFlight.keys()) draft?.countAsked(piece, -1);
    peer.inFlight.clear();
  }

  #mayAsk(draft: MetadataDraft, piece: number, nowMs: number): boolean {
    if (draft.askedOf(piece) < MOST_ASKED) return true;
    for (const { size, inFlight } of this.#peers.values()) {
      if (size === draft.size && nowMs - (inFlight.get(piece) ?? -Infinity) < LATE_MS) return false;
    }
    return true;
  }

  // ── Drafts ────────────────────────────────────────────────────────────────────────────────────────────────────────

  #openDraftOf({ id, size }: Peer): MetadataDraft | undefined {
    const sole = this.#suspects.has(size) ? id : undefined;
    return this.#drafts.find((draft) => draft.size === size && draft.sole === sole);
  }

  #open(peer: Peer, nowMs: number): MetadataDraft | undefined {
    const { id, size } = peer;
    const isSole = this.#suspects.has(size);
    if (isSole && !this.#hasSolePlace(size, nowMs)) return undefined;
    const draft = new MetadataDraft(size, isSole ? id : undefined, nowMs);
    this.#drafts.push(draft);
    return draft;
  }

  /** Whether one more peer may be fetched from alone. Who is held, or would take longest, makes room. */
  #hasSolePlace(size: number, nowMs: number): boolean {
    const drafts = this.#drafts.filter(({ sole }) => sole !== undefined);
    if (drafts.length < Math.max(MOST_SOLE, FREE_SOLE_BYTES / size)) return true;
    const isHeld = ({ sole }: MetadataDraft): boolean => nowMs < (this.#peers.get(sole!)?.heldUntilMs ?? Infinity);
    const [slowest] = drafts
      .filter((draft) => isHeld(draft) || nowMs - draft.openedAtMs > LEAST_SOLE_MS)
      .map((draft) => ({ draft, leftMs: isHeld(draft) ? Infinity : draft.leftMs(nowMs) }))
      .sort((a, b) => (a.leftMs < b.leftMs ? 1 : -1));
    if (slowest) this.#close(slowest.draft);
    return slowest !== undefined;
  }

  /** The draft that stalls for longest is thrown away, or the largest if none does. */
  #keepInBounds(nowMs: number): void {
    if (this.held <= MOST_HELD) return;
    const drafts = this.#drafts.filter(({ received }) => received > 0);
    const [stalled] = drafts.sort((a, b) => a.putAtMs - b.putAtMs);
    const [largest] = [...drafts].sort((a, b) => b.received - a.received);
    this.#close(stalled && nowMs - stalled.putAtMs > STALLED_MS ? stalled : largest!);
  }

  /** Throws a draft away; its peers owe nothing, though some of it may still come. */
  #close(draft: MetadataDraft): void {
    for (const peer of this.#peers.values()) {
      if (this.#openDraftOf(peer) !== draft) continue;
      for (const piece of peer.inFlight.keys()) peer.late.add(piece);
      peer.inFlight.clear();
    }
    this.#drafts.splice(this.#drafts.indexOf(draft), 1);
  }

  #finish(draft: MetadataDraft): void {
    this.#metadata = draft.verified(this.#infoHash);
    if (this.#metadata) this.#convict(this.#metadata, draft);
    else this.#refute(draft);
  }

  #refute(draft: MetadataDraft): void {
    const evidence = draft.evidence();
    const senders = [...new Set(evidence.map(({ sender }) => sender))];
    this.#close(draft);
    if (senders.length === 1) this.#tell(senders);
    else this.#suspects.set(draft.size, evidence);
  }

  /** Now it is known what is right: who sent other pieces of that size lied. */
  #convict(metadata: Uint8Array, right: MetadataDraft): void {
    const others = this.#drafts.filter((draft) => draft !== right && draft.size === right.size);
    const evidence = [...(this.#suspects.get(right.size) ?? []), ...others.flatMap((draft) => draft.evidence())];
    const liars = new Set<number>();
    for (const { piece, sender, digest } of evidence) {
      const start = piece * METADATA_PIECE_LENGTH;
      if (digest !== digestOf(metadata.subarray(start, start + METADATA_PIECE_LENGTH))) liars.add(sender);
    }
    this.#drafts = [];
    this.#suspects.clear();
    if (liars.size > 0) this.#tell([...liars]);
  }

  #tell(guilty: readonly number[]): void {
    for (const id of guilty) this.remove(id);
    this.#onGuilty(guilty);
  }
}

function wrong(what: string): ProtocolError {
  return new ProtocolError('ERR_METADATA', `the peer sent ${what}`);
}
