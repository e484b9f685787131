/** Decoding of a large `.torrent`: 20 MB, 30,000 files, 900,000 pieces. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import bencode from 'bencode';
import { decode } from '../../src/common/bencode.js';
import { decodeMetainfo } from '../../src/metainfo/decode.js';
import { randomBytes } from '../helpers/torrent.js';
import type { Figure } from './run.js';

const FILES = 30_000;
const PIECES = 900_000;
const PIECE_LENGTH = 262_144;

function largeTorrent(): Buffer {
  const length = (PIECES * PIECE_LENGTH) / FILES;
  const files = Array.from({ length: FILES }, (_, n) => ({ length, path: [`folder ${n % 300}`, `file ${n}.bin`] }));
  const info = { files, name: 'large', 'piece length': PIECE_LENGTH, pieces: randomBytes('large', PIECES * 20) };
  return Buffer.from(bencode.encode({ announce: 'http://127.0.0.1/announce', info }));
}

const torrent = largeTorrent();

function best(run: () => unknown): number {
  const times = Array.from({ length: 7 }, () => {
    const startedAt = performance.now();
    run();
    return performance.now() - startedAt;
  });
  return Math.min(...times);
}

export function benchBencode(): Figure[] {
  return [{ name: 'bencode: 20 MB, 30,000 files', value: best(() => decode(torrent)), unit: 'ms' }];
}

export function benchMetainfo(): Figure[] {
  return [
    { name: 'metainfo: the same, with safe names', value: best(() => decodeMetainfo(torrent)), unit: 'ms' },
    ...benchFirstCall(),
  ];
}

/** What a user waits for, and its peak of memory beyond the file: the first call in a fresh process, of the built code. */
function benchFirstCall(): Figure[] {
  const folder = mkdtempSync(path.join(tmpdir(), 'torrent-dl-bench-'));
  const file = path.join(folder, 'large.torrent');
  writeFileSync(file, torrent);
  const code = `
    import { readFileSync } from 'node:fs';
    import { decodeMetainfo } from ${JSON.stringify(new URL('../../dist/metainfo/decode.js', import.meta.url).href)};
    const bytes = readFileSync(${JSON.stringify(file)});
    const before = process.resourceUsage().maxRSS;
    const startedAt = performance.now();
    decodeMetainfo(bytes);
    const took = performance.now() - startedAt;
    console.log(JSON.stringify([took, (process.resourceUsage().maxRSS - before) / 1024]));`;
  try {
    const runs = Array.from({ length: 9 }, () => {
      const output = execFileSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' });
      return JSON.parse(output) as [number, number];
    });
    const median = (which: 0 | 1): number => runs.map((run) => run[which]).sort((a, b) => a - b)[4]!;
    return [
      { name: 'metainfo: first call in a process', value: median(0), unit: 'ms' },
      { name: 'metainfo: memory beyond the file', value: median(1), unit: 'MiB' },
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
