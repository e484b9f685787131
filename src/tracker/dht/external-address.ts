/** What others say of our address (BEP 42): believed once enough of them agree. */
import { isUnicast } from '../../common/ip.js';
import { familyOf, isLocalHost, subnetOf, type Family } from './contact.js';

/** One voter alone, or some in one hand, must not be able to move us about. */
const LEAST_VOTERS = 6;
const MOST_VOTERS = 32;

export class ExternalAddress {
  readonly #family: Family;
  /** The voter's network → the address that it saw; the oldest first. */
  readonly #votes = new Map<string, string>();
  #ip: string | undefined;

  constructor(family: Family) {
    this.#family = family;
  }

  /** Undefined until enough voters agree. */
  get ip(): string | undefined {
    return this.#ip;
  }

  /** Takes a vote; each network has one. True when `ip` has changed by it. */
  vote(ip: string, voter: string): boolean {
    if (familyOf(ip) !== this.#family || isLocalHost(ip) || !isUnicast(ip) || isLocalHost(voter)) return false;
    const network = subnetOf(voter);
    this.#votes.delete(network);
    this.#votes.set(network, ip);
    for (const oldest of this.#votes.keys()) {
      if (this.#votes.size <= MOST_VOTERS) break;
      this.#votes.delete(oldest);
    }
    let agreeing = 0;
    for (const other of this.#votes.values()) if (other === ip) agreeing++;
    if (ip === this.#ip || agreeing < LEAST_VOTERS || 2 * agreeing <= this.#votes.size) return false;
    this.#ip = ip;
    return true;
  }
}
