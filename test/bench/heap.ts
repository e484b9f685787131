/** What a block leaves for the garbage collector: `node --import tsx test/bench/heap.ts`. */
import { mkdtemp, rm } from 'node:fs/promises';
import { Session, type HeapProfiler } from 'node:inspector/promises';
import os from 'node:os';
import path from 'node:path';
import { download } from '../../src/index.js';
import { openSeed } from './download.js';

const LENGTH = 1024 * 1024 * 1024;
const BLOCKS = LENGTH / 16_384;
const ROWS = 12;

const folder = await mkdtemp(path.join(os.tmpdir(), 'torrent-dl-bench-'));
try {
  await using seed = await openSeed(folder, LENGTH, 262_144);
  const bytesOf = tally(await profile(seed.file, seed.port));
  const total = [...bytesOf.values()].reduce((sum, bytes) => sum + bytes, 0);
  process.stdout.write(`${(total / BLOCKS).toFixed(0)} bytes allocated for each block of 16 KiB, by:\n`);
  const rows = [...bytesOf].sort(([, a], [, b]) => b - a).slice(0, ROWS);
  for (const [name, bytes] of rows) process.stdout.write(`${(bytes / BLOCKS).toFixed(1).padStart(8)}  ${name}\n`);
} finally {
  await rm(folder, { recursive: true, force: true });
}

/** The main thread's allocations during one download, those that were collected again included. */
async function profile(file: string, port: number): Promise<HeapProfiler.SamplingHeapProfileNode> {
  const inspector = new Session();
  inspector.connect();
  await inspector.post('HeapProfiler.startSampling', {
    samplingInterval: 4096,
    includeObjectsCollectedByMajorGC: true,
    includeObjectsCollectedByMinorGC: true,
  });
  await using running = download(file, {
    out: path.join(folder, 'out'),
    peers: [{ host: '127.0.0.1', port }],
    dht: false,
    lsd: false,
  });
  await running.done;
  const { profile } = await inspector.post('HeapProfiler.stopSampling');
  return profile.head;
}

/** Bytes by function. */
function tally(node: HeapProfiler.SamplingHeapProfileNode, bytesOf = new Map<string, number>()): Map<string, number> {
  const { functionName, url } = node.callFrame;
  const name = `${functionName || '(anonymous)'} ${url.split('/').slice(-2).join('/')}`;
  bytesOf.set(name, (bytesOf.get(name) ?? 0) + node.selfSize);
  for (const child of node.children) tally(child, bytesOf);
  return bytesOf;
}
