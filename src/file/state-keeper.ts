import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Bitfield } from '../common/bitfield.js';
import { DiskError } from '../common/errors.js';
import type { Metainfo } from '../metainfo/metainfo.js';
import { diskError, quoted, systemError } from './disk-error.js';
import { bootId } from './lock.js';
import { writeResume, type ResumeState } from './resume.js';
import { FileStamps, lookAt } from './stamps.js';
import { syncFiles } from './sync.js';
import type { Wanted } from './wanted.js';

/** The system notes a file's time of change in steps of up to 10 ms. */
const CLOCK_STEP_MS = 10;

/** Knows what to write into the resume state, and that it never claims more than what is on disk. */
export class StateKeeper {
  /** This run of the machine. */
  readonly boot = bootId();
  /** Whether `save` has something to tell. */
  isChanged = false;
  readonly #metainfo: Metainfo;
  readonly #out: string;
  /** The files as they were when they were looked at last: by a check, or by `save` for those written since. */
  #stamps: FileStamps;
  readonly #wanted: Wanted;
  /** Files written since they were looked at. */
  readonly #written = new Set<number>();
  /** Files with data that may not have reached the disk. */
  readonly #unsynced: Bitfield;
  #saving: Promise<void> = Promise.resolve();

  constructor(metainfo: Metainfo, out: string, wanted: Wanted) {
    this.#wanted = wanted;
    this.#metainfo = metainfo;
    this.#out = out;
    this.#stamps = new FileStamps(metainfo.files.length); // files that no check has looked at are not trusted
    this.#unsynced = new Bitfield(metainfo.files.length);
  }

  /** A check went by `stamps`, taken before it read the files, and by `state`; it found `have`. */
  checked(stamps: FileStamps, state: ResumeState | undefined, have: Bitfield): void {
    this.#stamps = stamps;
    for (const file of this.#metainfo.files.keys()) {
      const isSynced = state?.stamps.equals(file, stamps) === true && !state.unsynced.has(file);
      if (stamps.has(file) && !isSynced) this.#unsynced.add(file);
    }
    const isSame = state && isEqual(state.have.bytes, have.bytes) && isEqual(state.stamps.bytes, stamps.bytes);
    this.isChanged = !isSame;
  }

  /** Data was written to the file. */
  wrote(file: number): void {
    this.isChanged = true;
    this.#written.add(file);
    this.#unsynced.add(file);
  }

  /** See `FileWriter.save`. One save runs at a time. */
  save(have: Bitfield, sync: boolean): Promise<void> {
    // Where the machine's runs cannot be told apart, only synced data can be trusted later.
    const saving = this.#saving.then(() => this.#save(have, sync || this.boot === ''));
    this.#saving = saving.catch(() => undefined); // told to the caller; the next one starts afresh
    return saving;
  }

  /** Resolves when no save is under way; how it went was told to who asked for it. */
  idle(): Promise<void> {
    return this.#saving;
  }

  async #save(have: Bitfield, sync: boolean): Promise<void> {
    if (!this.isChanged && !(sync && this.#unsynced.count > 0)) return;
    this.isChanged = false;
    const saved = new Bitfield(have.length, have.bytes); // pieces written from now on are for the next time
    const written = [...this.#written];
    this.#written.clear();
    try {
      if (sync) await this.#sync();
      const newest = await this.#look(written, saved);
      const state = { have: saved, stamps: this.#stamps, unsynced: this.#unsynced, boot: this.boot };
      await writeResume(this.#out, this.#metainfo, state, sync);
      // A change within the same step of the clock would not show: nobody is told of the end before that is over.
      const left = newest + CLOCK_STEP_MS - Date.now();
      if (left > 0 && left <= CLOCK_STEP_MS) await sleep(left);
    } catch (error) {
      this.isChanged = true;
      for (const file of written) this.#written.add(file);
      throw error;
    }
  }

  /** Brings written data to the disk. What is written meanwhile counts as not there. */
  async #sync(): Promise<void> {
    const files = [...this.#metainfo.files.keys()].filter((file) => this.#unsynced.has(file));
    for (const file of files) this.#unsynced.delete(file);
    try {
      await syncFiles(files.map((file) => this.#placeOf(file)));
    } catch (error) {
      for (const file of files) this.#unsynced.add(file);
      throw error;
    }
  }

  /**
   * Notes the stamps of files just written; returns the newest time of change, in ms since 1970.
   * @throws {DiskError} when a file does not reach as far as the pieces in `have`: the stamp would hide that for ever
   */
  async #look(files: readonly number[], have: Bitfield): Promise<number> {
    let newest = 0;
    const isComplete = this.#wanted.isIn(have);
    const named = files.map((file) => [file, this.#metainfo.files[file]!.path] as const);
    await lookAt(this.#out, named, (file, stats) => {
      const place = this.#placeOf(file);
      if (!stats) throw diskError('keep', place, systemError('ENOENT', place));
      const size = Number(stats.size);
      const least = this.#leastSize(file, have);
      if (size < least || (isComplete && size !== least)) {
        const sizes = `it has ${size} bytes, not ${least}`;
        throw new DiskError('ERR_FILE_CHANGED', `${quoted(place)} was changed by another program: ${sizes}`);
      }
      this.#stamps.set(file, stats);
      newest = Math.max(newest, Number(stats.ctimeNs / 1_000_000n));
    });
    return newest;
  }

  /** Where the last piece that we have of a file ends in it. */
  #leastSize(file: number, have: Bitfield): number {
    const { pieceLength, files } = this.#metainfo;
    const { offset, length } = files[file]!;
    if (length === 0) return 0;
    const first = Math.floor(offset / pieceLength);
    let index = Math.floor((offset + length - 1) / pieceLength);
    while (index >= first && !have.has(index)) index--;
    return index < first ? 0 : Math.min(length, (index + 1) * pieceLength - offset);
  }

  #placeOf(file: number): string {
    return path.join(this.#out, this.#metainfo.files[file]!.path);
  }
}

function isEqual(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0;
}
