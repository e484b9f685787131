import type { Worker } from 'node:worker_threads';
import { DiskError } from '../common/errors.js';
import { diskError } from './disk-error.js';
import { JOB, JobRing, RESULT } from './job-ring.js';
import { openWorker } from './open-worker.js';
import type { ControlMessage, ThreadMessage } from './worker.js';

/** A job's end: a number of `RESULT`, or why it failed. */
export type Answer = number | DiskError;

/** Hears of each job's end: what it was, and how it ended. */
export type OnAnswer = (kind: number, torrent: number, a: number, b: number, answer: Answer) => void;

/** The main thread's side of one disk thread. */
export class DiskThread {
  /** Jobs handed over and not answered. */
  pending = 0;
  /** Jobs answered so far. */
  answered = 0;
  readonly #worker: Worker;
  readonly #ring = new JobRing();
  readonly #onAnswer: OnAnswer;
  /** Jobs that did not fit the ring, four numbers each. */
  #backlog: number[] = [];
  /** Why jobs failed, by their number; the message may come before or after the answer is seen. */
  readonly #failures = new Map<number, DiskError>();
  readonly #controlled: (() => void)[] = [];
  readonly #exited: Promise<unknown>;
  #isClosing = false;
  #death: DiskError | undefined;
  #busySinceMs = 0;

  constructor(onAnswer: OnAnswer) {
    this.#onAnswer = onAnswer;
    this.#worker = openWorker('worker', this.#ring.memory);
    this.#worker.on('message', (message: ThreadMessage) => this.#onMessage(message));
    this.#worker.on('error', (error) => this.#die(error));
    this.#exited = new Promise((resolve) => this.#worker.on('exit', resolve));
    void this.#exited.then((code) => {
      if (!this.#isClosing) this.#die(new Error(`exit code ${String(code)}`));
    });
  }

  /** Whether it has done its first job, and lives. */
  get isUp(): boolean {
    return this.answered > 0 && !this.isDead;
  }

  /** Whether it answers all jobs by an error. */
  get isDead(): boolean {
    return this.#death !== undefined;
  }

  /** For how long it has had jobs without a pause; 0 while it starts. */
  get busyMs(): number {
    return this.isUp && this.pending > 0 ? performance.now() - this.#busySinceMs : 0;
  }

  /** Whether jobs wait for nobody but us, for they were answered and not taken, or never handed over. In passing that is so often. */
  get isStuck(): boolean {
    return this.pending > 0 && (this.#ring.isAnswered || !this.#ring.hasJobs);
  }

  /** Answers all jobs, now and later, by an error; for when no answers come. */
  giveUp(cause: Error): void {
    this.#die(cause);
    void this.#worker.terminate();
  }

  /** Hands a job over; its answer always comes, and never within this call. */
  post(kind: number, torrent: number, a: number, b: number): void {
    if (this.pending++ === 0) this.#busySinceMs = performance.now();
    if (this.#death) {
      const death = this.#death;
      queueMicrotask(() => this.#answer(kind, torrent, a, b, death));
    } else if (this.#backlog.length > 0 || this.#ring.isFull) this.#backlog.push(kind, torrent, a, b);
    else this.#ring.post(kind, torrent, a, b);
  }

  /** Resolves when the thread has done what the message says, after all jobs before it; or when it is dead. */
  control(message: ControlMessage): Promise<void> {
    return new Promise((resolve) => {
      this.#controlled.push(resolve);
      if (!this.#death) this.#worker.postMessage(message);
      this.post(JOB.control, 0, 0, 0);
    });
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    this.post(JOB.end, 0, 0, 0);
    await this.#exited;
  }

  #onMessage(message: ThreadMessage): void {
    if (message) this.#failures.set(message.number, diskError(message.action, message.path, message.error));
    else this.#ring.clearWake();
    this.#drain();
  }

  #drain(): void {
    const ring = this.#ring;
    while (ring.isAnswered) {
      let answer: Answer = ring.word(4);
      if (answer === RESULT.failed) {
        const failure = this.#failures.get(ring.number);
        if (!failure) return; // its message is on the way
        this.#failures.delete(ring.number);
        answer = failure;
      }
      this.#take(answer);
    }
  }

  /** Takes the oldest job out of the ring and passes its answer on. */
  #take(answer: Answer): void {
    const ring = this.#ring;
    const kind = ring.word(0);
    const torrent = ring.word(1);
    const a = ring.word(2);
    const b = ring.word(3);
    ring.take();
    if (this.#backlog.length > 0) this.#refill();
    this.#answer(kind, torrent, a, b, answer);
  }

  #refill(): void {
    let at = 0;
    const backlog = this.#backlog;
    for (; at < backlog.length && !this.#ring.isFull; at += 4) {
      this.#ring.post(backlog[at]!, backlog[at + 1]!, backlog[at + 2]!, backlog[at + 3]!);
    }
    this.#backlog = backlog.slice(at);
  }

  #answer(kind: number, torrent: number, a: number, b: number, answer: Answer): void {
    this.pending--;
    if (this.answered++ === 0) this.#busySinceMs = performance.now();
    if (kind === JOB.control) this.#controlled.shift()?.();
    else if (kind !== JOB.end) this.#onAnswer(kind, torrent, a, b, answer);
  }

  /** The thread is no more: whoever waits for it is told. */
  #die(cause: Error): void {
    if (this.#death) return;
    this.#drain();
    this.#death = deathOf(cause);
    while (this.#ring.hasJobs) this.#take(this.#death);
  }
}

/** A thread that cannot even start has its reason in words only. */
function deathOf(cause: Error): DiskError {
  const isShortOfFiles = /\bE[MN]FILE\b/.test(cause.message);
  const why = isShortOfFiles ? 'too many open files' : cause.message;
  const code = isShortOfFiles ? 'ERR_TOO_MANY_FILES' : 'ERR_DISK_THREAD';
  return new DiskError(code, `a disk thread died: ${why}`, { cause });
}
