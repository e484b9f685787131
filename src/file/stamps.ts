import { lstatSync, type BigIntStats } from 'node:fs';
import path from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';

const WORDS = 4;
/** Files looked at before the event loop gets its turn. */
const FILES_PER_TURN = 256;

/**
 * What tells whether a file was touched: its inode, size, and times of change in nanoseconds, for each file of a torrent.
 * The time of change (ctime) cannot be set by programs, so that a put-back modification time is no disguise. Absent files
 * have zeros.
 */
export class FileStamps {
  /** Bytes of one file's stamp. */
  static readonly LENGTH = WORDS * 8;
  readonly #words: BigUint64Array;

  constructor(files: number) {
    this.#words = new BigUint64Array(files * WORDS);
  }

  /** All stamps, in the machine's byte order: they mean nothing on another machine. */
  get bytes(): Uint8Array {
    return new Uint8Array(this.#words.buffer);
  }

  set(file: number, stats: BigIntStats): void {
    this.#words.set([stats.ino, stats.size, stats.mtimeNs, stats.ctimeNs], file * WORDS);
  }

  clear(file: number): void {
    this.#words.fill(0n, file * WORDS, (file + 1) * WORDS);
  }

  copy(file: number, other: FileStamps): void {
    this.#words.set(other.#words.subarray(file * WORDS, (file + 1) * WORDS), file * WORDS);
  }

  has(file: number): boolean {
    return this.#words[file * WORDS + 3] !== 0n;
  }

  /** Whether the file is there and the same in both. */
  equals(file: number, other: FileStamps): boolean {
    for (let at = file * WORDS; at < (file + 1) * WORDS; at++) {
      if (this.#words[at] !== other.#words[at]) return false;
    }
    return this.has(file);
  }

  /** Length of a file, in bytes. */
  size(file: number): number {
    return Number(this.#words[file * WORDS + 1]);
  }
}

/** Calls `visit` for each file with what is at its place, if anything, leaving the event loop its turns. */
export async function lookAt(
  out: string,
  files: Iterable<readonly [file: number, name: string]>,
  visit: (file: number, stats: BigIntStats | undefined) => void,
): Promise<void> {
  let left = FILES_PER_TURN;
  for (const [file, name] of files) {
    visit(file, lstatSync(path.join(out, name), { bigint: true, throwIfNoEntry: false }));
    if (--left > 0) continue;
    left = FILES_PER_TURN;
    await nextTurn();
  }
}
