/** Stage 5: full pieces → disk. */
import path from 'node:path';
import createDebug from 'debug';
import { Bitfield } from '../common/bitfield.js';
import { Closers } from '../common/closers.js';
import { DiskError } from '../common/errors.js';
import type { Metainfo, MetainfoFile } from '../metainfo/metainfo.js';
import { planCheck, runJobs } from './check.js';
import { quoted } from './disk-error.js';
import type { Answer } from './disk-thread.js';
import { FileTally } from './file-tally.js';
import { RESULT } from './job-ring.js';
import { FileLayout } from './layout.js';
import { FileLock } from './lock.js';
import { findOthers } from './others.js';
import type { CheckOptions, CheckResult, PieceSink } from './piece-sink.js';
import { claimsOf, refuseStateFolder, takePlace } from './place.js';
import { readResume, type ResumeState } from './resume.js';
import { makeEmptyFiles, refuseTwins, scan } from './scan.js';
import { isSideThere, removeSide, sideSpecOf, type SideSpec } from './side-file.js';
import type { FileStamps } from './stamps.js';
import { isDiskFull, PiecesWithoutRoom, waitingText, type OnDiskFull } from './room.js';
import { withMissingRoom } from './space.js';
import { StateKeeper } from './state-keeper.js';
import type { DiskThreads } from './threads.js';
import { Wanted } from './wanted.js';

const log = createDebug('torrent-dl:file');

export interface FileWriterOptions {
  readonly threads: DiskThreads;
  /** The slots: a piece to write lies at `slot * slotLength`. */
  readonly memory: SharedArrayBuffer;
  readonly slotLength: number;
  /** What is written of the torrent. Default: all of it. */
  readonly wanted?: Wanted | undefined;
  /** How a `write` ended; from then on the slot is free. */
  readonly onPiece: (slot: number, index: number, result: 'ok' | 'corrupt' | DiskError) => void;
  /** All pieces of a wanted file are verified and written; told by `check` of those that were complete, and of empty ones. */
  readonly onFile?: (file: number) => void;
  /** Whether the side file stays when all is there; its owner removes it. */
  readonly keepsSide?: boolean;
  /** Default: `fail`. */
  readonly onDiskFull?: OnDiskFull | undefined;
  readonly onNotice?: (text: string) => void;
}

/**
 * Writes verified pieces to their files, knows which are there already, and keeps the resume state. It works for one
 * torrent in one folder, which it locks against other runs. Only bytes that were verified reach a file; files and folders
 * are made on demand (empty ones by `open`), and nothing of the user's is removed. Files that are not wanted are never
 * touched: see `side-file.ts`.
 */
export class FileWriter implements PieceSink {
  /** Pieces that are at the threads; those that wait for room are not. */
  pending = 0;
  readonly #metainfo: Metainfo;
  readonly #out: string;
  readonly #options: FileWriterOptions;
  readonly #wanted: Wanted;
  readonly #side: SideSpec | undefined;
  /** Where files lie in the torrent; what lies in the side file does not matter here. */
  readonly #layout: FileLayout;
  readonly #closers = new Closers();
  readonly #found: Uint8Array;
  /** How long each file, and the side file behind them, must be by now; the threads raise it. */
  readonly #reached: Float64Array;
  /** The torrent's number at the threads. */
  #id = 0;
  #have: Bitfield;
  /** Why nothing can be written here; then all has to be here already. */
  #refusal: DiskError | undefined;
  readonly #state: StateKeeper;
  /** What `open` saw on disk, good for a check until something is written. */
  #seen: FileStamps | undefined;
  readonly #tally: FileTally | undefined;
  readonly #withoutRoom: PiecesWithoutRoom | undefined;
  #onIdle: (() => void) | undefined;
  readonly #checking = new Map<number, (answer: Answer) => void>();

