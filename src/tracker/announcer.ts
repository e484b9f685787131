/** Stage 2: `Metainfo` → addresses. Announces a torrent to its trackers. */
import { randomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import createDebug from 'debug';
import type { PeerAddress } from '../common/address.js';
import { systemClock, type Clock } from '../common/clock.js';
import { TrackerError, bug } from '../common/errors.js';
import type { Announce, AnnounceEvent, AnnounceLimits, AnnounceReply } from './announce.js';
import { overBothFamilies } from './families.js';
import { announceOverHttp, hasFamilies } from './http.js';
import { Pace } from './pace.js';
import type { PeerSource, SourceStatus, TransferTotals } from './source.js';
import { Tiers } from './tiers.js';
import { trackersOf, type Tracker } from './tracker.js';
import { UdpTrackers, hostNameOf, type UdpEndpoint } from './udp.js';

const log = createDebug('torrent-dl:tracker');

const NUM_WANT = 200;
const ANNOUNCE_MS = 30_000;
/** What a tracker that hangs may hold up the next one. */
const PATIENCE_MS = 4_000;
/** What the goodbye may take in all. */
const STOP_MS = 2_000;
/** Between an answer and the next announce that peers are wanted for: time to try the addresses. */
const REQUEST_SPACING_MS = 5_000;
/** Longer waits are cut in pieces, far below where Node's timers overflow. */
const MAX_TIMER_MS = 3_600_000;

export interface AnnouncerOptions {
  /** Announce URLs by tier (BEP 12), as in `Metainfo.trackers`. */
  readonly tiers: readonly (readonly string[])[];
  /** Those of them that the user himself named: nobody else may send us to any service of the local network. */
  readonly chosen?: readonly string[];
  /** 20 bytes. */
  readonly infoHash: Uint8Array;
  /** 20 bytes. */
  readonly peerId: Uint8Array;
  /** Eight hex digits that stay the same when our address changes. Default: random. */
  readonly key?: string;
  /** The port that peers reach us at. */
  readonly port: () => number;
  readonly totals: () => TransferTotals;
  /** Called after each answer; `source` is the tracker's name, fit for the user's eyes. */
  readonly onPeers: (addresses: readonly PeerAddress[], source: string) => void;
  /** Our address as a tracker sees it (BEP 24), after each answer that tells; `source` as above. */
  readonly onExternalIp?: (ip: string, source: string) => void;
  /** BEP 27: one tracker at a time; another is asked only when that fails. Default false. */
  readonly isPrivate?: boolean;
  /** A private torrent has another tracker now, so the peers of the one before are to be dropped. */
  readonly onSwitch?: () => void;
  /** A line for the user: a tracker's warning, a wrong URL. */
  readonly onNotice?: (text: string) => void;
  /** Ends all announces but the goodbye, which closing says. */
  readonly signal?: AbortSignal;
  readonly clock?: Clock;
  /** Numbers from 0 to below 1. */
  readonly random?: () => number;
  /** The port that UDP trackers are asked from; without it they cannot be asked. */
  readonly udp?: UdpEndpoint;
  /** How to announce, by the URL's protocol. Default: HTTP, HTTPS and, with `udp`, UDP. */
  readonly protocols?: Readonly<Record<string, Announce>>;
}

/**
 * Tries the trackers in the order of BEP 12, and again:
 *
 *     round: each tracker that may be asked by now, in order, until one answers
 *       answered → the next round when its interval is over
 *                  or, once peers are wanted, when any tracker may be asked: so want walks down the list
 *       nobody   → the next round when the first back-off is over
 */
export class Announcer implements PeerSource {
  readonly #options: AnnouncerOptions;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #key: string;
  readonly #trackers: readonly Tracker[];
  readonly #tiers: Tiers<Tracker>;
  readonly #pace = new Pace();
  readonly #udp: UdpTrackers | undefined;
  readonly #halted = new AbortController(); // ends what may come late

  #current: Tracker | undefined; // whose answer ended the last round
  #answers = 0;
  #answeredAt = -Infinity;
  #wantsPeers = false;
  #isComplete = false; // the last piece came in this run
  #isAsking = false; // a round is under way
  #isHalted = false; // no announce any more but the goodbye
  #closing: Promise<void> | undefined;
  #cancelTimer = (): void => undefined;

  private constructor(options: AnnouncerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? Math.random;
    this.#key = options.key ?? randomBytes(4).toString('hex');
    this.#udp = options.udp && new UdpTrackers(options.udp, { clock: this.#clock });
    const tiers = trackersOf(options.tiers, options.protocols ?? protocolsOver(this.#udp));
    this.#trackers = tiers.flat();
    this.#tiers = new Tiers(tiers, this.#random);
  }

  /** Begins to announce at once; nothing in the list of trackers, however odd, is an error. */
  static open(options: AnnouncerOptions): Announcer {
    const announcer = new Announcer(options);
    for (const { error, name } of announcer.#trackers) {
      if (error?.code === 'ERR_TRACKER_URL') options.onNotice?.(`ignoring tracker ${name}: not a valid URL`);
    }
    if (options.signal?.aborted) announcer.#halt();
    options.signal?.addEventListener('abort', announcer.#halt);
    announcer.#schedule();
    return announcer;
  }

  requestPeers(): void {
    if (this.#wantsPeers) return;
    this.#wantsPeers = true;
    this.#schedule();
  }

  completed(): void {
    this.#isComplete = true;
    for (const tracker of this.#trackers) if (tracker.expectsCompleted) void this.#tellCompleted(tracker);
  }

  status(): readonly SourceStatus[] {
    const now = this.#clock.now();
    return this.#trackers.map((tracker) => tracker.status(now, this.#turnOf(tracker)));
  }

  failures(): readonly TrackerError[] | undefined {
    const errors = this.#trackers.flatMap(({ error }) => error ?? []);
    return errors.length === this.#trackers.length ? errors : undefined;
  }

  /** Says `stopped` to the trackers that heard `started`; gives up on them after 2 s. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #round(): Promise<void> {
    this.#isAsking = true;
    const answersBefore = this.#answers;
    for (const tracker of this.#tiers) {
      if (this.#isHalted || this.#answers > answersBefore) break;
      if (tracker.asking || this.#readyAt(tracker) > this.#clock.now()) continue;
      await this.#atMost(PATIENCE_MS, this.#ask(tracker, tracker.nextEvent(this.#isComplete)));
    }
    this.#isAsking = false;
    this.#schedule(); // who is still being asked does so again at his end
  }

  /** One announce with all that follows from it. */
  #ask(tracker: Tracker, event: AnnounceEvent | undefined, timeoutMs = ANNOUNCE_MS): Promise<void> {
    const asking = { event, abort: new AbortController(), isDone: Promise.resolve() };
    tracker.asking = asking;
    const late = { signal: this.#halted.signal, onReply: (reply: AnnounceReply) => this.#onLateReply(tracker, reply) };
    const isForPeers = event !== 'completed' && event !== 'stopped'; // these are to be heard, whoever answers first
    const limits = { timeoutMs, signal: asking.abort.signal, ...(isForPeers && { late }) };
    asking.isDone = this.#announce(tracker, event, limits);
    return asking.isDone;
  }

  async #announce(tracker: Tracker, event: AnnounceEvent | undefined, limits: AnnounceLimits): Promise<void> {
    const { target, host, trackerId } = tracker;
    if (!target) bug(`announce to ${tracker.name}`);
    const { infoHash, peerId, port, chosen = [] } = this.#options;
    const totals = this.#options.totals();
    const numWant = event === 'stopped' ? 0 : NUM_WANT;
    const self = { infoHash, peerId, key: this.#key, port: port(), totals };
    const isChosen = chosen.includes(tracker.url);
    this.#pace.note(host, this.#clock.now());
    const outcome = await target
      .announce({ url: target.url, isChosen, ...self, event, numWant, trackerId }, limits)
      .catch(trackerErrorOf);
    tracker.asking = undefined;
    if (!(outcome instanceof TrackerError)) this.#onReply(tracker, outcome, event, totals.left);
    else if (!limits.signal.aborted) this.#onFailure(tracker, outcome); // taking it back is not the tracker's fault
    this.#schedule();
  }

  #onFailure(tracker: Tracker, error: TrackerError): void {
    tracker.failed(error, this.#clock.now(), this.#random);
    log('%s', tracker.error?.message); // without what it repeats of its URL
  }

  #onReply(tracker: Tracker, reply: AnnounceReply, event: AnnounceEvent | undefined, left: number): void {
    const { warning } = tracker;
    const now = this.#clock.now();
    log(
      '%s: %s, %d addresses, next in %d s',
      tracker.name,
      event ?? 'regular',
      reply.peers.length,
      reply.intervalMs / 1000,
    );
    tracker.answered(reply, event, left, now);
    if (this.#isHalted || this.#isBoundToOtherThan(tracker)) return;
    this.#tiers.promote(tracker);
    if (this.#options.isPrivate && this.#current && this.#current !== tracker) this.#options.onSwitch?.();
    this.#current = tracker;
    this.#answers++;
    this.#answeredAt = now;
    this.#wantsPeers = false;
    this.#passOn(tracker, reply, warning);
    if (this.#isComplete && tracker.expectsCompleted) void this.#tellCompleted(tracker);
  }

  /** The same tracker over the other IP family. */
  #onLateReply(tracker: Tracker, reply: AnnounceReply): void {
    const { warning } = tracker;
    log('%s: %d more addresses', tracker.name, reply.peers.length);
    tracker.answeredAlso(reply, this.#clock.now());
    if (this.#isBoundToOtherThan(tracker)) return;
    this.#passOn(tracker, reply, warning);
    this.#schedule();
  }

  /** Tells what an answer says; `warned` was the tracker's warning before. */
  #passOn({ name, warning }: Tracker, { externalIp, peers }: AnnounceReply, warned: string | undefined): void {
    if (warning !== undefined && warning !== warned) this.#options.onNotice?.(`tracker ${name} warns: ${warning}`);
    if (externalIp !== undefined) this.#options.onExternalIp?.(externalIp, name);
    this.#options.onPeers(peers, name);
  }

  async #tellCompleted(tracker: Tracker): Promise<void> {
    await tracker.asking?.isDone;
    if (tracker.asking || !tracker.expectsCompleted || this.#isHalted) return;
    await this.#ask(tracker, 'completed');
  }

  /** Sets the timer for the next round anew. */
  #schedule(): void {
    this.#cancelTimer();
    if (this.#isHalted || this.#isAsking) return;
    if (!this.#wantsPeers && this.#trackers.some(({ asking }) => asking)) return; // comes back when they are done
    const delay = this.#nextRoundAt() - this.#clock.now();
    if (delay === Infinity) return;
    this.#cancelTimer = this.#clock.after(Math.min(Math.max(delay, 0), MAX_TIMER_MS), () => void this.#round());
  }

  #nextRoundAt(): number {
    const readyAt = Math.min(...this.#trackers.map((tracker) => (tracker.asking ? Infinity : this.#readyAt(tracker))));
    if (this.#wantsPeers) return Math.max(readyAt, this.#answeredAt + REQUEST_SPACING_MS);
    if (this.#current?.isWorking) return Math.max(this.#current.dueAt, this.#readyAt(this.#current));
    return readyAt;
  }

  #readyAt(tracker: Tracker): number {
    const { target, readyAt, host } = tracker;
    return target && !this.#isBoundToOtherThan(tracker) ? Math.max(readyAt, this.#pace.readyAt(host)) : Infinity;
  }

  /** Whether a private torrent has its tracker, and it is not this one. */
  #isBoundToOtherThan(tracker: Tracker): boolean {
    return this.#options.isPrivate === true && this.#current?.isWorking === true && this.#current !== tracker;
  }

  /** When a tracker's turn comes, for the user; Infinity when that depends on others. */
  #turnOf(tracker: Tracker): number {
    if (this.#isHalted || tracker.asking) return Infinity;
    const isNext = tracker === this.#current || tracker.error;
    return isNext ? Math.max(this.#readyAt(tracker), this.#nextRoundAt()) : Infinity;
  }

  /** Takes back what is on its way, except a `completed`: that is heard by all who are to hear it. */
  readonly #halt = (): void => {
    this.#isHalted = true;
    this.#halted.abort();
    this.#cancelTimer();
    for (const { asking } of this.#trackers) if (asking?.event !== 'completed') asking?.abort.abort();
  };

  async #close(): Promise<void> {
    this.#options.signal?.removeEventListener('abort', this.#halt);
    this.#halt();
    const endsAt = this.#clock.now() + STOP_MS;
    await this.#atMost(STOP_MS, Promise.all(this.#trackers.map((tracker) => this.#sayGoodbye(tracker, endsAt))));
    for (const { asking } of this.#trackers) asking?.abort.abort();
    this.#udp?.close();
  }

  async #sayGoodbye(tracker: Tracker, endsAt: number): Promise<void> {
    await tracker.asking?.isDone;
    const remaining = (): number => endsAt - this.#clock.now();
    const isOwed = this.#isComplete && tracker.expectsCompleted;
    if (isOwed && remaining() > 0) await this.#ask(tracker, 'completed', remaining());
    if (tracker.hasStarted && remaining() > 0) await this.#ask(tracker, 'stopped', remaining());
  }

  /** Waits for `promise`, but not longer than so many ms. */
  #atMost(ms: number, promise: Promise<unknown>): Promise<void> {
    return new Promise((resolve, reject) => {
      const cancel = this.#clock.after(ms, resolve);
      promise.then(() => resolve(), reject).finally(cancel);
    });
  }
}

function trackerErrorOf(error: unknown): TrackerError {
  if (error instanceof TrackerError) return error;
  throw error;
}

function protocolsOver(udp: UdpTrackers | undefined): Readonly<Record<string, Announce>> {
  const http = overBothFamilies(announceOverHttp, hasFamilies);
  const overUdp = udp && overBothFamilies(udp.announce, (url) => isIP(hostNameOf(url)) === 0);
  return { 'http:': http, 'https:': http, ...(overUdp && { 'udp:': overUdp }) };
}
