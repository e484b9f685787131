/** Decoding of a large `.torrent`: 20 MB, 30,000 files, 900,000 pieces. */
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
  return [{ name: 'metainfo: the same, with safe names', value: best(() => decodeMetainfo(torrent)), unit: 'ms' }];
}
