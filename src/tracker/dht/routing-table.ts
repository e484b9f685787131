/** The nodes that we know, many near to us and few far away (BEP 5), and hard to fill for one hand (BEP 42). */
import { formatAddress, type PeerAddress } from '../../common/address.js';
import type { Clock } from '../../common/clock.js';
import { ID_LENGTH, isLocalHost, subnetOf, type Contact } from './contact.js';
import { compareDistance, isSameId, sharedBits } from './distance.js';
import { fitsAddress } from './node-id.js';

/** Nodes in a bucket, and in an answer: the K of Kademlia. */
export const BUCKET_SIZE = 8;
/** A node that was quiet for so long is questionable, and a bucket is refreshed. */
export const QUIET_MS = 15 * 60_000;
/** Failures in a row that make a node bad, when there is one to take its place and when there is none. */
const FAILURES_TO_REPLACE = 2;
const FAILURES_TO_REMOVE = 5;

/** A node in the table. */
export interface Entry extends Contact {
  /** `formatAddress` of its address. */
  readonly key: string;
  /** That its host lies in; undefined in the own network, where any number of nodes may be. */
  readonly network: string | undefined;
  /** Its id fits its address (BEP 42). */
  readonly fits: boolean;
  /** It has answered us in this run; those of a saved table may not have. */
  isVerified: boolean;
  /** When it last answered, or asked us after it had. */
  seenAt: number;
  /** Queries in a row that it left unanswered. */
  failures: number;
}

interface Bucket {
  entries: Entry[];
  /** Verified nodes for which there was no room, the best last. */
  replacements: Entry[];
  refreshedAt: number;
}

/**
 * Bucket n holds the nodes that share exactly n bits with our id, the last one all that share more: only that one is
 * ever split.
 *
 *     own id 1011…    bucket 0: 0…   1: 11…   2: 100…   last: 101…
 */
export class RoutingTable {
  readonly id: Uint8Array;
  readonly #clock: Clock;
  readonly #buckets: Bucket[];
  /** By host and port, those in buckets only. */
  readonly #byKey = new Map<string, Entry>();
  /** Hosts in buckets that are not of the own network: each has one node. */
  readonly #hosts = new Set<string>();

  constructor(id: Uint8Array, clock: Clock) {
    this.id = id;
    this.#clock = clock;
    this.#buckets = [this.#newBucket()];
  }

  get size(): number {
    return this.#byKey.size;
  }

