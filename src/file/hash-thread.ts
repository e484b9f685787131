import type { Worker } from 'node:worker_threads';
import { DiskError } from '../common/errors.js';
import { openWorker } from './open-worker.js';

/** The main thread's side of a thread that answers jobs, in their order, until it is told `null`. */
export class HashThread<Job, Answer> {
  readonly #worker: Worker;
  /** Who waits for an answer, in the order of the jobs. */
  readonly #waiting: { readonly resolve: (answer: Answer) => void; readonly reject: (error: Error) => void }[] = [];
  readonly #exited: Promise<void>;
  #death: DiskError | undefined;

  /** Starts the module `name`, which is given `data`. */
  constructor(name: string, data: unknown) {
    this.#worker = openWorker(name, data);
    this.#worker.on('message', (answer: Answer) => this.#waiting.shift()?.resolve(answer));
    this.#worker.on('error', (error) => this.#die(error));
    this.#exited = new Promise((resolve) => {
      this.#worker.on('exit', (code) => {
        this.#die(new Error(`exit code ${code}`));
        resolve();
      });
    });
  }

  /** @throws {DiskError} when the thread dies */
  run(job: Job): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#death) return reject(this.#death);
      this.#waiting.push({ resolve, reject });
      this.#worker.postMessage(job);
    });
  }

  /** Ends the thread when it has done its jobs. */
  async close(): Promise<void> {
    this.#worker.postMessage(null);
    await this.#exited;
  }

  #die(cause: Error): void {
    this.#death ??= new DiskError('ERR_DISK_THREAD', `a thread that hashes died: ${cause.message}`, { cause });
    for (const { reject } of this.#waiting.splice(0)) reject(this.#death);
  }
}
