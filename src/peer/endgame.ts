import { BLOCK_LENGTH } from '../common/pieces.js';
import type { PieceAssembler } from '../piece/assembler.js';
import type { BlockFetcher } from './fetcher.js';

/** A block is owed by so many peers at most. */
const MOST_COPIES = 3;
/**
 * … or by so many, if those who owe it are silent: three that hang must not keep it from all others. The places above
 * three are for peers that have brought something, or a crowd that brings nothing would take them all.
 */
const MOST_COPIES_OF_STALLED = 8;
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
    const mostCopies = waitMs === Infinity && idle.isUseful ? MOST_COPIES_OF_STALLED : MOST_COPIES;
    const owed = peer.requests.list();
    for (let at = owed.length - 1; at >= 0; at--) {
      if (out.length >= most) return;
      const block = owed[at]!;
      if (waitOf(peer, at + 1, nowMs) < ownWait(idle, taken) * WORTH_IT) break;
      const isTaken = !idle.have.has(assembler.indexOf(block)) || idle.requests.has(block) || out.includes(block);
      if (isTaken || !assembler.mayDuplicate(block, mostCopies)) continue;
      assembler.duplicate(block);
      out.push(block);
      taken++;
    }
  }
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
