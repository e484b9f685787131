import { BLOCK_LENGTH } from '../common/pieces.js';
import type { PieceAssembler } from '../piece/assembler.js';
import type { BlockFetcher } from './fetcher.js';

/** A block is owed by so many peers at most … */
const MOST_COPIES = 3;
/**
 * … of whom anything can be expected. A crowd that hangs must not keep it from all others: who has brought something is asked
 * as well, and who has brought nothing yet for a first block, on trial.
 */
const MOST_COPIES_OF_STALLED = 200;
const MOST_COPIES_ON_TRIAL = 100;
/** A second peer is asked only when it is expected to be that much sooner. */
const WORTH_IT = 1.5;
/** Nothing for so long from a peer that owes blocks: it is not waited for. */
const STALLED_MS = 2000;

/**
 * When everything was asked for, an idle peer is asked for blocks that slower ones owe: those that would come last
 * first, and only if it is likely to bring them sooner. So one slow peer never holds the end up, and equals do not
 * fetch everything twice. Pushes the blocks to `out`.
 */
export function hedge(
  idle: BlockFetcher,
  others: readonly BlockFetcher[],
  assembler: PieceAssembler,
  most: number,
  out: number[],
): void {
  const { nowMs } = idle;
  if (idle.requests.size > 0 && waitOf(idle, 0, nowMs) === Infinity) return; // it hangs itself
  const victims: { peer: BlockFetcher; waitMs: number }[] = [];
  for (const peer of others) {
    if (peer !== idle && peer.requests.size > 0)
      victims.push({ peer, waitMs: waitOf(peer, peer.requests.size, nowMs) });
  }
  victims.sort((a, b) => b.waitMs - a.waitMs);
  let taken = out.length;
  for (const { peer, waitMs } of victims) {
    if (waitMs < ownWait(idle, taken) * WORTH_IT) return;
    const owed = peer.requests.list();
    for (let at = owed.length - 1; at >= 0; at--) {
      if (out.length >= most) return;
      const block = owed[at]!;
      if (waitOf(peer, at + 1, nowMs) < ownWait(idle, taken) * WORTH_IT) break;
      const isTaken = !idle.have.has(assembler.indexOf(block)) || idle.requests.has(block) || out.includes(block);
      if (waitMs === Infinity && briskOwers(block, victims) >= MOST_COPIES) continue;
      if (isTaken || !assembler.mayDuplicate(block, mostCopies(idle, waitMs, out.length))) continue;
      assembler.duplicate(block);
      out.push(block);
      taken++;
    }
  }
}

/** How many of those that owe the block can be expected to bring it, for they have brought others. */
function briskOwers(block: number, owers: readonly { readonly peer: BlockFetcher; readonly waitMs: number }[]): number {
  return owers.filter(({ peer, waitMs }) => peer.isUseful && waitMs < Infinity && peer.requests.has(block)).length;
}

/** Of a block that can be expected in `waitMs`, for `idle`, which is asked for `chosen` blocks already. */
function mostCopies(idle: BlockFetcher, waitMs: number, chosen: number): number {
  if (waitMs < Infinity) return MOST_COPIES;
  if (idle.isUseful) return MOST_COPIES_OF_STALLED;
  return idle.requests.size + chosen === 0 ? MOST_COPIES_ON_TRIAL : MOST_COPIES;
}

/** When the peer's `place`-th owed block can be expected, in ms from now. */
function waitOf(peer: BlockFetcher, place: number, nowMs: number): number {
  const silence = nowMs - Math.max(peer.lastBlockAtMs, peer.requests.oldestMs);
  const trip = peer.pipeline.roundTripMs;
  if (silence > STALLED_MS && !(silence < 2 * trip && Number.isFinite(trip))) return Infinity;
  const perMs = peer.pipeline.perSecond / 1000;
  if (perMs > 0) return (place * BLOCK_LENGTH) / perMs;
  return silence + place * 50; // no rate yet: the longer it is silent, the less is expected
}

function ownWait(peer: BlockFetcher, more: number): number {
  const perMs = peer.pipeline.perSecond / 1000;
  const trip = Number.isFinite(peer.pipeline.roundTripMs) ? peer.pipeline.roundTripMs : 200;
  const queued = peer.requests.size + more + 1;
  return trip + (perMs > 0 ? (queued * BLOCK_LENGTH) / perMs : queued * 50);
}
