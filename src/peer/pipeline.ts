import { BLOCK_LENGTH } from '../common/pieces.js';

/** Requests at the start: enough to see a rate, little enough for a slow peer to answer soon. */
const INITIAL = 32;
const LEAST = 4;
/** Requests more for each block that comes in slow start, and how far that may go within one window. */
const GROWTH = 4;
const MOST_GROWTH = 5;
/** Asked of a peer that did not name its limit (`reqq`). */
const UNKNOWN_LIMIT = 4096;
/** … and of one that drops some, at first. */
const LEAST_LIMIT = 16;
/** Time to keep a peer busy beyond the round trip, and the most bytes that this may be. */
const SLACK_MS = 400;
const MOST_SLACK = 512 * 1024;
/** Faster peers than that, in bytes per ms, get less: what is in flight from all of them should fit in the cache. */
const FAST = 32 * 1024;
const MOST_SLACK_WHEN_FAST = 128 * 1024;
/** On loopback the clock shows less than this now and then. */
const LEAST_ROUND_TRIP_MS = 0.25;
/** A rate is measured over one round trip, but at least that long; less in slow start, or it would overshoot. */
const LEAST_WINDOW_MS = 50;
const LEAST_FIRST_WINDOW_MS = 5;
/** Growth in a window by which slow start goes on. */
const STILL_GROWING = 1.25;

/**
 * How many requests to keep in flight: what the path holds (rate × shortest round trip, doubled so that growth shows)
 * and some slack. Begins with a slow start, as TCP does: more for each block that came, until the rate stops growing.
 */
export class RequestPipeline {
  /** What the peer said, and what it may have now. */
  #most = UNKNOWN_LIMIT;
  #limit = UNKNOWN_LIMIT;
  #target = INITIAL;
  #isSlowStart = true;
  /** Where slow start stops growing in this window. */
  #ceiling = INITIAL * MOST_GROWTH;
  #roundTripMs = Infinity;
  #windowStart = -1;
  #windowBytes = 0;
  #perMs = 0;

  /** Requests to have in flight now. */
  get target(): number {
    return this.#target;
  }

  /** Shortest time from request to block, in ms; Infinity before the first block. */
  get roundTripMs(): number {
    return this.#roundTripMs;
  }

  /** Bytes per second in the last window of about a round trip; 0 before the first. */
  get perSecond(): number {
    return this.#perMs * 1000;
  }

  /** The peer said how many requests it keeps (`reqq`, BEP 10). */
  limitTo(requests: number): void {
    this.#most = this.#limit = Math.max(1, Math.min(requests, UNKNOWN_LIMIT * 2));
    this.#target = Math.min(this.#target, this.#limit);
  }

  /** What it owed did not come: it may keep fewer than it said, until it shows otherwise block by block. */
  dropped(): void {
    this.#limit = Math.min(this.#most, Math.max(LEAST_LIMIT, this.#limit >> 1));
    this.#target = Math.min(this.#target, this.#limit);
  }

  get limit(): number {
    return this.#limit;
  }

  /** A block of `bytes` came that was requested at `sentAt`. */
  received(bytes: number, sentAtMs: number, nowMs: number): void {
    // Never forgotten: once the pipe is full every later trip holds our own queue, and would make it longer still.
    this.#roundTripMs = Math.min(this.#roundTripMs, nowMs - sentAtMs);
    this.#windowBytes += bytes;
    if (this.#limit < this.#most) this.#limit++;
    if (this.#isSlowStart) this.#target = Math.min(this.#limit, this.#ceiling, this.#target + GROWTH);
    if (this.#windowStart < 0) this.#windowStart = sentAtMs;
    const elapsed = nowMs - this.#windowStart;
    const least = this.#isSlowStart ? LEAST_FIRST_WINDOW_MS : LEAST_WINDOW_MS;
    if (elapsed >= Math.max(least, this.#roundTripMs)) this.#endWindow(elapsed, nowMs);
  }

  /** Nothing is owed: what follows is measured anew, lest idle time counts as slowness. */
  paused(): void {
    this.#windowStart = -1;
    this.#windowBytes = 0;
  }

  /** The peer is choking or stalls: what we know of its rate is void. */
  reset(): void {
    this.#isSlowStart = true;
    this.#target = Math.min(INITIAL, this.#limit);
    this.#ceiling = INITIAL * MOST_GROWTH;
    this.#perMs = 0;
    this.paused();
  }

  #endWindow(elapsedMs: number, nowMs: number): void {
    const perMs = this.#windowBytes / elapsedMs;
    if (this.#isSlowStart && perMs < this.#perMs * STILL_GROWING) this.#isSlowStart = false;
    // A fall is taken slowly, one late window is no new rate.
    this.#perMs = perMs > this.#perMs ? perMs : this.#perMs * 0.75 + perMs * 0.25;
    this.#windowStart = nowMs;
    this.#windowBytes = 0;
    this.#ceiling = this.#target * MOST_GROWTH;
    if (this.#isSlowStart) return;
    const path = 2 * this.#perMs * Math.max(this.#roundTripMs, LEAST_ROUND_TRIP_MS);
    const slack = Math.min(this.#perMs * SLACK_MS, this.#perMs > FAST ? MOST_SLACK_WHEN_FAST : MOST_SLACK);
    this.#target = Math.min(this.#limit, Math.max(LEAST, Math.ceil((path + slack) / BLOCK_LENGTH)));
  }
}
