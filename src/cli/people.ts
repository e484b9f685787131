/** Lines and a bar on stderr, for people. */
import { escapeControl, OutputClosedError, type DownloadStats, type Notice } from '../index.js';

import { describeError } from './exit.js';
import { formatBytes, formatDuration, formatRate } from './format.js';
import { howFar } from './layout.js';
import type { Options } from './options.js';
import { openProgress, progressStyle, type Progress } from './progress.js';
import type { Job, Reporter, RunningJob } from './reporter.js';

export class PeopleReporter implements Reporter {
  readonly #options: Options;
  #progress: Progress | undefined;

  constructor(options: Options) {
    this.#options = options;
  }

  /** Prints a line to stderr, above the bar if there is one. */
  print(line: string): void {
    if (this.#progress) this.#progress.print(line);
    else process.stderr.write(`${line}\n`);
  }

  started({ download }: RunningJob): void {
    const style = progressStyle(process.stderr, process.env, this.#options.quiet ?? false);
    this.#progress = openProgress(download, process.stderr, style);
  }

  notice(_job: Job, { level, text }: Notice): void {
    if (level === 'warning') this.#note(`torrent-dl: warning: ${text}`);
    else if (this.#options.verbose) this.print(text);
  }

  completed({ download, startedAt }: RunningJob): void {
    this.#note(summary(download.stats(), (performance.now() - startedAt) / 1000));
  }

  seeding(): void {
    this.#note('seeding until stopped (Ctrl-C) …');
  }

  stopping(): void {
    this.#note('stopping …');
  }

  stopped({ download }: RunningJob): void {
    const advice = this.#options.out === '-' ? '' : '; run the same command again to go on';
    this.#note(`stopped at ${howFar(download.stats())}${advice}`);
  }

  failed(_job: Job, error: unknown): void {
    if (error instanceof OutputClosedError) return; // who closed it knows
    this.#hide();
    process.stderr.write(`${describeError(error, Boolean(process.env['DEBUG']))}\n`);
  }

  ended(): void {
    this.#hide();
  }

  close(): void {
    this.#hide();
  }

  #hide(): void {
    this.#progress?.stop();
    this.#progress = undefined;
  }

  /** A line that `--quiet` keeps back. */
  #note(line: string): void {
    if (!this.#options.quiet) this.print(line);
  }
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
