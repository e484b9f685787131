import { closeSync, constants, read as readCallback } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import { lengthOfPiece } from '../common/pieces.js';
import type { Metainfo } from '../metainfo/metainfo.js';
import { diskError, systemError } from './disk-error.js';
import { FileLayout } from './layout.js';
import { isOutOfDescriptors, mostOpenFiles, OPEN_RETRIES, OPEN_RETRY_MS } from './open-files.js';
import { OutFolder } from './out-folder.js';

const read = promisify(readCallback);

/** Read at once, so that most requests of a peer, which ask for one block after the other, find theirs in memory. */
const EXTENT_LENGTH = 262_144;
/** Memory for extents that were read. */
const CACHE_LENGTH = 16 * 1024 * 1024;

interface OpenFile {
  readonly descriptor: number;
  /** Reads under way; it is not closed before they are over. */
  users: number;
}

/**
 * Gives the bytes of verified pieces, for uploads. An extent never reaches beyond its piece: what lies there may not be
 * written yet, and would be served stale later.
 */
export class FileReader implements AsyncDisposable {
  readonly #metainfo: Metainfo;
  readonly #layout: FileLayout;
  readonly #folder: OutFolder;
  readonly #extentsPerPiece: number;
  readonly #mostExtents: number;
  /** Read or being read, the least recently used first. */
  readonly #extents = new Map<number, Uint8Array | Promise<Uint8Array>>();
  readonly #reading = new Set<Promise<unknown>>();
  readonly #mostFiles = mostOpenFiles();
  /** The least recently used first. */
  readonly #files = new Map<number, OpenFile>();
  /** Reads of files under way, and who waits for one of them to end. */
  #turns = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(metainfo: Metainfo, out: string) {
    this.#metainfo = metainfo;
    this.#layout = new FileLayout(metainfo, metainfo.files);
    this.#folder = new OutFolder(out);
    this.#extentsPerPiece = Math.ceil(metainfo.pieceLength / EXTENT_LENGTH);
    this.#mostExtents = Math.floor(CACHE_LENGTH / Math.min(EXTENT_LENGTH, metainfo.pieceLength));
  }

  /**
   * `length` bytes of a piece that was verified, from `begin` on: at once when they are in memory. They are never
   * overwritten, so they can wait in a socket's queue. Rejects with a `DiskError` when they are gone.
   */
  read(index: number, begin: number, length: number): Uint8Array | Promise<Uint8Array> {
    const n = Math.floor(begin / EXTENT_LENGTH);
    const at = begin - n * EXTENT_LENGTH;
    if (at + length > EXTENT_LENGTH) return this.#join(index, begin, length, (n + 1) * EXTENT_LENGTH);
    const extent = this.#extent(index, n);
    if (extent instanceof Uint8Array) return extent.subarray(at, at + length);
    return extent.then((bytes) => bytes.subarray(at, at + length));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.#reading);
    this.#extents.clear();
    this.#closeIdle(0);
  }

  /** Bytes of two extents or more; `border` is the first one's end. */
  async #join(index: number, begin: number, length: number, border: number): Promise<Uint8Array> {
    const parts = [Promise.resolve(this.read(index, begin, border - begin))];
    parts.push(Promise.resolve(this.read(index, border, begin + length - border)));
    return Buffer.concat(await Promise.all(parts));
  }

  #extent(index: number, n: number): Uint8Array | Promise<Uint8Array> {
    const key = index * this.#extentsPerPiece + n;
    let extent = this.#extents.get(key);
    if (extent) this.#extents.delete(key);
    else extent = this.#load(key, index, n * EXTENT_LENGTH);
    this.#extents.set(key, extent);
    return extent;
  }

  async #load(key: number, index: number, begin: number): Promise<Uint8Array> {
    const length = Math.min(EXTENT_LENGTH, lengthOfPiece(this.#metainfo, index) - begin);
    const loading = this.#readSpans(index * this.#metainfo.pieceLength + begin, length);
    this.#reading.add(loading);
    try {
      const bytes = await loading;
      if (this.#extents.has(key)) this.#extents.set(key, bytes);
      for (const oldest of this.#extents.keys()) {
        if (this.#extents.size <= this.#mostExtents) break;
        this.#extents.delete(oldest);
      }
      return bytes;
    } catch (error) {
      this.#extents.delete(key);
      throw error;
    } finally {
      this.#reading.delete(loading);
    }
  }

  async #readSpans(position: number, length: number): Promise<Uint8Array> {
    const bytes = Buffer.allocUnsafeSlow(length);
    let from = 0;
    for (const span of this.#layout.spans(position, length)) {
      const part = bytes.subarray(from, from + span.length);
      const { path: name, isPadding } = this.#metainfo.files[span.file]!;
      if (isPadding) part.fill(0);
      else {
        try {
          await this.#readFile(span.file, name, part, span.offset);
        } catch (error) {
          throw diskError('read', path.join(this.#folder.path, name), error);
        }
      }
      from += span.length;
    }
    return bytes;
  }

  async #readFile(file: number, name: string, bytes: Uint8Array, offset: number): Promise<void> {
    await this.#turn();
    let open: OpenFile | undefined;
    try {
      open = await this.#use(file, name);
      for (let done = 0; done < bytes.length;) {
        const { bytesRead } = await read(open.descriptor, bytes, done, bytes.length - done, offset + done);
        if (bytesRead === 0) throw systemError('ESHORT', name);
        done += bytesRead;
      }
    } finally {
      if (open) open.users--;
      this.#endTurn();
    }
  }

  /** Waits until fewer files are read than may be open, so that one of those can always be closed for another. */
  async #turn(): Promise<void> {
    if (this.#turns < this.#mostFiles) this.#turns++;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #endTurn(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#turns--;
  }

  /** Opens the file if need be, and keeps it from being closed: one is to be taken off `users` in the end. */
  async #use(file: number, name: string): Promise<OpenFile> {
    for (let tries = 0; ; tries++) {
      try {
        let open = this.#files.get(file);
        if (open) this.#files.delete(file);
        else {
          this.#closeIdle(this.#mostFiles - 1);
          open = { descriptor: this.#folder.open(name, constants.O_RDONLY), users: 0 };
        }
        this.#files.set(file, open);
        open.users++;
        return open;
      } catch (error) {
        if (!isOutOfDescriptors(error) || tries === OPEN_RETRIES) throw error;
        this.#closeIdle(this.#files.size >> 1);
        await sleep(OPEN_RETRY_MS);
      }
    }
  }

  /** Closes files that nobody reads until at most `most` are left open. */
  #closeIdle(most: number): void {
    for (const [file, { descriptor, users }] of this.#files) {
      if (this.#files.size <= most) return;
      if (users > 0) continue;
      this.#files.delete(file);
      closeSync(descriptor);
    }
  }
}
