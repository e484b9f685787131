import { createHash, hash } from 'node:crypto';
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { lengthOfPiece, type PieceLayout } from '../common/pieces.js';
import { systemError, type SystemError } from './disk-error.js';
import { FileLayout, type FilePlace } from './layout.js';
import { NOFOLLOW } from './out-folder.js';

/** A file whose bytes are hashed. */
export interface HashedFile extends FilePlace {
  /** Its path on disk; undefined for padding, which is zeros that nobody reads. */
  readonly place: string | undefined;
}

/** Files on disk, and how their bytes are cut into pieces. */
export interface HashSpec {
  readonly pieces: PieceLayout;
  readonly files: readonly HashedFile[];
  /** Whether a file may be a symbolic link; else one is an error. */
  readonly followsLinks: boolean;
  /** Where the SHA-1 of each piece goes, 20 bytes each. */
  readonly digests: SharedArrayBuffer;
}

/** Why a file could not be read to the end of what is expected of it. */
export interface ReadFailure {
  /** Its place in `HashSpec.files`. */
  readonly file: number;
  readonly error: SystemError;
}

/** A piece that has no digest, and why. */
export interface PieceFailure extends ReadFailure {
  readonly index: number;
}

const HASH_LENGTH = 20;

/** Bytes read at once: they are hashed while they are in the processor's cache. */
const READ_LENGTH = 262_144;

/** With it, opening a pipe that took a file's place does not wait for its writer. Windows has no such flag. */
const NONBLOCK = (constants.O_NONBLOCK as number | undefined) ?? 0;

/** A thread's side of `hashPieces`: reads pieces from files, and hashes them. Opens one file at a time, to read it. */
export class PieceHasher {
  readonly #spec: HashSpec;
  readonly #layout: FileLayout;
  readonly #digests: Uint8Array;
  readonly #flags: number;
  readonly #buffer = new Uint8Array(READ_LENGTH);
  #file = -1;
  #descriptor = -1;

  constructor(spec: HashSpec) {
    this.#spec = spec;
    this.#layout = new FileLayout(spec.pieces, spec.files);
    this.#digests = new Uint8Array(spec.digests);
    this.#flags = constants.O_RDONLY | NONBLOCK | (spec.followsLinks ? 0 : NOFOLLOW);
  }

  /** Hashes `count` pieces from `first` on; returns those that could not be read. */
  hash(first: number, count: number): PieceFailure[] {
    const failures: PieceFailure[] = [];
    const most = Math.max(1, Math.floor(READ_LENGTH / this.#spec.pieces.pieceLength));
    const end = first + count;
    try {
      for (let index = first; index < end; index += most) this.#run(index, Math.min(most, end - index), failures);
      return failures;
    } finally {
      this.#close();
    }
  }

  #run(first: number, count: number, failures: PieceFailure[]): void {
    const isLong = this.#spec.pieces.pieceLength > READ_LENGTH;
    const failure = isLong ? this.#hashLong(first) : this.#hashShort(first, count);
    if (!failure) return;
    if (count === 1) failures.push({ index: first, ...failure });
    else for (let index = first; index < first + count; index++) this.#run(index, 1, failures);
  }

  /** Pieces that fit the buffer, read together. */
  #hashShort(first: number, count: number): ReadFailure | undefined {
    const { pieces } = this.#spec;
    const begin = first * pieces.pieceLength;
    const last = first + count - 1;
    const bytes = this.#buffer.subarray(0, last * pieces.pieceLength + lengthOfPiece(pieces, last) - begin);
    const failure = this.#read(begin, bytes);
    if (failure) return failure;
    for (let index = first, at = 0; index <= last; index++, at += pieces.pieceLength) {
      this.#digests.set(hash('sha1', bytes.subarray(at, at + pieces.pieceLength), 'buffer'), index * HASH_LENGTH);
    }
    return undefined;
  }

  /** A piece longer than the buffer. */
  #hashLong(index: number): ReadFailure | undefined {
    const { pieces } = this.#spec;
    const begin = index * pieces.pieceLength;
    const end = begin + lengthOfPiece(pieces, index);
    const sha1 = createHash('sha1');
    for (let at = begin; at < end; at += READ_LENGTH) {
      const bytes = this.#buffer.subarray(0, end - at);
      const failure = this.#read(at, bytes);
      if (failure) return failure;
      sha1.update(bytes);
    }
    this.#digests.set(sha1.digest(), index * HASH_LENGTH);
    return undefined;
  }

  /** Fills `bytes` from the files. */
  #read(position: number, bytes: Uint8Array): ReadFailure | undefined {
    let from = 0;
    for (const { file, offset, length } of this.#layout.spans(position, bytes.length)) {
      const { place } = this.#spec.files[file]!;
      if (place === undefined) bytes.fill(0, from, from + length);
      else {
        try {
          this.#readFile(file, place, bytes.subarray(from, from + length), offset);
        } catch (error) {
          const { code, message } = error as NodeJS.ErrnoException;
          return { file, error: { code, message } };
        }
      }
      from += length;
    }
    return undefined;
  }

  /** @throws an error of `fs`; ESHORT when the file ends before */
  #readFile(file: number, place: string, bytes: Uint8Array, offset: number): void {
    if (file !== this.#file) {
      this.#close();
      this.#descriptor = openSync(place, this.#flags);
      this.#file = file;
    }
    for (let done = 0; done < bytes.length;) {
      const read = readSync(this.#descriptor, bytes, done, bytes.length - done, offset + done);
      if (read === 0) throw systemError('ESHORT', place);
      done += read;
    }
  }

  #close(): void {
    if (this.#file < 0) return;
    this.#file = -1;
    closeSync(this.#descriptor);
  }
}
