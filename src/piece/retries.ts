/** How long a peer has for its try, in ticks; twice that from its second try at a piece on. */
const PATIENCE = 30;

/** Who fetches a failed piece now, and who has had a try. */
interface Turn {
  peer: number;
  dueAt: number;
  readonly tried: Set<number>;
  patience: number;
}

/**
 * Pieces that failed without anybody being found guilty: one peer alone fetches such a piece again, so that it is known who
 * fails it. Whoever does not bring it in time gives way to one that has not tried, and what it brought is thrown away.
 */
export class Retries {
  /** By piece. */
  readonly #turns = new Map<number, Turn>();

  /** The peer begins with the piece, afresh. */
  begin(index: number, peer: number, tick: number): void {
    const turn = this.#turns.get(index) ?? { peer, dueAt: 0, tried: new Set(), patience: PATIENCE };
    if (turn.tried.has(peer)) turn.patience *= 2;
    turn.tried.add(peer);
    turn.peer = peer;
    turn.dueAt = tick + turn.patience;
    this.#turns.set(index, turn);
  }

  /** The piece is right. */
  end(index: number): void {
    this.#turns.delete(index);
  }

  /** Whether the piece is another one's for now. */
  isKeptFrom(index: number, peer: number): boolean {
    if (this.#turns.size === 0) return false;
    const turn = this.#turns.get(index);
    return turn !== undefined && turn.peer !== peer;
  }

  /** A piece that the peer may take over, of those for which `isThere`; -1 when there is none. */
  overdue(peer: number, tick: number, isThere: (index: number) => boolean): number {
    for (const [index, turn] of this.#turns) {
      const since = turn.tried.has(peer) ? turn.dueAt + turn.patience : turn.dueAt;
      if (turn.peer !== peer && tick >= since && isThere(index)) return index;
    }
    return -1;
  }
}
