import { closeSync, constants, readv as readvCallback } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Metainfo } from '../metainfo/metainfo.js';
import { diskError, systemError } from './disk-error.js';
import { FileLayout } from './layout.js';
import { isOutOfDescriptors, mostOpenFiles, OPEN_RETRIES, OPEN_RETRY_MS } from './open-files.js';
import { OutFolder } from './out-folder.js';
import { sideSpecOf } from './side-file.js';
import type { Wanted } from './wanted.js';

const readv = promisify(readvCallback);

interface OpenFile {
  readonly descriptor: number;
  /** Reads under way; it is not closed before they are over. */
  users: number;
}

/** Gives the bytes of verified pieces, for uploads. It keeps none of them: the system's cache does that, and better. */
export class FileReader implements AsyncDisposable {
  readonly #metainfo: Metainfo;
  readonly #layout: FileLayout;
  /** By the numbers of spans: the side file is the last. */
  readonly #places: readonly { readonly path: string; readonly isPadding: boolean }[];
  readonly #folder: OutFolder;
  readonly #reading = new Set<Promise<void>>();
  readonly #mostFiles = mostOpenFiles();
  /** The least recently used first. */
  readonly #files = new Map<number, OpenFile>();
  /** Reads of files under way, and who waits for one of them to end. */
  #turns = 0;
  readonly #waiting: (() => void)[] = [];

  /** With the side file of what is wanted, if that is not everything. */
  constructor(metainfo: Metainfo, out: string, wanted?: Wanted) {
    const side = wanted && sideSpecOf(metainfo, wanted);
    this.#metainfo = metainfo;
    this.#layout = new FileLayout(metainfo, metainfo.files, side);
    this.#places = side ? [...metainfo.files, { path: side.path, isPadding: false }] : metainfo.files;
    this.#folder = new OutFolder(out);
  }

  /**
   * Fills `parts`, one after the other, with bytes that were verified, from `begin` of a piece on; they may run on into
   * the pieces behind it. Rejects with a `DiskError` when the bytes are gone.
   */
  async read(index: number, begin: number, parts: readonly Uint8Array[]): Promise<void> {
    const reading = this.#readSpans(index * this.#metainfo.pieceLength + begin, parts);
    this.#reading.add(reading);
    try {
      await reading;
    } finally {
      this.#reading.delete(reading);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.#reading);
    this.#closeIdle(0);
  }

  async #readSpans(position: number, parts: readonly Uint8Array[]): Promise<void> {
    let rest = parts;
    for (const span of this.#layout.spans(position, lengthOf(parts))) {
      const [own, others] = cut(rest, span.length);
      const { path: name, isPadding } = this.#places[span.file]!;
      if (isPadding) for (const part of own) part.fill(0);
      else {
        try {
          await this.#readFile(span.file, name, own, span.offset);
        } catch (error) {
          throw diskError('read', path.join(this.#folder.path, name), error);
        }
      }
      rest = others;
    }
  }

  async #readFile(file: number, name: string, parts: readonly Uint8Array[], offset: number): Promise<void> {
    await this.#turn();
    let open: OpenFile | undefined;
    try {
      open = await this.#use(file, name);
      for (let rest = parts, at = offset; rest.length > 0;) {
        const { bytesRead } = await readv(open.descriptor, rest, at);
        if (bytesRead === 0) throw systemError('ESHORT', name);
        [, rest] = cut(rest, bytesRead);
        at += bytesRead;
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

function lengthOf(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0);
}

/** The first `length` bytes of `parts`, and the rest. */
function cut(parts: readonly Uint8Array[], length: number): [Uint8Array[], Uint8Array[]] {
  const first: Uint8Array[] = [];
  const rest: Uint8Array[] = [];
  for (const part of parts) {
    const taken = Math.min(part.length, length);
    length -= taken;
    if (taken > 0) first.push(part.subarray(0, taken));
    if (taken < part.length) rest.push(part.subarray(taken));
  }
  return [first, rest];
}
