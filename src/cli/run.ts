/** Downloads from the command line: starts them, tells the reporter, stops them on a signal. */
import type { Writable } from 'node:stream';
import { format } from 'node:util';
import debug from 'debug';

import { openSession, outputError, type Session } from '../index.js';

import { engineOptions } from './engine-options.js';
import { JsonReporter } from './events.js';
import { exitCodeOf } from './exit.js';
import { readList } from './inputs.js';
import { Jobs, type StartDownload } from './job.js';
import type { Options } from './options.js';
import { PeopleReporter } from './people.js';
import { Places } from './places.js';
import type { Reporter } from './reporter.js';
import { StopSignals } from './signals.js';

export type { StartDownload };

/** Torrents that are fetched at once when nobody says how many. */
const PARALLEL = 3;

/**
 * Downloads `torrents` (paths, URLs, links, or `-` for standard input) and those of `--input-file`. Gives the exit code:
 * that of the first, in the order of the command line, that failed. Errors are reported here.
 */
export async function run(torrents: readonly string[], options: Options, start: StartDownload): Promise<number> {
  const reporter = options.json
    ? new JsonReporter(options, options.out === '-' ? process.stderr : process.stdout)
    : new PeopleReporter(options, torrents.length !== 1 || options.inputFile !== undefined);
  const runner = new Runner(options, start, reporter);
  return await runner.run(torrents);
}

/** Whether standard output is ours to write lines to. */
function printsLines({ json, print, print0, out }: Options): boolean {
  return out !== '-' && Boolean(json ?? print ?? print0);
}

class Runner {
  readonly #options: Options;
  readonly #reporter: Reporter;
  readonly #signals: StopSignals;
  readonly #jobs: Jobs;
  /** Once standard output takes no more lines. */
  #outputExitCode: number | undefined;

  constructor(options: Options, start: StartDownload, reporter: Reporter) {
    this.#options = options;
    this.#reporter = reporter;
    this.#signals = new StopSignals(
      process,
      () => reporter.stopping(),
      (code) => this.#leave(code),
    );
    this.#jobs = new Jobs(options, start, reporter, this.#signals);
  }

  async run(torrents: readonly string[]): Promise<number> {
    debug.log = (...values: unknown[]) => this.#reporter.print(format(...values));
    process.on('uncaughtException', this.#onUncaught);
    const printsTo = printsLines(this.#options) ? process.stdout : undefined;
    printsTo?.on('error', this.#onOutputError);
    let exitCode = exitCodeOf(undefined);
    try {
      exitCode = await this.#runAll(torrents);
    } finally {
      this.#reporter.close(exitCode);
      this.#signals[Symbol.dispose]();
      process.off('uncaughtException', this.#onUncaught);
      if (printsTo) await written(printsTo);
      printsTo?.off('error', this.#onOutputError);
    }
    return this.#outputExitCode ?? exitCode;
  }

  async #runAll(torrents: readonly string[]): Promise<number> {
    try {
      const lists = this.#options.inputFile ?? [];
      const listed = await Promise.all(lists.map((file) => readList(file, this.#signals.signal)));
      const sources = [...torrents, ...listed.flat()];
      this.#reporter.begins?.(sources.length);
      if (sources.length === 1) return await this.#jobs.run(sources[0]!);
      await using session = await openSession(engineOptions(this.#options));
      return await this.#runSeveral(sources, session);
    } catch (error) {
      if (this.#signals.exitCode !== undefined) return this.#signals.exitCode;
      this.#reporter.failed(undefined, error);
      return exitCodeOf(error);
    }
  }

  /** A torrent that is complete, and seeds, gives its place to the next. */
  async #runSeveral(sources: readonly string[], session: Session): Promise<number> {
    const places = new Places(this.#options.parallel ?? PARALLEL);
    const exitCodes = await Promise.all(
      sources.map(async (source) => {
        const release = await places.take();
        try {
          return this.#signals.exitCode ?? (await this.#jobs.run(source, { session, onComplete: release }));
        } finally {
          release();
        }
      }),
    );
    const { exitCode } = this.#signals;
    if (exitCode !== undefined && exitCodes.includes(exitCode)) return exitCode;
    return exitCodes.find((code) => code !== 0) ?? 0;
  }

  /** Whoever reads our lines gets no more of them, which `main` tells the user: that ends all. */
  readonly #onOutputError = (error: Error): void => {
    this.#outputExitCode ??= exitCodeOf(outputError(error));
    this.#signals.stop(this.#outputExitCode);
  };

  /** A bug: nothing can be said about the state that it left, so there is no clean end to hope for. */
  readonly #onUncaught = (error: unknown): void => {
    this.#reporter.failed(undefined, error);
    this.#leave(this.#signals.exitCode ?? exitCodeOf(error));
  };

  /** Ends the process now, with the terminal as it was. */
  #leave(exitCode: number): void {
    this.#reporter.close(exitCode);
    process.exit(exitCode);
  }
}

/** Resolves when all that was written has left, or cannot. */
async function written(output: Writable): Promise<void> {
  await new Promise<void>((resolve) => output.write('', () => resolve()));
}
