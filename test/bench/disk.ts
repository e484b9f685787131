/** Hashing, writing and checking through the disk threads. */
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { DiskThreads } from '../../src/file/threads.js';
import { FileWriter } from '../../src/file/writer.js';
import { make } from '../file/helpers.js';
import { randomBytes } from '../helpers/torrent.js';
import type { Figure } from './run.js';

const MIB = 1024 * 1024;
const TOTAL = 512 * MIB;
const SLOTS_LENGTH = 32 * MIB;

export async function benchDisk(): Promise<Figure[]> {
  const figures: Figure[] = [{ name: 'SHA-1 on one thread', value: hashRate(), unit: 'MiB/s' }];
  for (const pieceLength of [16_384, 262_144, 4_194_304]) {
    const { write, check } = await writeAndCheck(pieceLength);
    figures.push({ name: `hash and write, pieces of ${pieceLength / 1024} KiB`, value: write, unit: 'MiB/s' });
    figures.push({ name: `check, pieces of ${pieceLength / 1024} KiB`, value: check, unit: 'MiB/s' });
  }
  return figures;
}

function hashRate(): number {
  const bytes = randomBytes('hash', 64 * MIB);
  const startedAt = performance.now();
  for (let n = 0; n < 8; n++) createHash('sha1').update(bytes).digest();
  return TOTAL / MIB / ((performance.now() - startedAt) / 1000);
}

async function writeAndCheck(pieceLength: number): Promise<{ write: number; check: number }> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'torrent-dl-bench-'));
  const { metainfo, data } = make(TOTAL, pieceLength);
  const memory = new SharedArrayBuffer(SLOTS_LENGTH);
  const slots = new Uint8Array(memory);
  const free = Array.from({ length: SLOTS_LENGTH / pieceLength }, (_, slot) => slot);
  await using threads = DiskThreads.open();
  try {
    let next = 0;
    let done = 0;
    let finish: () => void = () => undefined;
    const finished = new Promise<void>((resolve) => (finish = resolve));
    const post = (): void => {
      while (free.length > 0 && next < metainfo.pieceCount) {
        const slot = free.pop()!;
        slots.set(data.subarray(next * pieceLength, (next + 1) * pieceLength), slot * pieceLength);
        files.write(slot, next++);
      }
    };
    const onPiece = (slot: number): void => {
      free.push(slot);
      if (++done === metainfo.pieceCount) finish();
      else post();
    };
    await using files = await FileWriter.open(metainfo, folder, { threads, memory, slotLength: pieceLength, onPiece });
    await files.check();
    const startedAt = performance.now();
    post();
    await finished;
    const writtenAt = performance.now();
    await files.check({ recheck: true });
    const perSecond = (ms: number): number => TOTAL / MIB / (ms / 1000);
    return { write: perSecond(writtenAt - startedAt), check: perSecond(performance.now() - writtenAt) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
