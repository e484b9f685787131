/** Looks at a download now and then: what is new, whether data still comes, whether a time limit has passed. */
import type { DownloadOptions, DownloadStats, Notice } from './api.js';
import { DiskError, TimeLimitError } from './common/errors.js';
import type { Diagnosis } from './diagnosis.js';
import { SourceNews } from './news.js';
import type { Phase } from './phase.js';
import { formatSeconds, noMetadataError, stallError, whoIsAsked } from './stall.js';

/** So long without any peer is worth a line. */
const LONELY_MS = 10_000;
/** So long without data of use is a stall. */
const STALL_MS = 30_000;

type LimitOptions = 'timeoutMs' | 'stallTimeoutMs' | 'metadataTimeoutMs' | 'onSource' | 'onStall' | 'output';

/** What it needs of its download. */
export interface WatchContext {
  readonly options: Pick<DownloadOptions, LimitOptions>;
  readonly stats: () => DownloadStats;
  readonly diagnose: () => Diagnosis;
  /** Why sources found nobody. */
  readonly failures: () => readonly Error[];
  readonly onNotice: (level: Notice['level'], text: string) => void;
}

/** A moment of a download; times are ms of one monotonic clock. */
export interface Moment {
  readonly now: number;
  readonly phase: Phase;
  readonly phaseAt: number;
  /** For how long nothing of use came. */
  readonly idleMs: number;
}

export class Watch {
  readonly #context: WatchContext;
  readonly #startedAt: number;
  readonly #news = new SourceNews();
  #isLonely = false;
  #isStalled = false;

  constructor(context: WatchContext, startedAt: number) {
    this.#context = context;
    this.#startedAt = startedAt;
  }

  /** Tells what is new. Gives the error that ends the download when a limit has passed. */
  look(moment: Moment): Error | undefined {
    this.#tellNews(moment);
    if (moment.phase === 'seeding') return undefined;
    this.#tellStall(moment);
    return this.#passedLimit(moment);
  }

  /** What trackers and the like say, and once why there is nobody. */
  #tellNews({ now, phase, phaseAt }: Moment): void {
    const { options, onNotice, failures } = this.#context;
    const stats = this.#context.stats();
    for (const { status, line } of this.#news.read(stats.sources)) {
      options.onSource?.(status);
      onNotice('info', line);
    }
    const isIdle = stats.connectedPeers === 0 && stats.downloaded === 0 && now - phaseAt > LONELY_MS;
    if (this.#isLonely || !isIdle || !needsPeers(phase)) return;
    this.#isLonely = true;
    const causes = failures().map((error) => `; ${error.message}`);
    const text = `no peer after ${formatSeconds(LONELY_MS)}: ${whoIsAsked(stats)}`;
    onNotice('warning', text + causes.slice(0, 3).join(''));
  }

  #tellStall({ phase, idleMs }: Moment): void {
    const { stallTimeoutMs = Infinity, onStall } = this.#context.options;
    const isStalled = needsPeers(phase) && idleMs > Math.min(STALL_MS, stallTimeoutMs);
    if (isStalled && !this.#isStalled) onStall?.(this.#context.diagnose());
    this.#isStalled = isStalled;
  }

  #passedLimit({ now, phase, phaseAt, idleMs }: Moment): Error | undefined {
    const { timeoutMs = Infinity, stallTimeoutMs = Infinity, metadataTimeoutMs = Infinity } = this.#context.options;
    const isResolving = phase === 'resolving';
    if (now - this.#startedAt > timeoutMs) {
      return new TimeLimitError('ERR_TIMEOUT', `not done within ${formatSeconds(timeoutMs)}${this.#advice}`);
    }
    if (isResolving && now - phaseAt > metadataTimeoutMs) return this.#stall(noMetadataError, metadataTimeoutMs);
    if (!needsPeers(phase) || idleMs <= stallTimeoutMs) return undefined;
    return this.#stall(isResolving ? noMetadataError : stallError, stallTimeoutMs);
  }

  #stall(errorOf: typeof stallError, limitMs: number): Error {
    const { stats, diagnose, failures } = this.#context;
    const { connected, choking, silent, unreached } = diagnose().peers;
    if (connected === 0 && unreached.noSocket > 0) {
      const text = `too many open files: none is left for a connection, after ${formatSeconds(limitMs)}`;
      return new DiskError('ERR_TOO_MANY_FILES', text);
    }
    return errorOf(limitMs, {
      stats: stats(),
      holders: choking + silent,
      failures: failures(),
      advice: this.#advice,
    });
  }

  get #advice(): string {
    return this.#context.options.output ? '' : '; run again to resume';
  }
}

function needsPeers(phase: Phase): boolean {
  return phase === 'resolving' || phase === 'downloading';
}
