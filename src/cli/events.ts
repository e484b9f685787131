/** What a run does, for programs: one JSON object a line. `docs/json.md` says what is in each. */
import type { Writable } from 'node:stream';

import {
  formatAddress,
  OutputClosedError,
  VERSION,
  type Diagnosis,
  type FinishedFile,
  type Metainfo,
  type Notice,
  type PeerNews,
  type SourceStatus,
} from '../index.js';

import { diagnosisOf } from './diagnosis.js';
import { codeOf, describeError, exitCodeOf, messageOf } from './exit.js';
import {
  factsOfDiagnosis,
  factsOfEnding,
  factsOfEndings,
  factsOfProgress,
  factsOfSource,
  type Ending,
  type Result,
} from './facts.js';
import { withoutSecrets } from './inputs.js';
import { jsonLine } from './json.js';
import { filesOf } from './list.js';
import type { Options } from './options.js';
import { pathOf } from './paths.js';
import type { Job, Reporter, RunningJob } from './reporter.js';

/** It grows when a field goes or changes its meaning, and not when one is added. */
const SCHEMA_VERSION = 1;
const PROGRESS_EVERY_MS = 1000;

export class JsonReporter implements Reporter {
  readonly #options: Options;
  readonly #output: Writable;
  readonly #startedAt = performance.now();
  /** The jobs that are not over: each with how it would end if it were left now. */
  readonly #results = new Map<Job, Result>();
  readonly #over = new WeakSet<Job>();
  readonly #endings: Ending[] = [];
  /** In the run; 0 until that is known. */
  #torrents = 0;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  /** Writes to `output`, whose errors are the business of whoever opened it. */
  constructor(options: Options, output: Writable) {
    this.#options = options;
    this.#output = output;
  }

  print(line: string): void {
    process.stderr.write(`${line}\n`);
  }

  begins(torrents: number): void {
    this.#torrents = torrents;
  }

  started(job: RunningJob): void {
    this.#begin(job);
    this.#timer ??= setInterval(() => this.#tellProgress(), PROGRESS_EVERY_MS);
  }

  metadata(job: Job, metainfo: Metainfo, isWanted: (file: number) => boolean): void {
    const files = filesOf(metainfo).map((file) => ({ ...file, isWanted: isWanted(file.index) }));
    const { name, totalLength, pieceLength, pieceCount, isPrivate } = metainfo;
    this.#tell(job, 'metadata', { name, totalLength, pieceLength, pieceCount, isPrivate, files });
  }

  file(job: Job, { index, path, length }: FinishedFile): void {
    this.#tell(job, 'file', { index, path: pathOf(path, this.#options.out), length });
  }

  source(job: Job, status: SourceStatus): void {
    this.#tell(job, 'tracker', factsOfSource(status));
  }

  peer(job: Job, { event, address, ...news }: PeerNews): void {
    this.#tell(job, 'peer', { event, address: formatAddress(address), ...news });
  }

  notice(job: Job, { level, text }: Notice): void {
    if (level === 'warning') this.#tell(job, 'warning', { message: text });
  }

  stalled(job: Job, diagnosis: Diagnosis): void {
    this.#tell(job, 'stall', factsOfDiagnosis(diagnosis));
  }

  completed(job: RunningJob): void {
    this.#results.set(job, 'complete');
    this.#tell(job, 'progress', factsOfProgress(job.download.stats()));
  }

  seeding(): void {
    // the phase of `progress` says so
  }

  stopping(): void {
    // the summaries say so
  }

  stopped(): void {
    // that is how a job ends of which nothing else was heard
  }

  skipped(job: Job, reason: string): void {
    this.notice(job, { level: 'warning', text: reason });
    this.#results.set(job, 'skipped');
  }

  failed(job: Job | undefined, error: unknown): void {
    if (job) {
      this.#begin(job);
      this.#results.set(job, 'failed');
    }
    if (error instanceof OutputClosedError) return; // who closed it knows
    const diagnosis = diagnosisOf(error, job);
    const facts = { code: codeOf(error), message: messageOf(error), exitCode: exitCodeOf(error) };
    this.#tell(job, 'error', { ...facts, ...(diagnosis && factsOfDiagnosis(diagnosis)) });
    if (this.#output === process.stderr) return;
    process.stderr.write(`${describeError(error, Boolean(process.env['DEBUG']), diagnosis)}\n`);
  }

  ended(job: Job, exitCode: number): void {
    if (this.#over.has(job)) return;
    this.#begin(job);
    const seconds = (performance.now() - job.startedAt) / 1000;
    const result = this.#results.get(job) ?? 'failed';
    const isCut = result === 'complete' && exitCode !== 0; // by a signal, in the commands for it
    const ending = { result: isCut ? 'stopped' : result, stats: job.download?.stats(), seconds } as const;
    this.#tell(job, 'summary', { ...factsOfEnding(ending), exitCode });
    this.#endings.push(ending);
    this.#results.delete(job);
    this.#over.add(job);
  }

  /** With one torrent its summary is the last line; else there is one for all. */
  close(exitCode: number): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearInterval(this.#timer);
    for (const job of this.#results.keys()) this.ended(job, exitCode);
    if (this.#torrents === 1 && this.#endings.length === 1) return;
    const seconds = (performance.now() - this.#startedAt) / 1000;
    const notBegun = Math.max(0, this.#torrents - this.#endings.length);
    this.#write('summary', { ...factsOfEndings(this.#endings, notBegun, seconds), exitCode });
  }

  /** The first that is heard of a job is its `start`. */
  #begin(job: Job): void {
    if (this.#results.has(job) || this.#over.has(job)) return;
    this.#results.set(job, 'stopped');
    this.#tell(job, 'start', { program: `torrent-dl ${VERSION}`, out: this.#options.out ?? '.' });
  }

  /** A reader that is behind gets fewer of these, and of nothing else. */
  #tellProgress(): void {
    if (this.#output.writableNeedDrain) return;
    for (const job of this.#results.keys()) {
      if (job.download) this.#tell(job, 'progress', factsOfProgress(job.download.stats()));
    }
  }

  #tell(job: Job | undefined, type: string, facts: object): void {
    if (!job) return this.#write(type, facts);
    if (this.#over.has(job)) return;
    this.#begin(job);
    const { download } = job;
    const torrent = download?.infoHash && Buffer.from(download.infoHash).toString('hex');
    this.#write(type, { source: withoutSecrets(job.source), torrent, ...facts });
  }

  #write(type: string, facts: object): void {
    this.#output.write(jsonLine({ type, version: SCHEMA_VERSION, time: new Date().toISOString(), ...facts }));
  }
}
