/** What a job is about; see `worker.ts`. */
export const JOB = { control: 0, write: 1, check: 2, end: 3 } as const;

/** How a job ended. The details of a failure come as a message. */
export const RESULT = { ok: 0, corrupt: 1, failed: 2 } as const;

const POSTED = 0;
const DONE = 1;
const WAKE = 2;
const HEAD = 8;
const CELL = 5;
const CAPACITY = 4096;

/**
 * Jobs for one disk thread, in memory that it shares with the main thread. Jobs are numbered and done in order, so an
 * answer is put into the job's own cell and counted:
 *
 *     cells:   … free │ answered, not taken │ waiting for the thread │ free …
 *                     ▲ taken (main)        ▲ DONE (thread)          ▲ POSTED (main)
 *
 *     cell:    kind │ torrent │ a │ b │ result
 *
 * The thread sleeps until POSTED changes. It wakes the main thread by a message, but only when WAKE says that none is on
 * its way, and with jobs to do not more often than every few milliseconds: under load one message covers many answers.
 */
export class JobRing {
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array;
  /** Main thread: jobs whose answers were taken. Worker: jobs done. Wraps like the counters in memory. */
  #taken = 0;
  #posted = 0;

  constructor(memory = new SharedArrayBuffer((HEAD + CELL * CAPACITY) * 4)) {
    this.memory = memory;
    this.#words = new Int32Array(memory);
  }

  // ── Main thread ───────────────────────────────────────────────────────────────────────────────────────────────────

  get isFull(): boolean {
    return ((this.#posted - this.#taken) | 0) >= CAPACITY;
  }

  /** Hands a job to the thread; the ring must not be full. */
  post(kind: number, torrent: number, a: number, b: number): void {
    const cell = cellOf(this.#posted);
    this.#words[cell] = kind;
    this.#words[cell + 1] = torrent;
    this.#words[cell + 2] = a;
    this.#words[cell + 3] = b;
    this.#posted = (this.#posted + 1) | 0;
    Atomics.store(this.#words, POSTED, this.#posted);
    Atomics.notify(this.#words, POSTED);
  }

  /** From now on the thread sends a message for its next answer. */
  clearWake(): void {
    Atomics.store(this.#words, WAKE, 0);
  }

  /** Whether the oldest job not taken yet was answered. */
  get isAnswered(): boolean {
    return Atomics.load(this.#words, DONE) !== this.#taken;
  }

  /** Whether there is a job, answered or not, that was not taken yet. */
  get hasJobs(): boolean {
    return this.#posted !== this.#taken;
  }

  /** Steps over the oldest job; `at` it is read by `word`. */
  take(): void {
    this.#taken = (this.#taken + 1) | 0;
  }

  // ── Both ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Number of the oldest job that was not taken, or not done. */
  get number(): number {
    return this.#taken;
  }

  /** Kind (0), torrent (1), a (2), b (3) or result (4) of the oldest job that was not taken, or not done. */
  word(n: number): number {
    return this.#words[cellOf(this.#taken) + n]!;
  }

  // ── Worker ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Sleeps until there is a job. */
  wait(): void {
    while (!this.isPosted) Atomics.wait(this.#words, POSTED, this.#taken);
  }

  /** Whether a job waits. */
  get isPosted(): boolean {
    return Atomics.load(this.#words, POSTED) !== this.#taken;
  }

  /** Answers the job. */
  answer(result: number): void {
    this.#words[cellOf(this.#taken) + 4] = result;
    this.#taken = (this.#taken + 1) | 0;
    Atomics.store(this.#words, DONE, this.#taken);
  }

  /** Says whether a message has to wake the main thread; that message must be sent then. */
  claimWake(): boolean {
    return Atomics.exchange(this.#words, WAKE, 1) === 0;
  }
}

function cellOf(number: number): number {
  return HEAD + CELL * (number & (CAPACITY - 1));
}
