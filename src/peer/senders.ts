import type { PeerAddress } from '../common/address.js';

/** Peers that brought something and have left, whose guilt may show later. */
const MOST_SENDERS = 20_000;

/** Where the senders of blocks are, by the ids of their connections: guilt may show after they have gone. */
export class Senders {
  readonly #addresses = new Map<number, PeerAddress>();

  add(id: number, address: PeerAddress): void {
    this.#addresses.set(id, address);
  }

  /** The address of a sender, which is forgotten: it is told once. */
  take(id: number): PeerAddress | undefined {
    const address = this.#addresses.get(id);
    this.#addresses.delete(id);
    return address;
  }

  /** A sender has left. Of too many, those go who left longest ago; `present` are the ids of those that are there. */
  left(id: number, wasUseful: boolean, present: () => ReadonlySet<number>): void {
    if (!wasUseful) this.#addresses.delete(id);
    if (this.#addresses.size <= MOST_SENDERS) return;
    const kept = present();
    for (const other of this.#addresses.keys()) {
      if (this.#addresses.size <= MOST_SENDERS / 2) return;
      if (!kept.has(other)) this.#addresses.delete(other);
    }
  }
}
