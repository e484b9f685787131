/** What is done with what a job has downloaded: commands for it, and a list of digests. */
import { checkManifest, writeManifest, type FinishedFile, type Metainfo } from '../index.js';

import type { Hooks } from './hooks.js';
import type { Options } from './options.js';
import { pathOf } from './paths.js';
import type { RunningJob } from './reporter.js';

export class Afterwards {
  readonly #options: Options;
  readonly #hooks: Hooks;
  readonly #files: FinishedFile[] = [];
  #isDone = false;

  constructor(options: Options, hooks: Hooks) {
    this.#options = options;
    this.#hooks = hooks;
  }

  /** Looks whether all that is to be done can be done. @throws {DiskError, UsageError} of the list */
  check({ files, name }: Metainfo): void {
    const { manifest, out } = this.#options;
    if (!manifest) return;
    const paths = files.map((file) => file.path);
    checkManifest(paths, { out, name, algorithm: manifest });
  }

  /** Starts the command for a file. */
  file(job: RunningJob, file: FinishedFile): void {
    const { onFile, manifest, out } = this.#options;
    if (manifest) this.#files.push(file);
    if (!onFile) return;
    this.#hooks.start(onFile, {
      ...factsOf(job),
      TORRENT_PATH: pathOf(file.path, out),
      TORRENT_LENGTH: String(file.length),
      TORRENT_INDEX: String(file.index),
    });
  }

  /** Writes the list of digests, then starts the command for all; once. @throws {DiskError, UsageError} of the list */
  async complete(job: RunningJob, signal: AbortSignal): Promise<void> {
    if (this.#isDone) return;
    this.#isDone = true;
    const { onComplete, manifest, out } = this.#options;
    const { metainfo } = job.download;
    if (manifest && metainfo) {
      const paths = this.#files.toSorted((one, other) => one.index - other.index).map(({ path }) => path);
      await writeManifest(paths, { out, name: metainfo.name, algorithm: manifest, signal });
    }
    if (!onComplete || !metainfo) return;
    // Without a folder of its own the torrent is all that was put below the output folder.
    const isBelowName = metainfo.files.every(
      ({ path }) => path === metainfo.name || path.startsWith(`${metainfo.name}/`),
    );
    this.#hooks.start(onComplete, {
      ...factsOf(job),
      TORRENT_PATH: pathOf(isBelowName ? metainfo.name : '', out),
      TORRENT_LENGTH: String(job.download.stats().totalLength),
    });
  }

  /** Waits for all commands. @throws {HookError} */
  settle(): Promise<void> {
    return this.#hooks.settle();
  }
}

function factsOf({ download }: RunningJob) {
  return {
    TORRENT_NAME: download.stats().name,
    TORRENT_INFO_HASH: Buffer.from(download.infoHash ?? []).toString('hex'),
  };
}
