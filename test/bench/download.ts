/** A whole download by the real executable from a seed in a process of its own, on loopback. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeTorrent, randomBytes, writeContent } from '../helpers/torrent.js';
import type { Figure } from './run.js';

const MIB = 1024 * 1024;
const EXECUTABLE = fileURLToPath(new URL('../../bin/torrent-dl.js', import.meta.url));

export async function benchDownload(): Promise<Figure[]> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'torrent-dl-bench-'));
  try {
    const large = await run(folder, 1024 * MIB, 262_144);
    const tiny = await run(folder, MIB, 65_536);
    return [
      { name: 'download of 1 GiB from our own seed', value: 1024 / large, unit: 'MiB/s' },
      { name: 'download of 1 MiB, start to exit', value: tiny, unit: 's' },
    ];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Seconds from start to exit. */
async function run(folder: string, length: number, pieceLength: number): Promise<number> {
  await using seed = await openSeed(folder, length, pieceLength);
  const startedAt = performance.now();
  const words = [
    seed.file,
    '-q',
    '--no-dht',
    '--no-lsd',
    '-o',
    path.join(folder, 'out'),
    '--peer',
    `127.0.0.1:${seed.port}`,
  ];
  const env = { ...process.env, XDG_CACHE_HOME: folder }; // compiled code is kept by the first run, and taken by the next
  const child = spawn(process.execPath, [EXECUTABLE, ...words], { stdio: 'inherit', env });
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`the download ended with ${code}`);
  return (performance.now() - startedAt) / 1000;
}

/** A seed of so many random bytes, in a process of its own. */
export async function openSeed(folder: string, length: number, pieceLength: number) {
  const torrent = makeTorrent(randomBytes('bench', length), { name: `payload-${length}`, pieceLength });
  const file = path.join(folder, `${length}.torrent`);
  await writeFile(file, torrent.bytes);
  await writeContent(torrent, path.join(folder, 'seed'));
  const port = 20_000 + (process.pid % 20_000);
  const words = [
    EXECUTABLE,
    file,
    '-o',
    path.join(folder, 'seed'),
    '--seed',
    '--no-dht',
    '--no-lsd',
    '-p',
    String(port),
  ];
  const seed = spawn(process.execPath, words, { stdio: ['ignore', 'ignore', 'pipe'] });
  for await (const chunk of seed.stderr) if (String(chunk).includes('seeding until')) break;
  return {
    file,
    port,
    async [Symbol.asyncDispose]() {
      seed.kill('SIGKILL');
      await once(seed, 'exit');
    },
  };
}
