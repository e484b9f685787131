/** Commands that the user wants to be run for what was downloaded. No shell sees the names of a torrent. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';

import { escapeControl, HookError } from '../index.js';

import { Places } from './places.js';

/** What a command is told of in its environment. Names that `settings.ts` reads begin with `TORRENT_DL_`. */
export interface HookFacts {
  /** Also its last argument; never begins with `-`. */
  readonly TORRENT_PATH: string;
  readonly TORRENT_NAME: string;
  /** In hex. */
  readonly TORRENT_INFO_HASH: string;
  /** Bytes. */
  readonly TORRENT_LENGTH: string;
  /** Of a file: its place in the torrent, from 0. */
  readonly TORRENT_INDEX?: string;
}

/** So many commands for files run at once. */
const PARALLEL = 2;

/** What a command printed is here so soon after its end. */
const LAST_WORDS_MS = 500;

/** Runs commands, some at a time, and remembers the first that failed. */
export class Hooks {
  readonly #places = new Places(PARALLEL);
  readonly #print: (line: string) => void;
  readonly #signal: AbortSignal;
  readonly #running = new Set<Promise<void>>();
  #failure: HookError | undefined;
  #wasCut = false;

  /** What a command prints goes to `print`, line by line. `signal` ends those that run and starts no more. */
  constructor(print: (line: string) => void, signal: AbortSignal) {
    this.#print = print;
    this.#signal = signal;
  }

  /** Whether the signal kept some from running to their end. */
  get wasCut(): boolean {
    return this.#wasCut;
  }

  /** Runs `command` with the path as its last argument, when its turn comes. */
  start(command: readonly string[], facts: HookFacts): void {
    const running: Promise<void> = this.#run(command, facts).finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /** Waits for all. @throws {HookError} that of the first that failed */
  async settle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
    if (this.#failure) throw this.#failure;
  }

  async #run(command: readonly string[], facts: HookFacts): Promise<void> {
    const release = await this.#places.take();
    try {
      if (this.#signal.aborted) this.#wasCut = true;
      else await this.#spawn(command, facts);
    } catch (error) {
      if (this.#signal.aborted) {
        this.#wasCut = true; // that is why it failed
        return;
      }
      const words = `${command[0]!} for ${facts.TORRENT_PATH}`;
      const failure = new HookError('ERR_HOOK', `${escapeControl(words)}: ${(error as Error).message}`);
      if (this.#failure) this.#print(`torrent-dl: ${failure.message}`);
      this.#failure ??= failure;
    } finally {
      release();
    }
  }

  /** @throws when it cannot be started, or ends with anything but 0 */
  async #spawn([program, ...args]: readonly string[], facts: HookFacts): Promise<void> {
    const child = spawn(program!, [...args, facts.TORRENT_PATH], {
      env: { ...process.env, TORRENT_INDEX: undefined, ...facts }, // we may be run by a command for a file ourselves
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true, // a group of its own, to be ended with all that it started
    });
    const end = (): void => killGroup(child);
    this.#signal.addEventListener('abort', end, { once: true });
    try {
      const outputs = [child.stdout, child.stderr];
      const relayed = Promise.all(outputs.map((output) => this.#relay(output)));
      await exited(child).finally(async () => {
        // What it left running may hold its output open for ever.
        const timer = setTimeout(() => outputs.map((output) => output.destroy()), LAST_WORDS_MS);
        await relayed;
        clearTimeout(timer);
      });
    } finally {
      this.#signal.removeEventListener('abort', end);
    }
  }

  async #relay(output: Readable): Promise<void> {
    const lines = createInterface({ input: output });
    output.once('close', () => lines.close());
    for await (const line of lines) this.#print(line);
  }
}

async function exited(child: ChildProcess): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    child.once('error', ({ code, message }: NodeJS.ErrnoException) => {
      const why = code === 'ENOENT' ? 'there is no such program' : code === 'EACCES' ? 'it may not be run' : message;
      reject(new Error(why));
    });
    child.once('exit', (code, signal) => {
      if (code === 0) resolve();
      else reject(new Error(signal === null ? `it ended with ${code}` : `it was ended by ${signal}`));
    });
  });
}

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGTERM');
  } catch {
    // it is over already
  }
}
