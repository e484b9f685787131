/** One download from the command line: starts it, shows it, stops it on a signal. */
import { format } from 'node:util';
import debug from 'debug';

import { escapeControl, openStandardOutput, OutputClosedError } from '../index.js';
import type { Download, DownloadOptions, DownloadStats, Notice, OutputOptions } from '../index.js';

import { describeError, exitCodeOf } from './exit.js';
import { formatBytes, formatDuration, formatRate } from './format.js';
import { readTorrent } from './inputs.js';
import { howFar } from './layout.js';
import type { Options } from './options.js';
import { openProgress, progressStyle, type Progress } from './progress.js';
import { StopSignals } from './signals.js';

/** `download` of the library; a parameter for the sake of tests. */
export type StartDownload = (source: string | Uint8Array, options: DownloadOptions) => Download;

/** Downloads `torrent` (a path, or `-` for standard input) and gives the exit code; errors are reported here. */
export async function run(torrent: string, options: Options, start: StartDownload): Promise<number> {
  const runner = new Runner(options);
  debug.log = (...values: unknown[]) => runner.print(format(...values));
  try {
    return await runner.run(torrent, start);
  } catch (error) {
    return runner.fail(error);
  } finally {
    runner.close();
  }
}

class Runner {
  readonly #options: Options;
  readonly #startedAt = performance.now();
  readonly #signals: StopSignals;
  #progress: Progress | undefined;

  constructor(options: Options) {
    this.#options = options;
    this.#signals = new StopSignals(
      process,
      () => this.#note('stopping …'),
      (code) => this.#leave(code),
    );
    process.on('uncaughtException', this.#onUncaught);
  }

  /** Prints a line to stderr, above the bar if there is one. */
  print(line: string): void {
    if (this.#progress) this.#progress.print(line);
    else process.stderr.write(`${line}\n`);
  }

  async run(torrent: string, start: StartDownload): Promise<number> {
    const { signal } = this.#signals;
    const source = torrent === '-' ? await readTorrent(process.stdin, signal) : torrent;

    await using download = start(source, {
      ...engineOptions(this.#options),
      signal,
      onNotice: (notice) => this.#onNotice(notice),
    });
    this.#show(download);
    const isComplete = await Promise.race([this.#completion(download), this.#signals.stopped()]);
    if (!isComplete) {
      const advice = this.#options.out === '-' ? '' : '; run the same command again to go on';
      this.#note(`stopped at ${howFar(download.stats())}${advice}`);
      return this.#signals.exitCode ?? 0;
    }
    this.#note(summary(download.stats(), (performance.now() - this.#startedAt) / 1000));
    if (this.#options.seed) {
      this.#note('seeding until stopped (Ctrl-C) …');
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

  /** Reports an error and gives its exit code; after a signal it is only an echo of that. */
  fail(error: unknown): number {
    this.#progress?.stop();
    if (this.#signals.exitCode !== undefined) return this.#signals.exitCode;
    if (error instanceof OutputClosedError) return exitCodeOf(error); // who closed it knows
    process.stderr.write(`${describeError(error, Boolean(process.env['DEBUG']))}\n`);
    return exitCodeOf(error);
  }

  close(): void {
    this.#progress?.stop();
    this.#progress = undefined;
    this.#signals[Symbol.dispose]();
    process.off('uncaughtException', this.#onUncaught);
  }

  #show(download: Download): void {
    const style = progressStyle(process.stderr, process.env, this.#options.quiet ?? false);
    this.#progress = openProgress(download, process.stderr, style);
  }

  /** A line that `--quiet` keeps back. */
  #note(line: string): void {
    if (!this.#options.quiet) this.print(line);
  }

  #onNotice({ level, text }: Notice): void {
    if (level === 'warning') this.#note(`torrent-dl: warning: ${text}`);
    else if (this.#options.verbose) this.print(text);
  }

  /** A bug: nothing can be said about the state that it left, so there is no clean end to hope for. */
  readonly #onUncaught = (error: unknown): void => this.#leave(this.fail(error));

  /** Ends the process now, with the terminal as it was. */
  #leave(exitCode: number): void {
    this.#progress?.stop();
    process.exit(exitCode);
  }
}

/** The options under the library's names; what was not given is left to the library. */
function engineOptions(options: Options): DownloadOptions {
  const { timeout, stallTimeout, metadataTimeout, tracker, trackers, peer } = options;
  const { out, seed, sequential, recheck, port, maxPeers, dht, pex, lsd, dhtPort, dhtBootstrap } = options;
  const place = out === '-' ? { output: standardOutput(options) } : { out };
  const named = {
    ...place,
    ...{ seed, sequential, recheck, port, maxPeers, dht, pex, lsd, dhtPort, dhtBootstrap },
    ...{ timeoutMs: timeout, stallTimeoutMs: stallTimeout, metadataTimeoutMs: metadataTimeout },
    ...{ trackers: tracker, useTorrentTrackers: trackers, peers: peer },
  };
  return Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined));
}

/** @throws {UsageError} when standard output is a terminal */
function standardOutput({ tar = false, window }: Options): OutputOptions {
  return { stream: openStandardOutput(), isTar: tar, ...(window !== undefined && { windowLength: window }) };
}

/** `done: NAME, 2.00 GiB in 3.1 s (660 MiB/s), uploaded 0 B`. */
function summary(stats: DownloadStats, seconds: number): string {
  const what = `done: ${escapeControl(stats.name)}, ${formatBytes(stats.totalLength)}`;
  const fetched = Math.min(stats.downloaded - stats.wasted, stats.totalLength);
  if (fetched <= 0) return `${what}, was complete already (${formatDuration(seconds)})`;
  const part = fetched < stats.totalLength ? `, ${formatBytes(fetched)} of it fetched` : '';
  const speed = formatRate(fetched / Math.max(seconds, 0.001));
  return `${what}${part} in ${formatDuration(seconds)} (${speed}), uploaded ${formatBytes(stats.uploaded)}`;
}
