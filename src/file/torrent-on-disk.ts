import { createHash, hash } from 'node:crypto';
import { constants, fstatSync, readSync, writeSync } from 'node:fs';
import path from 'node:path';
import { lengthOfPiece, type PieceLayout } from '../common/pieces.js';
import { codeOf, systemError, type SystemError } from './disk-error.js';
import { RESULT } from './job-ring.js';
import { FileLayout } from './layout.js';
import { OpenFiles } from './open-files.js';
import { OutFolder } from './out-folder.js';
import type { SideSpec } from './side-file.js';

/** What a disk thread has to know of a file. */
export interface FileSpec {
  readonly path: string;
  readonly offset: number;
  readonly length: number;
  readonly isPadding: boolean;
  readonly isExecutable: boolean;
}

/** What a disk thread has to know of a torrent. */
export interface TorrentSpec {
  readonly out: string;
  readonly pieces: PieceLayout;
  readonly files: readonly FileSpec[];
  /** Where bytes of files go that are not wanted; missing when no piece has such bytes beside others. */
  readonly side?: SideSpec | undefined;
  /** SHA-1 of each piece, 20 bytes each. */
  readonly pieceHashes: SharedArrayBuffer;
  /** The slots; piece data to write is at `slot * slotLength`. */
  readonly memory: SharedArrayBuffer;
  readonly slotLength: number;
  /** A bitfield: where the pieces that a check found right are ticked. */
  readonly found: SharedArrayBuffer;
  /** For each file, and the side file behind them, the length, in bytes, that it must have by now: up to there it was written, or was there before. */
  readonly reached: SharedArrayBuffer;
}

/** Why a job failed, as it travels to the main thread. */
export interface JobFailure {
  readonly action: string;
  readonly path: string;
  readonly error: SystemError;
}

/** Bytes read at once by a check: they are hashed while they are in the processor's cache. */
const READ_LENGTH = 262_144;

/** A disk thread's side of one download: hashes and writes full pieces, and checks what is there. */
export class TorrentOnDisk {
  /** What went wrong in the job that returned `RESULT.failed`. */
  failure: JobFailure | undefined;
  readonly #spec: TorrentSpec;
  readonly #layout: FileLayout;
  /** By the numbers of spans: the side file is the last. */
  readonly #files: readonly Pick<FileSpec, 'path' | 'isPadding' | 'isExecutable'>[];
  readonly #hashes: Uint8Array;
  readonly #found: Uint8Array;
  readonly #reached: Float64Array;
  readonly #toWrite: OpenFiles;
  readonly #toRead: OpenFiles;
  #buffer: Uint8Array | undefined;

  constructor(spec: TorrentSpec, mostFiles: number) {
    this.#spec = spec;
    this.#layout = new FileLayout(spec.pieces, spec.files, spec.side);
    const side = spec.side && { path: spec.side.path, isPadding: false, isExecutable: false };
    this.#files = side ? [...spec.files, side] : spec.files;
    this.#hashes = new Uint8Array(spec.pieceHashes);
    this.#found = new Uint8Array(spec.found);
    this.#reached = new Float64Array(spec.reached);
    const folder = new OutFolder(spec.out);
    this.#toWrite = new OpenFiles(folder, constants.O_WRONLY | constants.O_CREAT, mostFiles);
    this.#toRead = new OpenFiles(folder, constants.O_RDONLY, mostFiles);
  }

