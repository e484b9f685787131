import os from 'node:os';
import { bug } from '../common/errors.js';
import { DiskThread, type Answer, type OnAnswer } from './disk-thread.js';
import { JOB } from './job-ring.js';
import type { TorrentSpec } from './torrent-on-disk.js';

/** More threads than this do not write any faster; the rest of the processor belongs to the network. */
const MOST_WRITERS = 4;

/** A thread that had no pause for so long gets help from another, which takes 40 ms to start. */
const LONG_BUSY_MS = 50;

/** What a torrent hears from the threads. */
export interface JobOwner {
  readonly onWritten: (slot: number, index: number, answer: Answer) => void;
  readonly onChecked: (first: number, count: number, answer: Answer) => void;
}

type OpenThread = (onAnswer: OnAnswer) => DiskThread;
const openDiskThread: OpenThread = (onAnswer) => new DiskThread(onAnswer);

export interface DiskThreadsOptions {
  readonly count?: number;
  readonly openThread?: OpenThread;
}

/** The threads that hash, write and read for all downloads of a session. They start when they are first needed. */
export class DiskThreads implements AsyncDisposable {
  /** Threads that a check uses; the first `writers` of them write. */
  readonly count: number;
  readonly writers: number;
  readonly #threads: DiskThread[] = [];
  /** Without `spec` it is being removed. */
  readonly #torrents = new Map<number, { readonly spec?: TorrentSpec; readonly owner: JobOwner }>();
  #lastId = 0;
  readonly #openThread: OpenThread;
  #hasFailedToStart = false;
  #isClosed = false;

  private constructor(count: number, writers: number, openThread: OpenThread) {
    this.count = count;
    this.writers = writers;
    this.#openThread = openThread;
  }

  /**
   * `count`: how many to start at once, for all; by default as many as are of use and the cores suggest, when they are
   * needed. `openThread` is there for tests.
   */
  static open({ count, openThread = openDiskThread }: DiskThreadsOptions = {}): DiskThreads {
    const cores = os.availableParallelism();
    if (count === undefined) return new DiskThreads(cores, Math.min(MOST_WRITERS, cores), openThread);
    const threads = new DiskThreads(count, count, openThread);
    for (let n = 0; n < count; n++) threads.#start();
    return threads;
  }

  /** Makes a torrent known to the threads; returns its id for `write`, `check` and `remove`. */
  add(spec: TorrentSpec, owner: JobOwner): number {
    const id = ++this.#lastId;
    for (const thread of this.#threads) void thread.control({ type: 'add', id, spec });
    this.#torrents.set(id, { spec, owner });
    if (this.#threads.length === 0) this.#start();
    return id;
  }

  /** Resolves when the threads have done all jobs of the torrent and closed its files. */
  async remove(id: number): Promise<void> {
    const torrent = this.#torrents.get(id);
    if (!torrent) return;
    this.#torrents.set(id, { owner: torrent.owner });
    await Promise.all(this.#threads.map((thread) => thread.control({ type: 'remove', id })));
    this.#torrents.delete(id);
  }

  /** Has the piece in `slot` hashed and written; `onWritten` tells how it went. */
  write(id: number, slot: number, index: number): void {
    const thread = this.#idlestWriter();
    thread.post(JOB.write, id, slot, index);
    if (thread.busyMs > LONG_BUSY_MS && this.#threads.at(-1)!.isUp)
      this.#startMore(Math.min(this.writers, this.#threads.length + 1));
  }

  /** Has `count` pieces on disk hashed, from `first` on; `onChecked` tells when that is done. */
  check(id: number, first: number, count: number): void {
    this.#startMore(this.count);
    const idlest = this.#threads.reduce((a, b) => (a.isDead || (!b.isDead && b.pending < a.pending) ? b : a));
    idlest.post(JOB.check, id, first, count);
  }

  /** Threads started so far. */
  get started(): number {
    return this.#threads.length;
  }

  /** Jobs that the threads have answered so far. */
  get answered(): number {
    return this.#threads.reduce((sum, thread) => sum + thread.answered, 0);
  }

  /** Whether a thread's jobs wait for nobody but us; see `DiskThread`. */
  get isStuck(): boolean {
    return this.#threads.some((thread) => thread.isStuck);
  }

  /** Has stuck threads answer all their jobs by an error. */
  giveUp(cause: Error): void {
    for (const thread of this.#threads) if (thread.isStuck) thread.giveUp(cause);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#threads.map((thread) => thread.close()));
  }

  #start(): void {
    if (this.#isClosed) bug('the disk threads are closed');
    const thread = this.#openThread((kind, id, a, b, answer) => {
      const { owner } = this.#torrents.get(id)!;
      if (kind === JOB.write) owner.onWritten(a, b, answer);
      else owner.onChecked(a, b, answer);
    });
    for (const [id, { spec }] of this.#torrents) if (spec) void thread.control({ type: 'add', id, spec });
    this.#threads.push(thread);
  }

  /** Where the system has no more threads to give, those that run will do. */
  #startMore(count: number): void {
    try {
      while (!this.#hasFailedToStart && this.#threads.length < count) this.#start();
    } catch {
      this.#hasFailedToStart = true;
    }
  }

  /** Of those that run already: a full piece in memory is better written than left to a thread that only starts. */
  #idlestWriter(): DiskThread {
    let idlest = this.#threads[0]!;
    for (let n = 1; n < this.#threads.length && n < this.writers && (idlest.pending > 0 || idlest.isDead); n++) {
      const thread = this.#threads[n]!;
      if (thread.isUp && (idlest.isDead || thread.pending < idlest.pending)) idlest = thread;
    }
    return idlest;
  }
}
