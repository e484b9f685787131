import { backoffMs } from '../common/backoff.js';
import { TrackerError } from '../common/errors.js';
import { hideSecrets, hideSecretsOf } from '../common/url.js';
import type { Announce, AnnounceEvent, AnnounceReply } from './announce.js';
import { mergeReplies } from './families.js';
import type { SourceStatus } from './source.js';

const MAX_TRACKERS = 200;
const FIRST_RETRY_MS = 10_000;
const MAX_RETRY_MS = 30 * 60_000;

/** An announce on its way. */
export interface Asking {
  readonly event: AnnounceEvent | undefined;
  readonly abort: AbortController;
  readonly isDone: Promise<unknown>;
}

/** What is known about one tracker. All times are of the announcer's clock, in ms. */
export class Tracker {
  /** As it was given. */
  readonly url: string;
  /** Fit for the user's eyes. */
  readonly name: string;
  readonly host: string;
  /** Missing when it cannot be asked: a wrong URL, or a protocol that is not known. */
  readonly target: { readonly url: URL; readonly announce: Announce } | undefined;

  /** An announce is under way; there is never more than one. */
  asking: Asking | undefined;
  /** It heard `started`, so it shall hear `stopped`. */
  hasStarted = false;
  /** It heard `started` when data were missing, so it shall hear `completed`, once. */
  expectsCompleted = false;
  /** Not to be asked before. */
  readyAt = 0;
  /** When the next regular announce is due, after an answer. */
  dueAt = 0;

  #reply: AnnounceReply | undefined;
  #error: TrackerError | undefined;
  #trackerId: Uint8Array | undefined;
  #failures = 0; // in a row

  constructor(url: string, protocols: Readonly<Record<string, Announce>>) {
    this.url = url;
    this.name = hideSecrets(url);
    const parsed = URL.canParse(url) ? new URL(url) : undefined;
    this.host = parsed?.host ?? '';
    const announce = parsed?.host ? protocols[parsed.protocol] : undefined;
    if (parsed && announce) this.target = { url: parsed, announce };
    else if (parsed?.host) this.#error = this.#errorOf(unsupported(parsed.protocol));
    else this.#error = this.#errorOf(new TrackerError('ERR_TRACKER_URL', 'not a valid URL'));
  }

  /** Why it cannot be asked or the last try failed. */
  get error(): TrackerError | undefined {
    return this.#error;
  }

  get isWorking(): boolean {
    return this.#reply !== undefined && this.#error === undefined;
  }

  /** Of the last answer. */
  get warning(): string | undefined {
    const warning = this.#reply?.warning;
    return warning === undefined ? undefined : this.#shown(warning);
  }

  get trackerId(): Uint8Array | undefined {
    return this.#trackerId;
  }

  /** Which event comes next; `isComplete` when the last piece came in this run. */
  nextEvent(isComplete: boolean): AnnounceEvent | undefined {
    if (!this.hasStarted) return 'started';
    return isComplete && this.expectsCompleted ? 'completed' : undefined;
  }

  /** Takes an answer; `left` is what the tracker was told. */
  answered(reply: AnnounceReply, event: AnnounceEvent | undefined, left: number, now: number): void {
    if (event === 'started') {
      this.hasStarted = true;
      this.expectsCompleted = left > 0;
    } else if (event === 'completed') {
      this.expectsCompleted = false;
    } else if (event === 'stopped') {
      this.hasStarted = false;
    }
    this.#reply = reply;
    this.#error = undefined;
    this.#failures = 0;
    this.#trackerId = reply.trackerId ?? this.#trackerId;
    this.readyAt = now + reply.minIntervalMs;
    this.dueAt = now + reply.intervalMs;
  }

  /** Takes a failure: the next try is put off, longer each time, or as the tracker itself wants it (BEP 31). */
  failed(error: TrackerError, now: number, random: () => number): void {
    this.#failures++;
    this.#error = this.#errorOf(error);
    const { retryInSeconds } = error;
    const delay =
      retryInSeconds === undefined
        ? backoffMs(this.#failures, FIRST_RETRY_MS, MAX_RETRY_MS, random)
        : Math.max(FIRST_RETRY_MS, retryInSeconds * 1000);
    this.readyAt = now + delay;
  }

  /** Takes one more answer to the last announce, over its other IP family. */
  answeredAlso(reply: AnnounceReply, now: number): void {
    this.#reply = this.#reply ? mergeReplies(this.#reply, reply) : reply;
    this.readyAt = Math.max(this.readyAt, now + reply.minIntervalMs);
    this.dueAt = Math.max(this.dueAt, now + reply.intervalMs);
  }

  status(now: number, nextAt: number): SourceStatus {
    const message = this.#reason ?? this.warning;
    return {
      name: this.name,
      state: this.#state,
      ...(this.#reply && { peers: this.#reply.peers.length }),
      ...(this.#reply?.complete !== undefined && { seeds: this.#reply.complete }),
      ...(this.#reply?.incomplete !== undefined && { leechers: this.#reply.incomplete }),
      ...(message !== undefined && { message }),
      ...(Number.isFinite(nextAt) && { nextInMs: Math.max(0, nextAt - now) }),
    };
  }

  get #state(): SourceStatus['state'] {
    if (this.asking) return 'asking';
    if (this.#error) return 'failed';
    return this.#reply ? 'working' : 'idle';
  }

  get #reason(): string | undefined {
    return this.#error?.cause instanceof Error ? this.#error.cause.message : undefined;
  }

  /** The status tells the mere reason, an error on its own also the tracker. */
  #errorOf(cause: TrackerError): TrackerError {
    const { code, retryInSeconds } = cause;
    const message = this.#shown(cause.message);
    const reason = message === cause.message ? cause : new TrackerError(code, message); // causes are shown, too
    return new TrackerError(code, `tracker ${this.name}: ${message}`, { cause: reason, retryInSeconds });
  }

  #shown(text: string): string {
    return this.target ? hideSecretsOf(this.target.url, text) : text;
  }
}

function unsupported(protocol: string): TrackerError {
  const scheme = protocol.slice(0, 20).replace(':', '');
  return new TrackerError('ERR_TRACKER_PROTOCOL', `trackers over ${scheme} are not supported yet`);
}

/** Each URL once, and not more than some hundred: a list may come from anybody. */
export function trackersOf(
  tiers: readonly (readonly string[])[],
  protocols: Readonly<Record<string, Announce>>,
): Tracker[][] {
  const known = new Set<string>();
  return tiers.map((tier) =>
    tier.flatMap((url) => {
      if (known.has(url) || known.size === MAX_TRACKERS) return [];
      known.add(url);
      return new Tracker(url, protocols);
    }),
  );
}
