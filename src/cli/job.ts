/** One torrent of a run, from its source to the last command for it. */
import { UsageError, type Download, type DownloadOptions, type Session } from '../index.js';

import { Afterwards } from './afterwards.js';
import { engineOptions } from './engine-options.js';
import { exitCodeOf } from './exit.js';
import { Hooks } from './hooks.js';
import { readTorrent } from './inputs.js';
import { wantsToSeed, type Options } from './options.js';
import type { Job, Reporter, RunningJob } from './reporter.js';
import type { StopSignals } from './signals.js';

/** `download` of the library; a parameter for the sake of tests. */
export type StartDownload = (source: string | Uint8Array, options: DownloadOptions) => Download;

interface JobOptions {
  readonly session?: Session;
  /** Told when all is there, before it seeds. */
  readonly onComplete?: () => void;
}

/** Runs jobs, and tells the reporter. */
export class Jobs {
  readonly #options: Options;
  readonly #start: StartDownload;
  readonly #reporter: Reporter;
  readonly #signals: StopSignals;

  constructor(options: Options, start: StartDownload, reporter: Reporter, signals: StopSignals) {
    this.#options = options;
    this.#start = start;
    this.#reporter = reporter;
    this.#signals = signals;
  }

  /** Gives the exit code; nothing is thrown. */
  async run(source: string, options: JobOptions = {}): Promise<number> {
    const job: { -readonly [K in keyof Job]: Job[K] } = {
      ...{ source, download: undefined, startedAt: performance.now() },
    };
    const hooks = new Hooks((line) => this.#reporter.print(line), this.#signals.signal);
    const afterwards = new Afterwards(this.#options, hooks);
    let exitCode = 0;
    try {
      exitCode = await this.#download(job, afterwards, options);
    } catch (error) {
      exitCode = this.#failed(job, error);
    }
    try {
      await afterwards.settle();
    } catch (error) {
      this.#reporter.failed(job, error); // also after a signal: it is no echo of that
      exitCode ||= exitCodeOf(error);
    }
    if (exitCode === 0 && hooks.wasCut) exitCode = this.#signals.exitCode ?? 0;
    this.#reporter.ended(job, exitCode);
    return exitCode;
  }

  /** Tells of an error, and gives its exit code. After a signal it is only an echo of that. */
  #failed(job: Job, error: unknown): number {
    if (error instanceof UsageError && error.code === 'ERR_SAME_TORRENT') {
      this.#reporter.skipped(job, `${error.message}: left out`);
      return 0;
    }
    if (this.#signals.exitCode !== undefined) return this.#signals.exitCode;
    this.#reporter.failed(job, error);
    return exitCodeOf(error);
  }

  async #download(
    job: { -readonly [K in keyof Job]: Job[K] },
    afterwards: Afterwards,
    { session, onComplete }: JobOptions,
  ): Promise<number> {
    const { source } = job;
    const { signal } = this.#signals;
    const torrent = source === '-' ? await readTorrent(process.stdin, signal) : source;
    let running: RunningJob | undefined;
    {
      await using download = this.#start(torrent, {
        ...this.#downloadOptions(job, afterwards),
        ...(session && { session }),
      });
      running = Object.assign(job, { download });
      this.#reporter.started(running);
      const exitCode = await this.#follow(running, afterwards, onComplete);
      if (exitCode !== 0) return exitCode;
    }
    await afterwards.complete(running, signal); // the place is free now, for a command to move what is there
    return 0;
  }

  #downloadOptions(job: Job, afterwards: Afterwards): DownloadOptions {
    const reporter = this.#reporter;
    return {
      ...engineOptions(this.#options),
      signal: this.#signals.signal,
      onNotice: (notice) => reporter.notice(job, notice),
      onMetadata: (metainfo, isWanted) => {
        reporter.metadata?.(job, metainfo, isWanted);
        afterwards.check(metainfo);
      },
      onFile: (file) => {
        reporter.file?.(job, file);
        if (job.download) afterwards.file(job as RunningJob, file);
      },
      onSource: (status) => reporter.source?.(job, status),
      onStall: (diagnosis) => reporter.stalled?.(job, diagnosis),
      ...(this.#options.verbose && { onPeer: (news) => reporter.peer?.(job, news) }),
    };
  }

  async #follow(job: RunningJob, afterwards: Afterwards, onComplete?: () => void): Promise<number> {
    const { download } = job;
    const isComplete = await Promise.race([this.#completion(download), this.#signals.stopped()]);
    if (!isComplete) {
      if (!this.#signals.isQuiet) this.#reporter.stopped(job);
      return this.#signals.exitCode ?? 0;
    }
    this.#reporter.completed(job);
    onComplete?.();
    if (wantsToSeed(this.#options)) {
      await afterwards.complete(job, this.#signals.signal);
      this.#reporter.seeding(job);
      await Promise.race([download.ended, this.#signals.stopped()]);
    }
    return 0;
  }

  /** Whether it was completed; false when a signal ended it. @throws what else ended it */
  async #completion(download: Download): Promise<boolean> {
    try {
      await download.done;
      return true;
    } catch (error) {
      if (this.#signals.exitCode === undefined) throw error;
      return false;
    }
  }
}
