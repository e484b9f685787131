import { createHash } from 'node:crypto';
import { BLOCK_LENGTH } from '../common/pieces.js';

interface Suspicion {
  readonly block: number;
  readonly peer: number;
  readonly digest: string;
}

/** Failed tries that are remembered, over all pieces: memory stays bounded whatever peers send. */
const MOST_SUSPICIONS = 65_536;

/**
 * Finds out who sent the wrong bytes of a piece. A sole sender is guilty at once; of several, those are whose blocks
 * differ from the ones that later passed.
 */
export class Blame {
  readonly #suspicions = new Map<number, Suspicion[]>();
  #count = 0;

  /** Whether a try at the piece failed and nobody was found guilty of it yet. */
  isSuspicious(index: number): boolean {
    return this.#suspicions.size > 0 && this.#suspicions.has(index);
  }

  /** The piece's hash was wrong. `senders` has a peer's id for each block. Returns the ids that are guilty for sure. */
  failed(index: number, bytes: Uint8Array, senders: Int32Array): number[] {
    const ids = new Set(senders);
    if (ids.size === 1) return [...ids];
    const list = this.#suspicions.get(index) ?? [];
    this.#suspicions.set(index, list);
    if (this.#count + senders.length > MOST_SUSPICIONS) return [];
    senders.forEach((peer, block) => list.push({ block, peer, digest: digestOf(bytes, block) }));
    this.#count += senders.length;
    return [];
  }

  /** The piece's hash was right. Returns the ids of those whose earlier blocks were different. */
  passed(index: number, bytes: Uint8Array): number[] {
    const list = this.#suspicions.get(index);
    if (!list) return [];
    this.#suspicions.delete(index);
    this.#count -= list.length;
    const guilty = new Set<number>();
    const digests = new Map<number, string>();
    for (const { block, peer, digest } of list) {
      let right = digests.get(block);
      if (right === undefined) digests.set(block, (right = digestOf(bytes, block)));
      if (digest !== right) guilty.add(peer);
    }
    return [...guilty];
  }
}

function digestOf(bytes: Uint8Array, block: number): string {
  const from = block * BLOCK_LENGTH;
  return createHash('sha1')
    .update(bytes.subarray(from, from + BLOCK_LENGTH))
    .digest('base64');
}