  /** Hashes the piece in a slot and, if it is right, writes it. Returns a `RESULT`. */
  write(slot: number, index: number): number {
    const { pieces, memory, slotLength } = this.#spec;
    const bytes = new Uint8Array(memory, slot * slotLength, lengthOfPiece(pieces, index));
    if (!this.#isRight(index, hash('sha1', bytes, 'buffer'))) return RESULT.corrupt;
    return this.#writePiece(index, bytes) ? RESULT.ok : RESULT.failed;
  }

  /** Reads `count` pieces from `first` on, and ticks those that are right in `found`. Returns a `RESULT`. */
  check(first: number, count: number): number {
    const { pieceLength } = this.#spec.pieces;
    const most = Math.max(1, Math.floor(READ_LENGTH / pieceLength));
    try {
      let result: number = RESULT.ok;
      for (let index = first; index < first + count && result === RESULT.ok; index += most) {
        const isLong = pieceLength > READ_LENGTH;
        result = isLong ? this.#checkLong(index) : this.#checkShort(index, Math.min(most, first + count - index));
      }
      return result;
    } finally {
      this.#toRead.close(); // checks are over soon; idle descriptors would be missed elsewhere
    }
  }

  close(): void {
    this.#toWrite.close();
    this.#toRead.close();
  }

  #writePiece(index: number, bytes: Uint8Array): boolean {
    let from = 0;
    for (const { file, offset, length } of this.#layout.spansOf(index)) {
      const { path: name, isPadding, isExecutable } = this.#files[file]!;
      if (!isPadding) {
        try {
          const descriptor = this.#toWrite.get(file, name, isExecutable ? 0o777 : 0o666);
          if (this.#reached[file]! > 0) this.#assertUntouched(file, descriptor);
          // A disk that is nearly full takes less than it was given.
          for (let done = 0; done < length;) {
            const written = writeSync(descriptor, bytes, from + done, length - done, offset + done);
            if (written === 0) throw systemError('ENOSPC', name);
            done += written;
          }
          // Another thread may note less at the same moment: then the next look is less strict, and never too strict.
          if (offset + length > this.#reached[file]!) this.#reached[file] = offset + length;
        } catch (error) {
          this.#fail('write', name, error);
          return false;
        }
      }
      from += length;
    }
    return true;
  }

  /**
   * What was cut off by another program would become a hole with our next write, and would not show any more; and what
   * was removed is written to nobody's use. It costs a hundredth of the time that hashing a piece of 256 KiB takes.
   */
  #assertUntouched(file: number, descriptor: number): void {
    const reached = this.#reached[file]!; // before we look: another thread makes the file longer, and then says so
    const { size, nlink } = fstatSync(descriptor);
    const { path: name } = this.#files[file]!;
    if (nlink === 0) throw systemError('ENOENT', path.join(this.#spec.out, name));
    if (size < reached) throw systemError('ESHORT', path.join(this.#spec.out, name));
  }

  /** Pieces that fit the buffer, read together. */
  #checkShort(first: number, count: number): number {
    const { pieces } = this.#spec;
    const begin = first * pieces.pieceLength;
    const end = (first + count - 1) * pieces.pieceLength + lengthOfPiece(pieces, first + count - 1);
    const bytes = this.#space(end - begin);
    const isRead = this.#read(begin, bytes);
    if (isRead === undefined) return RESULT.failed;
    if (!isRead) {
      // What is missing may be in one of them only.
      for (let index = first; count > 1 && index < first + count; index++) {
        if (this.#checkShort(index, 1) === RESULT.failed) return RESULT.failed;
      }
      return RESULT.ok;
    }
    for (let index = first, at = 0; index < first + count; index++) {
      const length = lengthOfPiece(pieces, index);
      if (this.#isRight(index, hash('sha1', bytes.subarray(at, at + length), 'buffer'))) this.#tick(index);
      at += length;
    }
    return RESULT.ok;
  }

  /** A piece longer than the buffer. */
  #checkLong(index: number): number {
    const { pieces } = this.#spec;
    const begin = index * pieces.pieceLength;
    const end = begin + lengthOfPiece(pieces, index);
    const sha1 = createHash('sha1');
    for (let at = begin; at < end; at += READ_LENGTH) {
      const bytes = this.#space(Math.min(READ_LENGTH, end - at));
      const isRead = this.#read(at, bytes);
      if (!isRead) return isRead === undefined ? RESULT.failed : RESULT.ok;
      sha1.update(bytes);
    }
    if (this.#isRight(index, sha1.digest())) this.#tick(index);
    return RESULT.ok;
  }

  /** Fills `bytes` from the files; false when they have less, undefined when that failed. */
  #read(position: number, bytes: Uint8Array): boolean | undefined {
    let from = 0;
    for (const { file, offset, length } of this.#layout.spans(position, bytes.length)) {
      const { path: name, isPadding } = this.#files[file]!;
      if (isPadding) bytes.fill(0, from, from + length);
      else {
        try {
          const descriptor = this.#toRead.get(file, name);
          for (let done = 0; done < length;) {
            const read = readSync(descriptor, bytes, from + done, length - done, offset + done);
            if (read === 0) return false;
            done += read;
          }
        } catch (error) {
          if (codeOf(error) === 'ENOENT') return false;
          this.#fail('read', name, error);
          return undefined;
        }
      }
      from += length;
    }
    return true;
  }

  #space(length: number): Uint8Array {
    this.#buffer ??= new Uint8Array(READ_LENGTH);
    return this.#buffer.subarray(0, length);
  }

  #isRight(index: number, digest: Uint8Array): boolean {
    const at = index * 20;
    for (let n = 0; n < 20; n++) if (digest[n] !== this.#hashes[at + n]) return false;
    return true;
  }

  /** Other threads tick pieces of the same byte. */
  #tick(index: number): void {
    Atomics.or(this.#found, index >> 3, 0x80 >> (index & 7));
  }

  #fail(action: string, name: string, error: unknown): void {
    const { code, path: at, message } = error as NodeJS.ErrnoException;
    // Where it is a folder on the way that is wrong, name that one.
    this.failure = { action, path: at ?? path.join(this.#spec.out, name), error: { code, message } };
  }
}
