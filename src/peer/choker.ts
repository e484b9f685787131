/** Regular slots; the optimistic unchoke is one more. */
const SLOTS = 8;
/** Bytes per second that make a slot worth having: with less, a block takes so long that the peer gives up. */
const LEAST_OF_SLOT = 2048;
const OPTIMISTIC_MS = 30_000;
/** Connected for less than that, a peer is new: likelier to be tried (BEP 3). */
const NEW_FOR_MS = 60_000;
const WEIGHT_OF_NEW = 3;
/** A slot that was not earned by a rate goes on to whoever waits after so long. */
const TURN_MS = 60_000;

/** Slots when we send no more than so many bytes per second. */
export function slotsWithin(perSecond = Infinity): number {
  return Math.max(1, Math.min(SLOTS, Math.floor(perSecond / LEAST_OF_SLOT)));
}

/** Since when a peer is choked, or is not. */
interface State {
  readonly isUnchoked: boolean;
  readonly sinceMs: number;
}

/** What the choker has to know of an open connection. */
export interface ChokeCandidate {
  /** Unique in this run. */
  readonly id: number;
  /** We do not choke it at present. */
  readonly isUnchoked: boolean;
  readonly peerInterested: boolean;
  /** Bytes per second from the peer, and to it. */
  readonly downloadPerSecond: number;
  readonly uploadPerSecond: number;
  /** It owes us blocks for long. */
  readonly isSnubbed: boolean;
  readonly connectedAtMs: number;
  readonly weAreSeeding: boolean;
}

/**
 * Who may request blocks from us (BEP 3): those who give most; when we are seeding, each in turn. One more, for 30 s at a
 * time, is unchoked optimistically, for a better peer may be found so.
 */
export class Choker {
  readonly #slots: number;
  readonly #random: () => number;
  #states = new Map<number, State>();
  #optimistic = -1;
  #optimisticUntil = 0;

  /** `random` gives numbers from 0 to 1. */
  constructor({ slots = SLOTS, random = Math.random }: { slots?: number; random?: () => number } = {}) {
    this.#slots = slots;
    this.#random = random;
  }

  /** Whether a peer that has just become interested may be unchoked at once: so that a lone one never waits for a turn. */
  mayUnchoke(peers: readonly ChokeCandidate[]): boolean {
    return peers.filter((peer) => peer.isUnchoked && peer.peerInterested).length < this.#slots;
  }

  /** To be called every 10 s: the ids of those to be unchoked; all others are to be choked. */
  rechoke(peers: readonly ChokeCandidate[], now: number): Set<number> {
    this.#note(peers, now);
    const interested = peers.filter((peer) => peer.peerInterested);
    const regular = interested
      .filter((peer) => peer.weAreSeeding || !peer.isSnubbed)
      .sort((a, b) => this.#compare(a, b, now))
      .slice(0, this.#slots);
    const unchoked = new Set(regular.map((peer) => peer.id));
    const optimistic = this.#chooseOptimistic(
      interested.filter((peer) => !unchoked.has(peer.id)),
      now,
    );
    if (optimistic >= 0) unchoked.add(optimistic);
    return unchoked;
  }

  /** What others did since, such as unchoke at once, counts from now. */
  #note(peers: readonly ChokeCandidate[], now: number): void {
    const states = new Map<number, State>();
    for (const { id, isUnchoked, connectedAtMs } of peers) {
      const state = this.#states.get(id) ?? { isUnchoked: false, sinceMs: connectedAtMs };
      states.set(id, state.isUnchoked === isUnchoked ? state : { isUnchoked, sinceMs: now });
    }
    this.#states = states;
  }

  /** Best first. */
  #compare(a: ChokeCandidate, b: ChokeCandidate, now: number): number {
    if (!a.weAreSeeding && a.downloadPerSecond !== b.downloadPerSecond)
      return b.downloadPerSecond - a.downloadPerSecond;
    const turn = this.#turn(a, now);
    if (turn !== this.#turn(b, now)) return turn - this.#turn(b, now);
    if (turn === 2) return b.uploadPerSecond - a.uploadPerSecond;
    return this.#states.get(a.id)!.sinceMs - this.#states.get(b.id)!.sinceMs;
  }

  /**
   * 0: has its turn, and keeps it; 1: waits, the longest first; 2: had its turn, and stays if nobody waits; 3: is the
   * optimistic one, for that is a turn too.
   */
  #turn({ id }: ChokeCandidate, now: number): 0 | 1 | 2 | 3 {
    if (id === this.#optimistic) return 3;
    const { isUnchoked, sinceMs } = this.#states.get(id)!;
    if (!isUnchoked) return 1;
    return now - sinceMs < TURN_MS ? 0 : 2;
  }

  /** Keeps the present one for its 30 s as long as it is among the others; or draws another one, or -1. */
  #chooseOptimistic(others: readonly ChokeCandidate[], now: number): number {
    if (now < this.#optimisticUntil && others.some((peer) => peer.id === this.#optimistic)) return this.#optimistic;
    const fresh = others.filter((peer) => peer.id !== this.#optimistic);
    const drawn = this.#draw(fresh.length > 0 ? fresh : others, now);
    this.#optimistic = drawn?.id ?? -1;
    this.#optimisticUntil = now + OPTIMISTIC_MS;
    return this.#optimistic;
  }

  #draw(peers: readonly ChokeCandidate[], now: number): ChokeCandidate | undefined {
    const weightOf = (peer: ChokeCandidate): number => (now - peer.connectedAtMs < NEW_FOR_MS ? WEIGHT_OF_NEW : 1);
    let lot = this.#random() * peers.reduce((sum, peer) => sum + weightOf(peer), 0);
    for (const peer of peers) {
      lot -= weightOf(peer);
      if (lot < 0) return peer;
    }
    return peers.at(-1);
  }
}
