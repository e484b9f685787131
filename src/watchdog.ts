/** Notices a download that waits for nobody but itself. */
import type { Bitfield } from './common/bitfield.js';

/**
 * Looks in a row, at least a quarter of a second apart, at which we owe something and nothing is done: a minute. Looks
 * are counted and not time, for a process that was stopped, or a machine that slept, has not looked.
 */
const PATIENCE = 240;

/** What one look at a download finds. */
export interface Sign {
  /** A number that changes whenever something is asked for, comes in or is done. */
  readonly progress: number;
  /** What only we can do next, in words; undefined when it is the turn of others: of peers, the disk, a reader. */
  readonly owed: string | undefined;
}

/**
 * Tells a download that waits for others from one that waits for itself. The latter cannot be, so it is a bug; ending with
 * the state saved is better than to hang for ever.
 */
export class Watchdog {
  #progress = NaN;
  #looks = 0;

  /** To be called every 250 ms or less often. Says what is wrong, once nothing but we could help for a minute. */
  look({ progress, owed }: Sign): Error | undefined {
    if (owed === undefined || progress !== this.#progress) this.#looks = 0;
    else this.#looks++;
    this.#progress = progress;
    return this.#looks < PATIENCE ? undefined : new Error(`bug: no progress for a minute: ${owed!}`);
  }
}

/** What `owedBy` has to know of the stages. */
export interface Watched {
  readonly session: { readonly threads: { readonly isStuck: boolean } };
  readonly target: { readonly isWaiting: boolean; readonly keepsPieces: boolean };
  readonly slots: {
    readonly isEmpty: boolean;
    readonly isFull: boolean;
    readonly isWriting: boolean;
    readonly mayStart: boolean;
    readonly open: readonly number[];
    pieceOf: (slot: number) => number;
  };
  readonly picker: { readonly wantedCount: number; hasWanted: (have: Bitfield) => boolean };
}

/** … and of a peer. */
export interface WatchedPeer {
  readonly isOpen: boolean;
  readonly peerChoking: boolean;
  readonly have: Bitfield;
  readonly fetcher: { readonly requests: { readonly size: number }; readonly isInLine: boolean };
}

/** What nobody but we can do next, or undefined; `peers` when pieces are to be fetched from them. */
export function owedBy(watched: Watched, peers: Iterable<WatchedPeer> | undefined): string | undefined {
  const { session, target, slots, picker } = watched;
  if (session.threads.isStuck) return 'a disk thread has answered, and nobody listens';
  if (!peers || target.isWaiting || slots.isWriting) return undefined;
  let ready = 0;
  for (const peer of peers) {
    if (peer.fetcher.requests.size > 0) return undefined;
    if (!peer.fetcher.isInLine && isReady(watched, peer)) ready++;
  }
  if (ready > 0) return `peers that could send were not asked (${ready})`;
  if (!target.keepsPieces) return undefined; // slots wait for their turn, and that for a peer
  if (slots.isFull && slots.open.length === 0) return 'all memory is taken, and nobody was asked for what lacks there';
  return slots.isEmpty && picker.wantedCount === 0 ? 'pieces lack, and none is wanted' : undefined;
}

/** Whether nothing comes because we do not ask: a download limit lets others go first, or is a block in many seconds. */
export function isHeldBack(watched: Watched, peers: Iterable<WatchedPeer>): boolean {
  for (const peer of peers) if (peer.fetcher.isInLine && isReady(watched, peer)) return true;
  return false;
}

function isReady(watched: Watched, { isOpen, peerChoking, have }: WatchedPeer): boolean {
  return isOpen && !peerChoking && couldAsk(watched, have);
}

/** Whether a peer has something that may be asked for now. */
function couldAsk({ target, slots, picker }: Watched, have: Bitfield): boolean {
  if (slots.open.some((slot) => have.has(slots.pieceOf(slot)))) return true;
  return target.keepsPieces && slots.mayStart && picker.hasWanted(have);
}
