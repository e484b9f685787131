/** Peers that others announced to us (BEP 5). Bounded in every direction. */
import type { PeerAddress } from '../../common/address.js';
import type { Clock } from '../../common/clock.js';
import { compactAddress, sourceOf } from './contact.js';

const KEPT_MS = 30 * 60_000;
const MOST_PER_HASH = 200;
const MOST_PER_SOURCE = 64;
const MOST = 10_000;

interface StoredPeer {
  readonly compact: Uint8Array;
  /** Who announced it, for the limit. */
  readonly source: string;
  readonly expiresAt: number;
}

type Peers = Map<string, StoredPeer>;

export class PeerStore {
  readonly #clock: Clock;
  /** Info hash → host and port → peer. In both, what was announced longest ago comes first. */
  readonly #byHash = new Map<string, Peers>();
  readonly #bySource = new Map<string, number>();
  #size = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Peers of all torrents; some may have expired. */
  get size(): number {
    return this.#size;
  }

  get hashes(): number {
    return this.#byHash.size;
  }

  /** Keeps a peer for half an hour. False when its host announced too many already. */
  add(infoHash: Uint8Array, peer: PeerAddress): boolean {
    const compact = compactAddress(peer);
    if (!compact) return false;
    const hash = keyOf(infoHash);
    const key = keyOf(compact);
    const peers = this.#byHash.get(hash) ?? new Map<string, StoredPeer>();
    this.#remove(hash, peers, key);
    this.#expire(peers, hash);
    const source = sourceOf(peer);
    const ofSource = this.#bySource.get(source) ?? 0;
    if (ofSource >= MOST_PER_SOURCE) return false;
    if (peers.size >= MOST_PER_HASH) this.#remove(hash, peers, firstKey(peers)!);
    while (this.#size >= MOST) this.#removeOldest();
    this.#byHash.delete(hash);
    this.#byHash.set(hash, peers.set(key, { compact, source, expiresAt: this.#clock.now() + KEPT_MS }));
    this.#bySource.set(source, ofSource + 1);
    this.#size++;
    return true;
  }

  /** Up to `most` peers, compact; the newest when there are more. */
  get(infoHash: Uint8Array, most: number): Uint8Array[] {
    const hash = keyOf(infoHash);
    const peers = this.#byHash.get(hash);
    if (!peers) return [];
    this.#expire(peers, hash);
    return [...peers.values()]
      .slice(-most)
      .reverse()
      .map(({ compact }) => compact);
  }

  /** Forgets what has expired; to be called now and then. */
  expire(): void {
    for (const [hash, peers] of this.#byHash) this.#expire(peers, hash);
  }

  #expire(peers: Peers, hash: string): void {
    const now = this.#clock.now();
    for (const [key, { expiresAt }] of peers) {
      if (expiresAt > now) return;
      this.#remove(hash, peers, key);
    }
  }

  #removeOldest(): void {
    const hash = firstKey(this.#byHash)!;
    const peers = this.#byHash.get(hash)!;
    this.#remove(hash, peers, firstKey(peers)!);
  }

  #remove(hash: string, peers: Peers, key: string): void {
    const peer = peers.get(key);
    if (!peer) return;
    peers.delete(key);
    this.#size--;
    if (peers.size === 0) this.#byHash.delete(hash);
    const ofSource = this.#bySource.get(peer.source)! - 1;
    if (ofSource === 0) this.#bySource.delete(peer.source);
    else this.#bySource.set(peer.source, ofSource);
  }
}

function firstKey(map: ReadonlyMap<string, unknown>): string | undefined {
  return map.keys().next().value;
}

function keyOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}
