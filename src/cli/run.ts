/** Downloads from the command line: starts them, tells the reporter, stops them on a signal. */
import { format } from 'node:util';
import debug from 'debug';

import type { Download, DownloadOptions } from '../index.js';

import { engineOptions } from './engine-options.js';
import { exitCodeOf } from './exit.js';
import { readTorrent } from './inputs.js';
import type { Options } from './options.js';
import { PeopleReporter } from './people.js';
import type { Job, Reporter, RunningJob } from './reporter.js';
import { StopSignals } from './signals.js';

/** `download` of the library; a parameter for the sake of tests. */
export type StartDownload = (source: string | Uint8Array, options: DownloadOptions) => Download;

/** Downloads `torrent` (a path, or `-` for standard input) and gives the exit code; errors are reported here. */
export async function run(torrent: string, options: Options, start: StartDownload): Promise<number> {
  const runner = new Runner(options, start, new PeopleReporter(options));
  return await runner.run(torrent);
}

class Runner {
  readonly #options: Options;
  readonly #start: StartDownload;
  readonly #reporter: Reporter;
  readonly #signals: StopSignals;

  constructor(options: Options, start: StartDownload, reporter: Reporter) {
    this.#options = options;
    this.#start = start;
    this.#reporter = reporter;
    this.#signals = new StopSignals(
      process,
      () => reporter.stopping(),
      (code) => this.#leave(code),
    );
  }

  async run(torrent: string): Promise<number> {
    debug.log = (...values: unknown[]) => this.#reporter.print(format(...values));
    process.on('uncaughtException', this.#onUncaught);
    let exitCode = exitCodeOf(undefined);
    try {
      exitCode = await this.#runJob(torrent);
    } finally {
      this.#reporter.close(exitCode);
      this.#signals[Symbol.dispose]();
      process.off('uncaughtException', this.#onUncaught);
    }
    return exitCode;
  }

  /** One torrent from its source to its end. Gives its exit code; nothing is thrown. */
  async #runJob(source: string): Promise<number> {
    let job: Job = { source, download: undefined, startedAt: performance.now() };
    try {
      const torrent = source === '-' ? await readTorrent(process.stdin, this.#signals.signal) : source;
      await using download = this.#start(torrent, {
        ...engineOptions(this.#options),
        signal: this.#signals.signal,
        onNotice: (notice) => this.#reporter.notice(job, notice),
      });
      const running = (job = { ...job, download });
      this.#reporter.started(running);
      return await this.#follow(running);
    } catch (error) {
      // After a signal an error is only an echo of that.
      if (this.#signals.exitCode !== undefined) return this.#signals.exitCode;
      this.#reporter.failed(job, error);
      return exitCodeOf(error);
    } finally {
      this.#reporter.ended(job);
    }
  }

  async #follow(job: RunningJob): Promise<number> {
    const { download } = job;
    const isComplete = await Promise.race([this.#completion(download), this.#signals.stopped()]);
    if (!isComplete) {
      this.#reporter.stopped(job);
      return this.#signals.exitCode ?? 0;
    }
    this.#reporter.completed(job);
    if (this.#options.seed) {
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

  /** A bug: nothing can be said about the state that it left, so there is no clean end to hope for. */
  readonly #onUncaught = (error: unknown): void => {
    this.#reporter.failed({ source: '', download: undefined, startedAt: 0 }, error);
    this.#leave(this.#signals.exitCode ?? exitCodeOf(error));
  };

  /** Ends the process now, with the terminal as it was. */
  #leave(exitCode: number): void {
    this.#reporter.close(exitCode);
    process.exit(exitCode);
  }
}
