import { closeSync, readFileSync } from 'node:fs';
import { codeOf } from './disk-error.js';
import type { OutFolder } from './out-folder.js';

/** How often, and after how long, to try again when others, sockets say, have taken all file descriptors. */
export const OPEN_RETRIES = 100;
export const OPEN_RETRY_MS = 20;

/** Whether an error says that there are no file descriptors left. */
export function isOutOfDescriptors(error: unknown): boolean {
  const code = codeOf(error);
  return code === 'EMFILE' || code === 'ENFILE';
}

/** Files kept open, the least recently used closed first. */
export class OpenFiles {
  readonly #folder: OutFolder;
  readonly #flags: number;
  #most: number;
  /** File → descriptor, in the order of use. */
  readonly #open = new Map<number, number>();
  #last = -1;
  #lastDescriptor = -1;

  constructor(folder: OutFolder, flags: number, most: number) {
    this.#folder = folder;
    this.#flags = flags;
    this.#most = most;
  }

  /** A descriptor of the file, good until the next call. @throws an error of `fs` */
  get(file: number, name: string, mode?: number): number {
    if (file === this.#last) return this.#lastDescriptor;
    let descriptor = this.#open.get(file);
    if (descriptor === undefined) descriptor = this.#openNew(name, mode);
    else this.#open.delete(file);
    this.#open.set(file, descriptor);
    this.#last = file;
    this.#lastDescriptor = descriptor;
    return descriptor;
  }

  close(): void {
    this.#shrink(0);
  }

  #openNew(name: string, mode?: number): number {
    this.#shrink(this.#most - 1);
    for (let tries = 0; ; tries++) {
      try {
        return this.#folder.open(name, this.#flags, mode);
      } catch (error) {
        if (!isOutOfDescriptors(error) || tries === OPEN_RETRIES) throw error;
        this.#most = Math.max(1, this.#open.size >> 1);
        if (this.#open.size > 0) this.#shrink(this.#open.size >> 1);
        else sleep(OPEN_RETRY_MS);
      }
    }
  }

  #shrink(most: number): void {
    for (const [file, descriptor] of this.#open) {
      if (this.#open.size <= most) return;
      if (file === this.#last) this.#last = -1;
      this.#open.delete(file);
      closeSync(descriptor);
    }
  }
}

/** How many files one thread, or the reader, may keep open: little beside what the process may have in all. */
export function mostOpenFiles(): number {
  let limit = 1024;
  try {
    const found = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'));
    if (found) limit = Number(found[1]);
  } catch {
    // no Linux: the usual limit will do
  }
  return Math.min(64, Math.max(4, limit >> 4));
}

function sleep(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
