/** Torrents for the tests of stage 5, made as `Metainfo` at once, and a slot memory to write them from. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { Bitfield } from '../../src/common/bitfield.js';
import type { DiskError } from '../../src/common/errors.js';
import { lengthOfPiece } from '../../src/common/pieces.js';
import type { FileReader } from '../../src/file/reader.js';
import { DiskThreads } from '../../src/file/threads.js';
import { Wanted } from '../../src/file/wanted.js';
import { FileWriter } from '../../src/file/writer.js';
import type { Metainfo, MetainfoFile } from '../../src/metainfo/metainfo.js';
import { randomBytes } from '../helpers/torrent.js';

export interface MadeFile {
  readonly path: string;
  readonly length: number;
  readonly isPadding?: boolean;
  readonly isExecutable?: boolean;
}

export interface Made {
  readonly metainfo: Metainfo;
  /** All bytes of the torrent, padding included. */
  readonly data: Buffer;
}

/** A torrent of these files, below a folder `t`, or of a single file `t` of that length. */
export function make(content: number | readonly MadeFile[], pieceLength = 16_384, seed = 1): Made {
  const list = typeof content === 'number' ? [{ path: '', length: content }] : content;
  let offset = 0;
  const files: MetainfoFile[] = list.map(({ path: name, length, isPadding = false, isExecutable = false }) => {
    const file = { path: name === '' ? 't' : `t/${name}`, length, offset, isPadding, isExecutable };
    offset += length;
    return file;
  });
  const data = randomBytes(seed, offset);
  for (const file of files) if (file.isPadding) data.fill(0, file.offset, file.offset + file.length);
  const pieceCount = Math.ceil(offset / pieceLength);
  const hashes = Array.from({ length: pieceCount }, (_, index) =>
    createHash('sha1')
      .update(data.subarray(index * pieceLength, (index + 1) * pieceLength))
      .digest(),
  );
  const infoHash = createHash('sha1').update(JSON.stringify({ files, pieceLength, seed })).digest();
  const metainfo: Metainfo = {
    name: 't',
    isMultiFile: typeof content !== 'number',
    infoHash,
    infoBytes: infoHash,
    pieceLength,
    pieceCount,
    pieceHashes: Buffer.concat(hashes),
    totalLength: offset,
    files,
    isPrivate: false,
    trackers: [],
    webSeeds: [],
    httpSeeds: [],
    warnings: [],
  };
  return { metainfo, data };
}

/** Bytes of a piece as the reader gives them. */
export async function readBlock(reader: FileReader, index: number, begin: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  await reader.read(index, begin, [bytes]);
  return bytes;
}

/** A folder that is gone after the test. */
export async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'torrent-dl-file-'));
  t.after(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
  return folder;
}

/** A file system of its own, so many KiB large; skips the test where mounting is not allowed. */
export async function temporaryDisk(t: TestContext, kib: number): Promise<string | undefined> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'torrent-dl-disk-'));
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${kib}k`, 'tmpfs', folder], { stdio: 'ignore' });
  t.after(async () => {
    if (status === 0) spawnSync('umount', ['-l', folder], { stdio: 'ignore' });
    await rm(folder, { recursive: true, force: true });
  });
  if (status === 0) return folder;
  t.skip('mounting a tmpfs is not allowed here');
  return undefined;
}

/** Threads that are gone after the test. */
export function openThreads(t: TestContext, count = 2): DiskThreads {
  const threads = DiskThreads.open({ count });
  t.after(() => threads[Symbol.asyncDispose]());
  return threads;
}

type Result = 'ok' | 'corrupt' | DiskError;

/** A writer with a few slots, and `put`, which fills one and waits for the answer. */
export class Bench implements AsyncDisposable {
  readonly notices: string[] = [];
  readonly finished: number[] = [];
  readonly memory: SharedArrayBuffer;
  writer!: FileWriter;
  readonly #made: Made;
  readonly #slots: number;
  readonly #waiting = new Map<number, (result: Result) => void>();

  private constructor(made: Made, slots: number) {
    this.#made = made;
    this.#slots = slots;
    this.memory = new SharedArrayBuffer(slots * made.metainfo.pieceLength);
  }

  /** `chosen` are the files that are wanted; all when missing. */
  static async open(
    made: Made,
    out: string,
    threads: DiskThreads,
    { slots = 8, chosen }: { readonly slots?: number; readonly chosen?: readonly number[] | undefined } = {},
  ): Promise<Bench> {
    const bench = new Bench(made, slots);
    bench.writer = await FileWriter.open(made.metainfo, out, {
      threads,
      memory: bench.memory,
      slotLength: made.metainfo.pieceLength,
      wanted: chosen && wantedOf(made.metainfo, chosen),
      onPiece: (_slot, index, result) => {
        const resolve = bench.#waiting.get(index);
        bench.#waiting.delete(index);
        resolve?.(result);
      },
      onFile: (file) => bench.finished.push(file),
      onNotice: (text) => bench.notices.push(text),
    });
    return bench;
  }

  /** Writes one piece; `change` may spoil its bytes before. */
  put(index: number, change?: (bytes: Uint8Array) => void): Promise<Result> {
    const { metainfo, data } = this.#made;
    const slot = index % this.#slots;
    const bytes = new Uint8Array(this.memory, slot * metainfo.pieceLength, lengthOfPiece(metainfo, index));
    bytes.set(data.subarray(index * metainfo.pieceLength, index * metainfo.pieceLength + bytes.length));
    change?.(bytes);
    return new Promise((resolve) => {
      this.#waiting.set(index, resolve);
      this.writer.write(slot, index);
    });
  }

  /** Writes all pieces from `from` on, one after the other; stops at the first that fails and returns its error. */
  async putAll(from = 0): Promise<DiskError | undefined> {
    for (let index = from; index < this.#made.metainfo.pieceCount; index++) {
      const result = await this.put(index);
      if (typeof result !== 'string') return result;
    }
    return undefined;
  }

  full(): Bitfield {
    const full = new Bitfield(this.#made.metainfo.pieceCount);
    full.fill();
    return full;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.writer[Symbol.asyncDispose]();
  }
}

/** What is wanted when these files are. */
export function wantedOf(metainfo: Metainfo, chosen: readonly number[]): Wanted {
  const files = new Bitfield(metainfo.files.length);
  for (const file of chosen) files.add(file);
  return new Wanted(metainfo, files);
}

/** The bytes that belong into a file. */
export function bytesOf({ metainfo, data }: Made, file: number): Buffer {
  const { offset, length } = metainfo.files[file]!;
  return data.subarray(offset, offset + length);
}

/** The indexes in a bitfield. */
export function members(bitfield: Bitfield): number[] {
  return Array.from({ length: bitfield.length }, (_, index) => index).filter((index) => bitfield.has(index));
}
