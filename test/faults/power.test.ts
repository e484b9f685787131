/**
 * Power cuts. The system may have brought any part of what was not flushed to the disk, in any order, and in the worst
 * case the files look (by their stamps) as we noted them. Here all that was flushed is known: `FileHandle` tells.
 */
import assert from 'node:assert/strict';
import { existsSync, lstatSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { mock, test } from 'node:test';
import { decodeResume, encodeResume, resumePath } from '../../src/file/resume.js';
import { Bench, bytesOf, make, members, openThreads, temporaryFolder, type Made } from '../file/helpers.js';
import { randomFrom, type RandomInteger } from '../fuzz/mutate.js';

const PAGE = 4096;
const CUTS = 25;
const FILES = [
  { path: 'a', length: 150_000 },
  { path: 'b/c', length: 40_000 },
  { path: 'b/d', length: 333_333 },
];

/** What has reached the disk for sure: by place, the bytes of a file when it was flushed. */
class Flushed implements Disposable {
  readonly #bytes = new Map<string, Buffer>();
  readonly #mocks: { mock: { restore: () => void } }[] = [];

  static async watch(folder: string): Promise<Flushed> {
    const flushed = new Flushed();
    await using handle = await open(folder);
    const prototype = Object.getPrototypeOf(handle) as FileHandle;
    for (const name of ['sync', 'datasync'] as const) {
      const { [name]: original }: Record<'sync' | 'datasync', (this: FileHandle) => Promise<void>> = prototype;
      const noted = function (this: FileHandle): Promise<void> {
        flushed.#note(this.fd);
        return original.call(this);
      };
      flushed.#mocks.push(mock.method(prototype, name, noted));
    }
    return flushed;
  }

  /** A page is as it was flushed, or is gone, or is newer: as chance has it. */
  surviving(place: string, random: RandomInteger): Buffer {
    const now = readFileSync(place);
    const old = this.#bytes.get(place) ?? Buffer.alloc(0);
    const found = Buffer.alloc(now.length);
    old.copy(found);
    for (let at = 0; at < now.length; at += PAGE) {
      if (random(2) === 0) now.copy(found, at, at, at + PAGE);
    }
    return found;
  }

  #note(descriptor: number): void {
    const place = readlinkSync(`/proc/self/fd/${descriptor}`);
    if (!lstatSync(place).isDirectory()) this.#bytes.set(place, readFileSync(place));
  }

  [Symbol.dispose](): void {
    for (const { mock } of this.#mocks) mock.restore();
  }
}

/** The newest state with stamps that fit what the cut left, and of another run of the machine. */
function restamped(bytes: Uint8Array, { metainfo }: Made, out: string): Uint8Array {
  const state = decodeResume(bytes, metainfo);
  if (typeof state === 'string') return bytes;
  for (const [file, { path: name }] of metainfo.files.entries()) {
    const stats = lstatSync(path.join(out, name), { bigint: true, throwIfNoEntry: false });
    if (stats) state.stamps.set(file, stats);
  }
  return encodeResume(metainfo, { ...state, boot: 'another' });
}

test(`after ${CUTS} power cuts nothing that is not on disk is claimed, and nothing flushed is lost`, async (t) => {
  const made = make(FILES);
  const { metainfo } = made;
  const threads = openThreads(t, 2);
  let trusted = 0;
  for (let cut = 0; cut < CUTS; cut++) {
    const random = randomFrom(cut);
    const out = await temporaryFolder(t);
    using flushed = await Flushed.watch(out);
    const have = await Bench.open(made, out, threads, { slots: metainfo.pieceCount }).then(async (bench) => {
      await using writer = bench;
      return await writeSome(writer, made, out, random);
    });
    const versions = have.states;
    for (const { path: name } of metainfo.files) {
      const place = path.join(out, name);
      if (existsSync(place)) writeFileSync(place, flushed.surviving(place, random));
    }
    const version = random(versions.length + 1);
    const state = versions[version] ?? Buffer.alloc(0);
    writeFileSync(resumePath(out, metainfo), restamped(state, made, out));

    await using bench = await Bench.open(made, out, threads);
    const found = members((await bench.writer.check()).have);
    for (const index of found) assertOnDisk(made, out, index, `cut ${cut}`);
    // An older state with stamps that fit, as here, would really not fit.
    for (const index of version < have.flushedIn ? [] : have.flushed)
      assert.ok(found.includes(index), `cut ${cut}: piece ${index} was lost`);
    trusted += found.length;
  }
  assert.ok(trusted > CUTS, 'something outlives a cut');
});

interface Written {
  /** Each state that was saved. */
  readonly states: readonly Buffer[];
  /** Pieces written before the last flush. */
  readonly flushed: readonly number[];
  /** Which of the states was saved with that flush. */
  readonly flushedIn: number;
}

/** Writes about half of the pieces, and saves now and then, with or without a flush. */
async function writeSome(bench: Bench, { metainfo }: Made, out: string, random: RandomInteger): Promise<Written> {
  const { have } = await bench.writer.check();
  const states: Buffer[] = [];
  let flushed: number[] = [];
  let flushedIn = 0;
  for (let index = 0; index < metainfo.pieceCount; index++) {
    if (random(2) === 0) continue;
    assert.equal(await bench.put(index), 'ok');
    have.add(index);
    if (random(5) > 0) continue;
    const sync = random(2) === 0;
    await bench.writer.save(have, { sync });
    states.push(readFileSync(resumePath(out, metainfo)));
    if (!sync) continue;
    flushed = members(have);
    flushedIn = states.length - 1;
  }
  return { states, flushed, flushedIn };
}

/** @throws when a byte of the piece is not what it should be */
function assertOnDisk(made: Made, out: string, index: number, what: string): void {
  const { metainfo } = made;
  const begin = index * metainfo.pieceLength;
  const end = Math.min(begin + metainfo.pieceLength, metainfo.totalLength);
  for (const [file, { path: name, offset, length }] of metainfo.files.entries()) {
    const [from, to] = [Math.max(begin, offset) - offset, Math.min(end, offset + length) - offset];
    if (from >= to) continue;
    const found = readFileSync(path.join(out, name)).subarray(from, to);
    assert.ok(found.equals(bytesOf(made, file).subarray(from, to)), `${what}: piece ${index} is claimed and wrong`);
  }
}
