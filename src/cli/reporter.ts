/** Where the news of a run goes: to people (`people.ts`), or to programs. */
import type { Diagnosis, Download, FinishedFile, Metainfo, Notice, PeerNews, SourceStatus } from '../index.js';

/** One torrent of a run. */
export interface Job {
  /** As the user named it: a path, a URL, a link, or `-`. */
  readonly source: string;
  /** Undefined until its source was read. */
  readonly download: Download | undefined;
  /** When it began, of `performance.now()`. */
  readonly startedAt: number;
}

/** A job whose download runs. */
export type RunningJob = Job & { readonly download: Download };

/** Hears of all that happens in a run, in the order of time. A job ends by one of `completed`, `stopped`, `skipped` and `failed`. */
export interface Reporter {
  /** Prints a line for whoever looks for a fault (`DEBUG`). */
  print(line: string): void;
  /** So many torrents are in the run. */
  begins?(torrents: number): void;
  started(job: RunningJob): void;
  notice(job: Job, notice: Notice): void;
  /** What is downloaded is known: the torrent, and which of its files. */
  metadata?(job: Job, metainfo: Metainfo, isWanted: (file: number) => boolean): void;
  /** A file is complete. */
  file?(job: Job, file: FinishedFile): void;
  /** A tracker, or another way of finding peers, answered or failed. */
  source?(job: Job, status: SourceStatus): void;
  /** Only with `--verbose`. */
  peer?(job: Job, news: PeerNews): void;
  /** Nothing came for a while; it goes on. */
  stalled?(job: Job, diagnosis: Diagnosis): void;
  /** All that is wanted is there. */
  completed(job: RunningJob): void;
  /** It goes on uploading, after `completed`. */
  seeding(job: RunningJob): void;
  /** A signal came: everything is about to stop. */
  stopping(): void;
  /** A signal ended it. */
  stopped(job: RunningJob): void;
  /** Another job of the run does it. */
  skipped(job: Job, reason: string): void;
  /** Without `job` it concerns the whole run. */
  failed(job: Job | undefined, error: unknown): void;
  /** It is over and closed, whichever way; nothing of it is shown any longer. */
  ended(job: Job, exitCode: number): void;
  /** The run is over, or has to leave at once: the terminal is as it was. Idempotent. */
  close(exitCode: number): void;
}
