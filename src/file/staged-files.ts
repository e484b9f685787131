import { lstatSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import path from 'node:path';
import type { Bitfield } from '../common/bitfield.js';
import { Closers } from '../common/closers.js';
import { DiskError, UsageError } from '../common/errors.js';
import type { Metainfo } from '../metainfo/metainfo.js';
import { diskError, quoted } from './disk-error.js';
import { FileLock } from './lock.js';
import { OutFolder, STATE_FOLDER } from './out-folder.js';
import type { CheckOptions, CheckResult, PieceSink } from './piece-sink.js';
import { claimsOf } from './place.js';
import { FileReader } from './reader.js';
import { makeOutFolder, scan } from './scan.js';
import { isSideThere, removeSide, sidePath } from './side-file.js';
import { StateKeeper } from './state-keeper.js';
import { survey } from './survey.js';
import { syncFolder } from './sync.js';
import { Wanted } from './wanted.js';
import { FileWriter, type FileWriterOptions } from './writer.js';

/**
 * Files that appear at their place with one rename, when all of them are verified and on the disk. Until then they lie,
 * with their resume state, in `<out>/.torrent-dl/<info hash>.staged`, on the same file system.
 *
 *   nothing at the place ──► staged ──finish: sync, rename──► in place
 *   the whole torrent is there already ──────────────────────►    ▲
 *   anything else is there: an error, for nothing is replaced
 *
 * Killed at any moment it leaves the one or the other, never half, and the next run goes on from there.
 */
export class StagedFiles implements PieceSink {
  readonly #metainfo: Metainfo;
  readonly #out: string;
  readonly #root: string;
  readonly #options: FileWriterOptions;
  readonly #wanted: Wanted;
  readonly #closers = new Closers();
  #isInPlace: boolean;
  #writer: FileWriter;
  #reader: FileReader;
  /** Files that are complete, and of which nobody was told yet: they are not in place, or perhaps not ours. */
  readonly #finished: number[];
  #moving: Promise<void> | undefined;

  private constructor(
    metainfo: Metainfo,
    out: string,
    options: FileWriterOptions,
    { writer, isInPlace, finished }: { writer: FileWriter; isInPlace: boolean; finished: number[] },
  ) {
    this.#metainfo = metainfo;
    this.#out = out;
    this.#wanted = options.wanted ?? new Wanted(metainfo);
    this.#root = rootOf(metainfo, this.#wanted.files);
    this.#options = options;
    this.#isInPlace = isInPlace;
    this.#finished = finished;
    this.#writer = this.#closers.use(writer);
    this.#reader = new FileReader(metainfo, isInPlace ? out : stageOf(out, metainfo), this.#wanted);
    this.#closers.defer(() => this.#reader[Symbol.asyncDispose]());
  }

  /**
   * As `FileWriter.open`. @throws {UsageError} when the wanted files would have several roots, which no single rename moves
   * @throws {DiskError} `ERR_IN_THE_WAY` when something is at the place that cannot be the whole torrent
   */
  static async open(metainfo: Metainfo, out: string, options: FileWriterOptions): Promise<StagedFiles> {
    const wanted = options.wanted?.files;
    const place = path.join(out, rootOf(metainfo, wanted));
    const finished: number[] = [];
    const own = { ...options, ...(options.onFile && { onFile: (file: number) => void finished.push(file) }) };
    makeOutFolder(out);
    const lock = await FileLock.acquire(out, claimsOf(metainfo, wanted));
    let writer: FileWriter;
    try {
      if (isThere(place)) {
        await refuseOther(metainfo, out, place, wanted);
        await lock[Symbol.asyncDispose](); // the writer in place takes it
        writer = await FileWriter.open(metainfo, out, { ...own, onNotice: () => undefined });
        return new StagedFiles(metainfo, out, options, { writer, isInPlace: true, finished });
      }
      makeStage(out, metainfo);
      writer = await FileWriter.open(metainfo, stageOf(out, metainfo), { ...own, keepsSide: true });
      const staged = new StagedFiles(metainfo, out, options, { writer, isInPlace: false, finished });
      staged.#closers.use(lock);
      return staged;
    } catch (error) {
      await lock[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Where the files are now. */
  get folder(): string {
    return this.#isInPlace ? this.#out : stageOf(this.#out, this.#metainfo);
  }

  get isWaitingForRoom(): boolean {
    return this.#writer.isWaitingForRoom;
  }

  write(slot: number, index: number): void {
    this.#writer.write(slot, index);
  }

  /** See `FileWriter.check`. @throws {DiskError} `ERR_IN_THE_WAY` when what is in place is not the whole torrent */
  async check(options: CheckOptions = {}): Promise<CheckResult> {
    const found = await this.#writer.check(options);
    if (!this.#isInPlace) return found;
    if (!this.#wanted.isIn(found.have)) throw inTheWay(path.join(this.#out, this.#root));
    await rm(stageOf(this.#out, this.#metainfo), { recursive: true, force: true }); // of a run killed behind its rename
    this.#tellFinished();
    return found;
  }

  async save(have: Bitfield, options?: { readonly sync?: boolean }): Promise<void> {
    if (!this.#moving) await this.#writer.save(have, options);
  }

  /** Moves all to its place. @throws {DiskError} */
  async finish(have: Bitfield): Promise<void> {
    if (this.#isInPlace) return this.#writer.finish(have);
    await (this.#moving ??= this.#move(have));
  }

  /** See `FileReader.read`; a move under way is waited for. */
  async read(index: number, begin: number, parts: readonly Uint8Array[]): Promise<void> {
    await this.#moving;
    await this.#reader.read(index, begin, parts);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#moving?.catch(() => undefined); // told to who asked for it
    await this.#closers[Symbol.asyncDispose]();
  }

  async #move(have: Bitfield): Promise<void> {
    const stage = stageOf(this.#out, this.#metainfo);
    const place = path.join(this.#out, this.#root);
    await this.#writer.save(have, { sync: true });
    await this.#writer[Symbol.asyncDispose](); // closes the files: not every system moves open ones
    await this.#reader[Symbol.asyncDispose]();
    try {
      for (const folder of foldersOf(this.#metainfo, this.#wanted.files)) await syncFolder(path.join(stage, folder));
      if (isThere(place)) throw inTheWay(place); // a rename would replace a file
      await rename(path.join(stage, this.#root), place);
      await syncFolder(this.#out);
      await this.#moveSide(stage);
    } catch (error) {
      throw diskError('put in place', place, error);
    }
    this.#isInPlace = true;
    this.#reader = new FileReader(this.#metainfo, this.#out, this.#wanted);
    await this.#noteState(have);
    await rm(stage, { recursive: true, force: true });
    this.#tellFinished();
  }

  #tellFinished(): void {
    for (const file of this.#finished.splice(0)) this.#options.onFile?.(file);
  }

  /** What peers may still ask for; it goes when nobody can any more. */
  async #moveSide(stage: string): Promise<void> {
    if (!isSideThere(stage, this.#metainfo)) return;
    const name = sidePath(this.#metainfo);
    await rename(path.join(stage, name), path.join(this.#out, name));
    this.#closers.defer(() => removeSide(this.#out, this.#metainfo));
  }

  /** For the next run, which finds the files in place: a rename changes the stamp of a file. */
  async #noteState(have: Bitfield): Promise<void> {
    try {
      const stamps = await scan(this.#out, this.#metainfo.files, this.#wanted.files);
      const keeper = new StateKeeper(this.#metainfo, this.#out, this.#wanted);
      for (const file of this.#metainfo.files.keys()) if (stamps.has(file)) keeper.wrote(file);
      await keeper.save(have, true);
    } catch (error) {
      this.#options.onNotice?.(`the resume state could not be saved: ${(error as Error).message}`);
    }
  }
}

/**
 * Where the files of an atomic download are now: in place, if they are there, or staged. It touches nothing.
 * @throws {UsageError} {DiskError} as `StagedFiles.open`
 */
export async function findStaged(metainfo: Metainfo, out: string, wanted?: Bitfield): Promise<string> {
  const place = path.join(out, rootOf(metainfo, wanted));
  if (!isThere(place)) return stageOf(out, metainfo);
  await refuseOther(metainfo, out, place, wanted);
  return out;
}

/** @throws {DiskError} when what stands at the place of a torrent cannot be what is wanted of it */
async function refuseOther({ files }: Metainfo, out: string, place: string, wanted?: Bitfield): Promise<void> {
  const sights = await survey(out, files);
  const isWhole = files.every(({ length, isPadding }, file) => {
    const sight = sights[file];
    if (isPadding || wanted?.has(file) === false) return true;
    return sight !== undefined && 'size' in sight && sight.size === length;
  });
  if (!isWhole) throw inTheWay(place);
}

function inTheWay(place: string): DiskError {
  const why = 'something is there that is not the whole torrent, and nothing is replaced';
  return new DiskError(
    'ERR_IN_THE_WAY',
    `cannot put ${quoted(place)} in place: ${why}; move it away or choose another folder`,
  );
}

/** The one thing below the output folder that holds all files, or those that are wanted. @throws {UsageError} */
export function rootOf({ files }: Metainfo, wanted?: Bitfield): string {
  const written = files.filter(({ isPadding }, file) => !isPadding && wanted?.has(file) !== false);
  const roots = new Set(written.map((file) => file.path.split('/', 1)[0]!));
  const [root] = roots;
  if (root !== undefined && roots.size === 1) return root;
  throw new UsageError(
    'ERR_ATOMIC_ROOTS',
    `the torrent would have ${roots.size} places below the output folder, and only one can be renamed at once`,
  );
}

/** Whether an unfinished download with `--atomic` waits below `out`. @throws {DiskError} when that cannot be seen */
export function isStaged(out: string, metainfo: Metainfo): boolean {
  return isThere(stageOf(out, metainfo));
}

function stageOf(out: string, metainfo: Metainfo): string {
  return path.join(out, stageName(metainfo));
}

function stageName({ infoHash }: Metainfo): string {
  return `${STATE_FOLDER}/${Buffer.from(infoHash).toString('hex')}.staged`;
}

/** A link there would lead the files elsewhere. */
function makeStage(out: string, metainfo: Metainfo): void {
  try {
    new OutFolder(out).enter(stageName(metainfo), true);
  } catch (error) {
    throw diskError('write to', (error as NodeJS.ErrnoException).path ?? stageOf(out, metainfo), error);
  }
}

/** The folders of the files, and `.` for what holds the root. */
function foldersOf({ files }: Metainfo, wanted: Bitfield): string[] {
  const folders = new Set<string>(['.']);
  for (const [file, { path: name, isPadding }] of files.entries()) {
    if (isPadding || !wanted.has(file)) continue;
    for (let folder = path.dirname(name); !folders.has(folder); folder = path.dirname(folder)) folders.add(folder);
  }
  return [...folders];
}

function isThere(place: string): boolean {
  try {
    return lstatSync(place, { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    throw diskError('write', place, error);
  }
}
