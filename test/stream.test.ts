import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DownloadOptions, DownloadStats, OutputOptions } from '../src/api.js';
import { OutputClosedError, UsageError } from '../src/common/errors.js';
import { decodeMetainfo } from '../src/metainfo/decode.js';
import { downloadHere } from './helpers/download.js';
import { ScriptedPeer } from './helpers/scripted-peer.js';
import { contentFiles, makeTorrent, randomBytes, type MadeTorrent } from './helpers/torrent.js';
import { until } from './helpers/until.js';

const KIB = 1024;
const MIB = 1024 * KIB;

/** Keeps what it is given; takes nothing while it is stopped. */
class Reader extends Writable {
  readonly #chunks: Buffer[] = [];
  #onGo: (() => void) | undefined;
  isStopped = false;

  override _write(chunk: Buffer, _encoding: string, callback: () => void): void {
    this.#chunks.push(Buffer.from(chunk));
    if (this.isStopped) this.#onGo = callback;
    else setImmediate(callback);
  }

  go(): void {
    this.isStopped = false;
    this.#onGo?.();
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }
}

async function inTempFolder<T>(run: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'torrent-dl-'));
  try {
    return await run(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Options of a download that is to leave in a stream, and no trace in `out`. */
function streaming(output: OutputOptions, peers: readonly ScriptedPeer[], more: DownloadOptions = {}): DownloadOptions {
  const signal = AbortSignal.timeout(30_000);
  return { output, out: '/dev/null/nowhere', peers: peers.map((peer) => peer.address), signal, ...more };
}

/** Downloads to the end and gives what came out, and the last stats. */
async function fetch(
  torrent: MadeTorrent,
  peers: readonly ScriptedPeer[],
  output: Omit<OutputOptions, 'stream'> = {},
): Promise<{ bytes: Buffer; stats: DownloadStats }> {
  const stream = new Reader();
  await using running = downloadHere(torrent.bytes, streaming({ ...output, stream }, peers));
  await running.done;
  return { bytes: stream.bytes, stats: running.stats() };
}

function single(length: number, pieceLength = 64 * KIB): MadeTorrent {
  return makeTorrent(randomBytes(length, length), { pieceLength });
}

function dataOf(torrent: MadeTorrent): Buffer {
  return Buffer.concat(contentFiles(torrent).map(({ data }) => data));
}

test('a file leaves whole and in order, and no folder is touched', async () => {
  const torrent = single(5 * MIB + 17);
  await using one = await ScriptedPeer.open(torrent);
  await using two = await ScriptedPeer.open(torrent, { rate: 4 * MIB });
  const { bytes, stats } = await fetch(torrent, [one, two], { windowLength: MIB });
  assert.ok(bytes.equals(dataOf(torrent)));
  assert.equal(stats.haveLength, torrent.totalLength);
});
