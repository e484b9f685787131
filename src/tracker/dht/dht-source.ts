/** One torrent's peers by the DHT. */
import type { PeerAddress } from '../../common/address.js';
import { backoffMs } from '../../common/backoff.js';
import type { Clock } from '../../common/clock.js';
import { TrackerError } from '../../common/errors.js';
import type { PeerSource, SourceStatus } from '../source.js';
import type { Dht, SearchResult } from './dht.js';

const NAME = 'DHT';
/** Nodes forget us after half an hour. */
const SEARCH_EVERY_MS = 15 * 60_000;
/** When more peers are wanted, though the last search found some. */
const AGAIN_AFTER_MS = 60_000;
/** When nobody was found, or nobody answered: so at first, then less and less often. */
const [FIRST_RETRY_MS, LAST_RETRY_MS] = [5000, 60_000];

export interface DhtSourceOptions {
  /** 20 bytes. */
  readonly infoHash: Uint8Array;
  /** The port that peers reach us at; 0 when they cannot, and then nothing is announced. */
  readonly port: () => number;
  /** Called as peers are found; `source` is fit for the user's eyes. */
  readonly onPeers: (addresses: readonly PeerAddress[], source: string) => void;
  /** Whether we have everything (BEP 33). */
  readonly isSeed?: () => boolean;
  /** Default: that of the DHT. */
  readonly clock?: Clock;
  /** Numbers from 0 to below 1. */
  readonly random?: () => number;
}

/** Searches, and announces, at once and every 15 minutes; not for private torrents (BEP 27). */
export class DhtSource implements PeerSource {
  readonly #dht: Dht;
  readonly #options: DhtSourceOptions;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #forgetAwake: () => void;
  #isSearching = false;
  #isClosed = false;
  #wantsPeers = false;
  #wasCompleted = false;
  #endedAt = -Infinity;
  #dueAt: number | undefined;
  /** Searches in a row that found no peer. */
  #fruitless = 0;
  /** Of the last search that ended; undefined before there was one. */
  #last: SearchResult | undefined;
  /** Peers that the search under way has found. */
  #found = 0;
  #cancelSearch = (): void => undefined;
  #cancelTimer = (): void => undefined;

  /** Begins at once; where no node is known yet, as soon as one is. */
  static open(dht: Dht, options: DhtSourceOptions): DhtSource {
    return new DhtSource(dht, options);
  }

  private constructor(dht: Dht, options: DhtSourceOptions) {
    this.#dht = dht;
    this.#options = options;
    this.#clock = options.clock ?? dht.clock;
    this.#random = options.random ?? Math.random;
    this.#forgetAwake = dht.onAwake(() => {
      if (this.#last?.answers === 0) this.#search();
    });
    this.#search();
  }

  /** Searches again: a minute after a search that found peers, five seconds or more after one that did not. */
  requestPeers(): void {
    if (this.#wantsPeers) return;
    this.#wantsPeers = true;
    this.#schedule();
  }

  /** The next announce says that we have everything; it comes as soon as if peers were wanted. */
  completed(): void {
    this.#wasCompleted = true;
    this.#schedule();
  }

  status(): readonly SourceStatus[] {
    const error = this.#error();
    const peers = this.#isSearching && this.#found > 0 ? this.#found : this.#last?.peers;
    return [
      {
        name: NAME,
        state: this.#found > 0 || this.#last?.answers ? 'working' : error && !this.#isSearching ? 'failed' : 'asking',
        ...(peers !== undefined && { peers }),
        ...(error && { message: reasonOf(error) }),
        ...(this.#dueAt !== undefined && { nextInMs: Math.max(0, this.#dueAt - this.#clock.now()) }),
      },
    ];
  }

  /** Why no node answered; undefined as long as none had the chance to, or one did in the last search. */
  failures(): readonly Error[] | undefined {
    const error = this.#error();
    return error && [error];
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#forgetAwake();
    this.#cancelSearch();
    this.#cancelTimer();
    this.#dueAt = undefined;
    return Promise.resolve();
  }

  #search(): void {
    if (this.#isClosed || this.#isSearching) return;
    this.#cancelTimer();
    this.#dueAt = undefined;
    [this.#isSearching, this.#wantsPeers, this.#wasCompleted] = [true, false, false];
    this.#found = 0;
    const { infoHash, onPeers } = this.#options;
    this.#cancelSearch = this.#dht.search({
      infoHash,
      announce: () => this.#announcement(),
      onPeers: (peers) => {
        this.#found += peers.length;
        onPeers(peers, NAME);
      },
      onEnd: (result) => {
        this.#isSearching = false;
        this.#last = result;
        this.#fruitless = result.peers > 0 ? 0 : this.#fruitless + 1;
        this.#endedAt = this.#clock.now();
        this.#schedule();
      },
    });
  }

  #announcement(): { port: number; isSeed: boolean } | undefined {
    const port = this.#options.port();
    return port === 0 ? undefined : { port, isSeed: this.#options.isSeed?.() ?? false };
  }

  #schedule(): void {
    if (this.#isClosed || this.#isSearching) return;
    this.#cancelTimer();
    this.#dueAt = Math.max(this.#endedAt + this.#pauseMs(), this.#clock.now());
    this.#cancelTimer = this.#clock.after(this.#dueAt - this.#clock.now(), () => this.#search());
  }

  #pauseMs(): number {
    const isUrgent = this.#wantsPeers || this.#wasCompleted || this.#last?.answers === 0;
    if (!isUrgent) return SEARCH_EVERY_MS;
    if (this.#fruitless === 0) return AGAIN_AFTER_MS;
    return Math.min(LAST_RETRY_MS, backoffMs(this.#fruitless, FIRST_RETRY_MS, LAST_RETRY_MS, this.#random));
  }

  #error(): Error | undefined {
    if (this.#last?.answers !== 0 || this.#found > 0) return undefined;
    const { unresolved } = this.#dht;
    const { nodes4, nodes6 } = this.#dht.status();
    const isLost = unresolved.length > 0 && nodes4 + nodes6 === 0;
    const reason = isLost ? `cannot resolve ${unresolved.join(', ')}` : 'no node answered';
    return failure('ERR_DHT_UNREACHABLE', reason);
  }
}

/** As of trackers: the error on its own says where, the status only why. */
function failure(code: string, reason: string): TrackerError {
  return new TrackerError(code, `${NAME}: ${reason}`, { cause: new TrackerError(code, reason) });
}

function reasonOf({ cause, message }: Error): string {
  return cause instanceof Error ? cause.message : message;
}