  private constructor(metainfo: Metainfo, out: string, options: FileWriterOptions, seen: FileStamps) {
    this.#metainfo = metainfo;
    this.#out = out;
    this.#options = options;
    this.#wanted = options.wanted ?? new Wanted(metainfo);
    this.#side = sideSpecOf(metainfo, this.#wanted);
    this.#layout = new FileLayout(metainfo, metainfo.files);
    this.#found = new Uint8Array(new SharedArrayBuffer(Math.ceil(metainfo.pieceCount / 8)));
    this.#reached = new Float64Array(new SharedArrayBuffer((metainfo.files.length + 1) * 8));
    this.#have = new Bitfield(metainfo.pieceCount);
    this.#seen = seen;
    this.#state = new StateKeeper(metainfo, out, this.#wanted);
    if (options.onFile) this.#tally = new FileTally(metainfo, this.#layout, this.#wanted, options.onFile);
    if (options.onDiskFull !== 'wait') return;
    this.#withoutRoom = new PiecesWithoutRoom(
      (slot, index) => this.write(slot, index),
      (error) => void this.#tellOfRoom(error),
    );
  }

  /**
   * Takes hold of the torrent's place below `out`, which is made when missing, and makes its empty files. Where nothing can
   * be written it only looks: a complete download on a read-only disk is complete.
   * @throws {DiskError} when another run writes there, the place cannot be written to, or something is in the way
   */
  static async open(metainfo: Metainfo, out: string, options: FileWriterOptions): Promise<FileWriter> {
    const { files } = metainfo;
    const wanted = options.wanted?.files;
    const claims = claimsOf(metainfo, wanted);
    refuseStateFolder(claims);
    const lock = await takePlace(out, claims);
    try {
      refuseTwins(out, wanted ? files.filter((_, file) => wanted.has(file)) : files);
      const disk = await scan(out, files, wanted);
      const writer = new FileWriter(metainfo, out, options, disk);
      if (lock instanceof FileLock) {
        writer.#closers.use(lock);
        writer.#closers.defer(() => writer.#removeSide());
        makeEmptyFiles(out, files, wanted);
      } else if (writer.#hasAll(disk)) writer.#refusal = lock;
      else throw lock;
      writer.#join();
      return writer;
    } catch (error) {
      if (lock instanceof FileLock) await lock[Symbol.asyncDispose]();
      throw error;
    }
  }

  get folder(): string {
    return this.#out;
  }

  /** Whether pieces wait in their slots until there is room on the disk. */
  get isWaitingForRoom(): boolean {
    return this.#withoutRoom?.isWaiting ?? false;
  }

  /** Has a full piece hashed and, if it is right, written; its slot must not be touched until `onPiece` tells. */
  write(slot: number, index: number): void {
    this.pending++;
    this.#seen = undefined;
    this.#options.threads.write(this.#id, slot, index);
  }

  /**
   * Finds the pieces that are right on disk: those that the resume state proves, and those whose hash is right. `recheck`
   * hashes all of them. `onProgress` tells of bytes to hash, and may say 0 of 0.
   * @throws {DiskError} when a file cannot be read, or something is wrong where nothing can be written; the signal's reason
   */
  async check(options: CheckOptions = {}): Promise<CheckResult> {
    const wanted = this.#wanted;
    const { threads } = this.#options;
    const disk = this.#seen ?? (await scan(this.#out, this.#metainfo.files, wanted.files));
    const found = { wanted, disk, hasSide: isSideThere(this.#out, this.#metainfo) };
    this.#seen = undefined;
    const state = options.recheck
      ? undefined
      : await readResume(this.#out, this.#metainfo, (text) => this.#notice(text));
    const plan = planCheck(this.#metainfo, this.#layout, found, state, this.#state.boot);
    log('%d pieces known, %d bytes to hash in %d jobs', plan.proven.count, plan.length, plan.jobs.length);
    this.#found.set(plan.proven.bytes);
    await runJobs(plan, (first, count) => this.#hash(first, count), threads.count * 3, options);
    this.#settle(disk, state);
    if (this.#refusal && !wanted.isIn(this.#have)) throw this.#refusal;
    if (!state) this.#warnOfOthers(findOthers(this.#metainfo, this.#layout, found, this.#have));
    const have = new Bitfield(this.#have.length, this.#have.bytes);
    const readable = new Bitfield(have.length);
    // The resume state speaks for files, not for the side file.
    readable.load(have.bytes.map((byte, at) => byte & ~(plan.proven.bytes[at]! & wanted.boundary.bytes[at]!)));
    return { have, readable };
  }

  /**
   * Notes which pieces we have (`have`) for the next run. With `sync` (the default) the data is brought to the disk
   * before, so that the state holds even after a power cut; without it the state holds while the machine is up, and after
   * that files with young data are hashed again. The latter takes no time, whatever the disk.
   * @throws {DiskError}
   */
  async save(have: Bitfield, { sync = true }: { readonly sync?: boolean } = {}): Promise<void> {
    if (this.#refusal) return;
    try {
      await this.#state.save(have, sync);
    } catch (error) {
      if (!this.#withoutRoom || !isDiskFull(error)) throw error;
      log('the resume state has to wait: %s', error.message);
    }
  }

  /** All that is wanted was written. @throws {DiskError} */
  finish(have: Bitfield): Promise<void> {
    return this.save(have, { sync: false });
  }

  /** Waits for pending pieces, saves what changed, closes all files and gives the place free. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.pending > 0) await new Promise<void>((resolve) => (this.#onIdle = resolve));
    this.#withoutRoom?.close(); // or it would hand pieces to threads that know the torrent no more
    try {
      await this.#state.idle(); // a save under way keeps the lock, and may leave something to tell
      if (this.#state.isChanged) await this.save(this.#have, { sync: false });
    } catch (error) {
      this.#notice(`the resume state could not be saved: ${(error as Error).message}`);
    } finally {
      await this.#closers[Symbol.asyncDispose]();
    }
  }

  // ── Opening ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Whether every wanted file is there in its full length. */
  #hasAll(disk: FileStamps): boolean {
    const { files } = this.#metainfo;
    return files.every(({ length, isPadding }, file) => {
      if (isPadding || !this.#wanted.files.has(file)) return true;
      return disk.has(file) && disk.size(file) === length;
    });
  }

  /** Makes the torrent known to the threads. */
  #join(): void {
    const { threads, memory, slotLength } = this.#options;
    const { files, pieceLength, pieceCount, totalLength } = this.#metainfo;
    const pieceHashes = new SharedArrayBuffer(this.#metainfo.pieceHashes.length);
    new Uint8Array(pieceHashes).set(this.#metainfo.pieceHashes);
    const spec = {
      out: this.#out,
      pieces: { pieceLength, pieceCount, totalLength },
      files: files.map(({ path, offset, length, isPadding, isExecutable }) => {
        return { path, offset, length, isPadding, isExecutable };
      }),
      side: this.#side,
      pieceHashes,
      memory,
      slotLength,
      found: this.#found.buffer as SharedArrayBuffer,
      reached: this.#reached.buffer as SharedArrayBuffer,
    };
    this.#id = threads.add(spec, {
      onWritten: (slot, index, answer) => this.#onWritten(slot, index, answer),
      onChecked: (first, _count, answer) => this.#checking.get(first)?.(answer),
    });
    this.#closers.defer(() => threads.remove(this.#id));
  }

  // ── Writing ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #onWritten(slot: number, index: number, answer: Answer): void {
    this.pending--;
    this.#withoutRoom?.answered(slot);
    const isOk = answer === RESULT.ok;
    if (isOk) this.#note(index);
    if (isDiskFull(answer)) void this.#onDiskFull(slot, index, answer);
    else this.#options.onPiece(slot, index, isOk ? 'ok' : answer instanceof DiskError ? answer : 'corrupt');
    if (isOk) this.#withoutRoom?.wrote();
    if (this.pending === 0) this.#onIdle?.();
  }

  /** The piece was written: so were its files. */
  #note(index: number): void {
    const isNew = this.#have.add(index);
    for (const { file } of this.#layout.spansOf(index)) {
      if (this.#wanted.files.has(file) && !this.#metainfo.files[file]!.isPadding) this.#state.wrote(file);
    }
    if (isNew) this.#tally?.add(index);
  }

  async #onDiskFull(slot: number, index: number, error: DiskError): Promise<void> {
    if (this.#withoutRoom) this.#withoutRoom.add(slot, index, error);
    else this.#options.onPiece(slot, index, await this.#withMissingRoom(error));
  }

  async #tellOfRoom(error: DiskError | undefined): Promise<void> {
    this.#notice(error ? waitingText(await this.#withMissingRoom(error)) : 'there is room on the disk again: going on');
  }

  #withMissingRoom(error: DiskError): Promise<DiskError> {
    return withMissingRoom(error, this.#out, { metainfo: this.#metainfo, have: this.#have, wanted: this.#wanted });
  }

  /** When all that is wanted is there, nobody needs the side file any more, nor one that an earlier run left. */
  async #removeSide(): Promise<void> {
    if (!this.#options.keepsSide && this.#wanted.isIn(this.#have)) await removeSide(this.#out, this.#metainfo);
  }

  // ── Checking ──────────────────────────────────────────────────────────────────────────────────────────────────────

  async #hash(first: number, count: number): Promise<void> {
    const { threads } = this.#options;
    const answer = await new Promise<Answer>((resolve) => {
      this.#checking.set(first, resolve);
      threads.check(this.#id, first, count);
    });
    this.#checking.delete(first);
    if (answer instanceof DiskError) throw answer;
  }

  /** Takes over what the check found. */
  #settle(disk: FileStamps, state: ResumeState | undefined): void {
    const { pieceCount } = this.#metainfo;
    this.#have = new Bitfield(pieceCount, this.#found);
    for (const [file, { length }] of this.#metainfo.files.entries()) {
      this.#reached[file] = Math.min(disk.size(file), length);
    }
    this.#state.checked(disk, state, this.#have);
    this.#tally?.restart();
    this.#tally?.tellEmpty();
    for (let index = 0; index < pieceCount; index++) if (this.#have.has(index)) this.#tally?.add(index);
  }

  #warnOfOthers([first, ...others]: readonly MetainfoFile[]): void {
    if (!first) return;
    const more = others.length > 0 ? ` (and ${others.length} more)` : '';
    this.#notice(`${quoted(path.join(this.#out, first.path))}${more} holds other data, which is overwritten`);
  }

  #notice(text: string): void {
    log('%s', text);
    this.#options.onNotice?.(text);
  }
}
