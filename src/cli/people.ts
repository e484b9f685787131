/** Lines and a bar on stderr, for people. */
import {
  escapeControl,
  formatAddress,
  OutputClosedError,
  type Diagnosis,
  type DownloadStats,
  type FinishedFile,
  type Notice,
  type PeerNews,
} from '../index.js';

import { diagnosisOf, linesOfDiagnosis } from './diagnosis.js';
import { describeError } from './exit.js';
import { formatBytes, formatDuration, formatRate } from './format.js';
import { withoutSecrets } from './inputs.js';
import { howFar } from './layout.js';
import type { Options } from './options.js';
import { pathOf } from './paths.js';
import { openProgress, progressStyle, type Progress } from './progress.js';
import type { Job, Reporter, RunningJob } from './reporter.js';

export class PeopleReporter implements Reporter {
  readonly #options: Options;
  readonly #isSeveral: boolean;
  readonly #progress: Progress;

  /** What stands behind the path of each finished file; undefined when they are not asked for. */
  readonly #end: string | undefined;

  /** `isSeveral`: lines say which torrent they are about. */
  constructor(options: Options, isSeveral = false) {
    this.#options = options;
    this.#isSeveral = isSeveral;
    const style = progressStyle(process.stderr, process.env, options.quiet ?? false);
    this.#progress = openProgress(process.stderr, style, { isSeveral, hasMap: options.view === 'pieces' });
    this.#end = options.print0 ? '\0' : options.print ? '\n' : undefined;
  }

  print(line: string): void {
    this.#progress.print(line);
  }

  started({ download }: RunningJob): void {
    this.#progress.add(download);
  }

  notice(job: Job, { level, text }: Notice): void {
    if (level === 'warning') this.#note(`torrent-dl: warning: ${this.#nameOf(job)}${text}`);
    else if (this.#options.verbose) this.print(`${this.#nameOf(job)}${text}`);
  }

  completed({ download, startedAt }: RunningJob): void {
    this.#note(summary(download.stats(), (performance.now() - startedAt) / 1000));
  }

  seeding(job: Job): void {
    const { seedRatio, seedTime } = this.#options;
    const ends = [
      ...(seedRatio === undefined ? [] : [`up to a ratio of ${seedRatio}`]),
      ...(seedTime === undefined ? [] : [`for ${formatDuration(seedTime / 1000)}`]),
    ].join(' or ');
    this.#note(`${this.#nameOf(job)}seeding ${ends ? `${ends} (Ctrl-C ends it)` : 'until stopped (Ctrl-C)'} …`);
  }

  stopping(): void {
    this.#note('stopping …');
  }

  stopped(job: RunningJob): void {
    const { download } = job;
    const advice = this.#options.out === '-' ? '' : '; run the same command again to go on';
    this.#note(`${this.#nameOf(job)}stopped at ${howFar(download.stats())}${advice}`);
  }

  file(_job: Job, { path }: FinishedFile): void {
    if (this.#end === undefined) return;
    const name = pathOf(path, this.#options.out);
    if (process.stdout.isTTY)
      this.print(escapeControl(name)); // where the bar may be
    else process.stdout.write(name + this.#end);
  }

  peer(job: Job, news: PeerNews): void {
    this.print(`${this.#nameOf(job)}peer ${formatAddress(news.address)}: ${describePeer(news)}`);
  }

  stalled(job: Job, diagnosis: Diagnosis): void {
    const { stallTimeout = Infinity } = this.#options;
    if (diagnosis.idleMs >= stallTimeout) return; // the error says it
    this.#note(
      `torrent-dl: warning: ${this.#nameOf(job)}nothing received for ${formatDuration(diagnosis.idleMs / 1000)}`,
    );
    for (const line of linesOfDiagnosis(diagnosis)) this.#note(`  ${line}`);
  }

  skipped(job: Job, reason: string): void {
    this.notice(job, { level: 'warning', text: reason });
  }

  failed(job: Job | undefined, error: unknown): void {
    if (error instanceof OutputClosedError) return; // who closed it knows
    if (job?.download) this.#progress.remove(job.download);
    const text = describeError(error, Boolean(process.env['DEBUG']), diagnosisOf(error, job));
    this.print(job ? text.replace(/^torrent-dl: /, (start) => start + this.#nameOf(job)) : text);
  }

  ended({ download }: Job): void {
    if (download) this.#progress.remove(download);
  }

  close(): void {
    this.#progress.stop();
  }

  /** `NAME: `, where there are several. */
  #nameOf({ source, download }: Job): string {
    if (!this.#isSeveral) return '';
    const name = download?.stats().name ?? '';
    return `${escapeControl(name === '' ? withoutSecrets(source) : name)}: `;
  }

  /** A line that `--quiet` keeps back. */
  #note(line: string): void {
    if (!this.#options.quiet) this.print(line);
  }
}

/** `connected (qBittorrent 4.5.2)`, `gone: closed by the peer`. */
function describePeer({ event, client, isIncoming, reason = 'unknown reason' }: PeerNews): string {
  if (event === 'connect') return `${isIncoming ? 'has dialled us' : 'connected'} (${escapeControl(client ?? '')})`;
  return `${event === 'ban' ? 'banned' : 'gone'}: ${escapeControl(reason)}`;
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
