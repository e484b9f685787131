/** Run with a limit on the size of files: downloads something larger and prints the error. */
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { DiskThreads } from '../../src/file/threads.js';
import { Bench, make } from './helpers.js';

const out = await mkdtemp(path.join(os.tmpdir(), 'torrent-dl-large-'));
try {
  await using threads = DiskThreads.open({ count: 1 });
  await using bench = await Bench.open(make(1_000_000), out, threads);
  const error = await bench.putAll();
  process.stdout.write(`${error?.code} ${error?.message}\n`);
} finally {
  await rm(out, { recursive: true, force: true });
}