  /** Nodes that have answered us in this run and still do. */
  get goodNodes(): number {
    let count = 0;
    for (const entry of this.#byKey.values()) if (isGood(entry)) count++;
    return count;
  }

  find(address: PeerAddress): Entry | undefined {
    return this.#byKey.get(formatAddress(address));
  }

  entries(): Entry[] {
    return [...this.#byKey.values()];
  }

  /** Whether a node would find a place, so that it is worth a ping. */
  wants({ id, address }: Contact): boolean {
    if (isSameId(id, this.id) || this.#byKey.has(formatAddress(address))) return false;
    const bucket = this.#bucketOf(id);
    if (bucket.entries.length < BUCKET_SIZE || bucket === this.#buckets.at(-1)) return true;
    const hasRoom = bucket.replacements.length < BUCKET_SIZE;
    return hasRoom || bucket.entries.some((entry) => entry.failures > 0 || !entry.isVerified);
  }

  /**
   * Takes in a node that has just answered us, or, not verified, one of a saved table. The result, if any, is a node of
   * the same full bucket to be pinged: should it fail, the new one takes its place.
   */
  add({ id, address }: Contact, isVerified = true): Entry | undefined {
    if (isSameId(id, this.id)) return undefined;
    const key = formatAddress(address);
    const known = this.#byKey.get(key);
    if (known && isSameId(known.id, id)) {
      if (!isVerified) return undefined;
      Object.assign(known, { isVerified, seenAt: this.#clock.now(), failures: 0 });
      return undefined;
    }
    if (known) this.#remove(known); // another id: a new node, and no claim to the old one's place
    const seenAt = isVerified ? this.#clock.now() : -Infinity;
    const fits = fitsAddress(id, address.host);
    const network = isLocalHost(address.host) ? undefined : subnetOf(address.host);
    return this.#place({ id, address, key, network, fits, isVerified, seenAt, failures: 0 });
  }

  /** A node asked us something: a sign of life of one that we know. */
  heard(contact: Contact): void {
    const entry = this.find(contact.address);
    if (entry?.isVerified && entry.failures === 0 && isSameId(entry.id, contact.id)) entry.seenAt = this.#clock.now();
  }

  /** A node left a query unanswered. */
  failed(address: PeerAddress): void {
    const entry = this.find(address);
    if (!entry) return;
    entry.failures++;
    const replacement = this.#bucketOf(entry.id).replacements.length > 0;
    if (!entry.isVerified || entry.failures >= (replacement ? FAILURES_TO_REPLACE : FAILURES_TO_REMOVE)) {
      this.#remove(entry);
    }
  }

  /** A node does not keep to the rules, or is another by now. */
  remove(address: PeerAddress): void {
    const entry = this.find(address);
    if (entry) this.#remove(entry);
  }

  /** The nodes nearest to `target`, nearest first; with `onlyGood` those that others may be told of. */
  closest(target: Uint8Array, count: number, { onlyGood = false } = {}): Entry[] {
    const nearest: Entry[] = [];
    for (const entry of this.#byKey.values()) {
      if (onlyGood && !isGood(entry)) continue;
      let at = nearest.length;
      while (at > 0 && compareDistance(target, entry.id, nearest[at - 1]!.id) < 0) at--;
      if (at >= count) continue;
      nearest.splice(at, 0, entry);
      if (nearest.length > count) nearest.pop();
    }
    return nearest;
  }

  /** The node that was quiet for longest, if it was for 15 minutes: it wants a ping. */
  questionable(): Entry | undefined {
    let quietest: Entry | undefined;
    for (const entry of this.#byKey.values()) {
      if (entry.seenAt < (quietest?.seenAt ?? Infinity)) quietest = entry;
    }
    return quietest && this.#clock.now() - quietest.seenAt > QUIET_MS ? quietest : undefined;
  }

  /**
   * A bucket, by the bits that its ids share with ours, in which nothing was looked up for 15 minutes, those with room
   * first; it counts as refreshed from now on.
   */
  takeStaleBucket(): number | undefined {
    const now = this.#clock.now();
    const isStale = ({ refreshedAt }: Bucket): boolean => now - refreshedAt > QUIET_MS;
    const withRoom = this.#buckets.findIndex((bucket) => isStale(bucket) && bucket.entries.length < BUCKET_SIZE);
    const index = withRoom >= 0 ? withRoom : this.#buckets.findIndex(isStale);
    if (index < 0) return undefined;
    this.#buckets[index]!.refreshedAt = now;
    return index;
  }

  /** Something is looked up there, so its bucket needs no refresh. */
  lookedUp(target: Uint8Array): void {
    this.#bucketOf(target).refreshedAt = this.#clock.now();
  }

  #newBucket(): Bucket {
    return { entries: [], replacements: [], refreshedAt: -Infinity };
  }

  #bucketOf(id: Uint8Array): Bucket {
    return this.#buckets[Math.min(sharedBits(this.id, id), this.#buckets.length - 1)]!;
  }

  #place(entry: Entry): Entry | undefined {
    const bucket = this.#bucketOf(entry.id);
    if (!this.#makeWay(entry, bucket)) return undefined;
    if (bucket.entries.length < BUCKET_SIZE) {
      this.#insert(entry, bucket);
      return undefined;
    }
    if (bucket === this.#buckets.at(-1) && this.#buckets.length < ID_LENGTH * 8) {
      this.#split();
      return this.#place(entry);
    }
    return this.#compete(entry, bucket);
  }

  /**
   * Whether a node may be in a bucket beside those that are: one node a host in the table, and one a network in a bucket;
   * also no two with one id. Who fails, or was never heard, makes way for one that answers.
   */
  #makeWay(entry: Entry, bucket: Bucket): boolean {
    const { network } = entry;
    const rivals = bucket.entries.filter(
      (other) => isSameId(other.id, entry.id) || (network !== undefined && other.network === network),
    );
    const { host } = entry.address;
    if (this.#hosts.has(host)) rivals.push(...this.entries().filter(({ address }) => address.host === host));
    if (rivals.some((rival) => !entry.isVerified || (rival.isVerified && rival.failures === 0))) return false;
    for (const rival of new Set(rivals)) this.#remove(rival, false);
    return true;
  }

  /** In a full bucket who failed makes way at once, then who has an id that does not fit; else the new one waits. */
  #compete(entry: Entry, bucket: Bucket): Entry | undefined {
    if (!entry.isVerified) return undefined;
    const worse =
      bucket.entries.find((other) => other.failures >= FAILURES_TO_REPLACE || !other.isVerified) ??
      (entry.fits ? bucket.entries.find((other) => !other.fits) : undefined);
    if (worse) {
      this.#remove(worse, false);
      this.#insert(entry, bucket);
      if (worse.isVerified && worse.failures === 0) keepReplacement(bucket, worse);
      return undefined;
    }
    keepReplacement(bucket, entry);
    const questionable = (other: Entry): boolean => other.failures > 0 || this.#clock.now() - other.seenAt > QUIET_MS;
    return bucket.entries.find(questionable);
  }

  #split(): void {
    const last = this.#buckets.pop()!;
    const depth = this.#buckets.length;
    const isFar = ({ id }: Entry): boolean => sharedBits(this.id, id) === depth;
    const half = (belongs: (entry: Entry) => boolean): Bucket => ({
      entries: last.entries.filter(belongs),
      replacements: last.replacements.filter(belongs),
      refreshedAt: last.refreshedAt,
    });
    this.#buckets.push(
      half(isFar),
      half((entry) => !isFar(entry)),
    );
  }

  #insert(entry: Entry, bucket: Bucket): void {
    bucket.entries.push(entry);
    bucket.replacements = bucket.replacements.filter(({ key }) => key !== entry.key);
    this.#byKey.set(entry.key, entry);
    if (entry.network !== undefined) this.#hosts.add(entry.address.host);
  }

  /** Takes a node out; its bucket's best replacement comes in. */
  #remove(entry: Entry, mayReplace = true): void {
    const bucket = this.#bucketOf(entry.id);
    bucket.entries = bucket.entries.filter((other) => other !== entry);
    this.#byKey.delete(entry.key);
    this.#hosts.delete(entry.address.host);
    while (mayReplace && bucket.entries.length < BUCKET_SIZE) {
      const replacement = bucket.replacements.pop();
      if (!replacement) return;
      if (!this.#byKey.has(replacement.key) && this.#makeWay(replacement, bucket)) this.#insert(replacement, bucket);
    }
  }
}

function isGood(entry: Entry): boolean {
  return entry.isVerified && entry.failures === 0;
}

/** Ids that fit go behind those that do not, for the last is taken first; the first makes way. */
function keepReplacement(bucket: Bucket, entry: Entry): void {
  const others = bucket.replacements.filter(({ key }) => key !== entry.key);
  const kept = entry.fits
    ? [...others, entry]
    : [...others.filter((other) => !other.fits), entry, ...others.filter((other) => other.fits)];
  bucket.replacements = kept.slice(-BUCKET_SIZE);
}
