import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DownloadOptions, DownloadStats, OutputOptions } from '../src/api.js';
import { OutputClosedError, UsageError } from '../src/common/errors.js';
import { EXECUTABLE } from './cli/execute.js';
import { downloadHere } from './helpers/download.js';
import { ScriptedPeer } from './helpers/scripted-peer.js';
import { contentFiles, makeTorrent, randomBytes, type MadeTorrent } from './helpers/torrent.js';
import { openTracker } from './helpers/tracker.js';
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

/** 300 files with all that is hard on an archive; a pad file (BEP 47) stands behind every tenth. */
function manyFiles(): { torrent: MadeTorrent; list: { path: string; data: Buffer; attr: string }[] } {
  const list = Array.from({ length: 300 }, (_, n) => {
    const folder = ['', 'a folder/', 'ünïcode ✓/', 'long/'.repeat(30)][n % 4]!;
    const name = `${n}${n % 7 === 0 ? '日本語'.repeat(n % 20) : ''}.bin`;
    const length = n % 11 === 0 ? 0 : (n * 7919) % 20_011;
    return { path: folder + name, data: randomBytes(n, length), attr: n % 5 === 0 ? 'x' : '' };
  });
  const all = list.flatMap((file, n) => {
    const padding = { path: `.pad/${1000 + n}`, data: Buffer.alloc(1000 + n), attr: 'p' };
    return n % 10 === 9 ? [file, padding] : [file];
  });
  const files = all.map(({ path: name, data, attr }) => ({
    ...(attr !== '' && { attr }),
    length: data.length,
    path: name.split('/'),
  }));
  return { torrent: makeTorrent(all, { pieceLength: 32 * KIB, name: 'root', info: { files } }), list };
}

for (const command of ['tar', 'bsdtar']) {
  const isMissing = spawnSync(command, ['--version']).status !== 0;
  test(`${command} unpacks an archive of 300 files: every byte, name and mode`, { skip: isMissing }, () =>
    inTempFolder(async (folder) => {
      const { torrent, list } = manyFiles();
      await using peer = await ScriptedPeer.open(torrent);
      const unpack = spawn(command, ['-x', '-f', '-', '-C', folder], { stdio: ['pipe', 'ignore', 'pipe'] });
      const ended = once(unpack, 'close');
      await using running = downloadHere(torrent.bytes, streaming({ stream: unpack.stdin, isTar: true }, [peer]));
      await running.done;
      unpack.stdin.end();
      assert.deepEqual(await ended, [0, null]);
      for (const { path: name, data, attr } of list) {
        const file = path.join(folder, 'root', name);
        assert.ok((await readFile(file)).equals(data), name);
        assert.equal(((await stat(file)).mode & 0o100) !== 0, attr === 'x', name);
      }
      const names = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
      assert.equal(names.length, list.length);
    }),
  );
}

test('the same torrent gives the same archive, with its creation date', async () => {
  const { torrent } = manyFiles();
  const dated = makeTorrent([{ path: 'a', data: randomBytes(1, 5) }], { extra: { 'creation date': 1_600_000_000 } });
  for (const made of [torrent, dated]) {
    await using peer = await ScriptedPeer.open(made);
    const [one, two] = [await fetch(made, [peer], { isTar: true }), await fetch(made, [peer], { isTar: true })];
    assert.ok(one.bytes.equals(two.bytes));
    const mtime = made === dated ? 1_600_000_000 : 0;
    assert.equal(parseInt(one.bytes.toString('latin1', 136, 147), 8), mtime);
  }
});

test('one file of several leaves alone: its pieces are fetched, and no tracker hears that we completed', async () => {
  await using tracker = await openTracker();
  const files = ['a', 'b', 'c'].map((name) => ({ path: name, data: randomBytes(name, 300 * KIB + 1) }));
  const torrent = makeTorrent(files, { pieceLength: 32 * KIB, trackers: [[tracker.url]] });
  await using peer = await ScriptedPeer.open(torrent);
  const { bytes, stats } = await fetch(torrent, [peer], { file: 1 });
  assert.ok(bytes.equals(files[1]!.data));
  assert.ok(stats.downloaded <= 364 * KIB, `${stats.downloaded} bytes`);
  assert.ok(tracker.announces.every(({ event }) => event !== 'completed'));
});

test('a magnet link leaves in a stream, and no folder is touched', async () => {
  const torrent = single(300_000);
  await using peer = await ScriptedPeer.open(torrent, { metadata: 'honest' });
  const stream = new Reader();
  await using running = downloadHere(torrent.infoHash.toString('hex'), streaming({ stream }, [peer]));
  await running.done;
  assert.ok(stream.bytes.equals(dataOf(torrent)));
});

test('an empty file of several needs nobody', async () => {
  const files = ['a', 'b'].map((name, n) => ({ path: name, data: randomBytes(name, n * 9) }));
  assert.equal((await fetch(makeTorrent(files), [], { file: 0 })).bytes.length, 0);
});

test('peers are told of no piece, for none is kept', async () => {
  const torrent = single(2 * MIB);
  await using peer = await ScriptedPeer.open(torrent, { pieces: [...Array(31).keys()] });
  await using other = await ScriptedPeer.open(torrent, { pieces: [31] });
  await fetch(torrent, [peer, other]);
  const told = [...peer.messages, ...other.messages].map((message) => message[0]);
  assert.ok(!told.includes(4) && !told.includes(5), `messages ${told.join()}`);
});

test('wrong pieces never leave', async () => {
  const torrent = single(3 * MIB);
  await using liar = await ScriptedPeer.open(torrent, { behaviour: 'corrupt-some', host: '127.0.0.2' });
  await using honest = await ScriptedPeer.open(torrent, { rate: 8 * MIB });
  const { bytes, stats } = await fetch(torrent, [liar, honest], { windowLength: MIB });
  assert.ok(bytes.equals(dataOf(torrent)));
  assert.ok(stats.corruptPieces > 0);
});

// ── The window ──────────────────────────────────────────────────────────────────────────────────────────────────────

test('a stopped reader stops the download within the window; going on, it gets the rest', async () => {
  const torrent = single(16 * MIB);
  await using peer = await ScriptedPeer.open(torrent);
  const stream = new Reader({ highWaterMark: 1 });
  stream.isStopped = true;
  await using running = downloadHere(
    torrent.bytes,
    streaming({ stream, windowLength: 2 * MIB }, [peer], { stallTimeoutMs: 600 }),
  );
  await until(() => running.stats().downloaded === 2 * MIB);
  await sleep(1500); // longer than the limit: a reader that is behind is no stall
  assert.equal(running.stats().downloaded, 2 * MIB);
  assert.equal(peer.sent, 2 * MIB);
  stream.go();
  await running.done;
  assert.ok(stream.bytes.equals(dataOf(torrent)));
  assert.equal(running.stats().wasted, 0);
});

test('a program whose reader sleeps takes less than 220 MiB', { skip: process.platform !== 'linux' }, (t) =>
  inTempFolder(async (folder) => {
    const torrent = single(160 * MIB, 256 * KIB);
    await using peer = await ScriptedPeer.open(torrent);
    const file = path.join(folder, 'x.torrent');
    await writeFile(file, torrent.bytes);
    // As users have it: the loader of sources takes a tenth of the limit, once in each thread.
    const words = [file, '-q', '-o', '-', '--no-dht', '--no-lsd', '--peer', `127.0.0.1:${peer.address.port}`];
    const child = spawn(process.execPath, [EXECUTABLE, ...words], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, NODE_V8_COVERAGE: '', XDG_CACHE_HOME: folder },
    });
    t.after(() => child.kill());
    await until(() => peer.sent >= 63 * MIB, 20_000); // nobody reads yet
    await sleep(1000);
    assert.ok(peer.sent <= 65 * MIB, `${peer.sent} bytes fetched`);
    const status = await readFile(`/proc/${child.pid}/status`, 'utf8');
    const peakKib = Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]);
    assert.ok(peakKib < 220 * KIB, `${peakKib} KiB at most`);
    const hash = createHash('sha256');
    for await (const chunk of child.stdout) hash.update(chunk as Buffer);
    assert.equal(hash.digest('hex'), createHash('sha256').update(dataOf(torrent)).digest('hex'));
    if (child.exitCode === null) await once(child, 'close');
    assert.equal(child.exitCode, 0);
  }),
);

const SLOW = [
  ['sends 8 KiB a second', { rate: 8 * KIB }],
  ['sends nothing', { behaviour: 'stall' }],
  ['stops in mid-block', { behaviour: 'stall-in-block' }],
  ['sends a byte now and then', { behaviour: 'trickle' }],
] as const;

for (const [name, options] of SLOW) {
  test(`the first piece is fetched from others when who was asked for it ${name}`, async () => {
    const torrent = single(8 * MIB, 256 * KIB);
    await using slow = await ScriptedPeer.open(torrent, { ...options, host: '127.0.0.2' });
    const stream = new Reader();
    await using running = downloadHere(torrent.bytes, streaming({ stream, windowLength: MIB }, [slow]));
    await until(() => slow.requests > 0); // it has the first piece
    await using one = await ScriptedPeer.open(torrent);
    await using two = await ScriptedPeer.open(torrent, { host: '127.0.0.3' });
    const begun = performance.now();
    for (const peer of [one, two]) peer.dial(running.stats().port);
    await running.done;
    assert.ok(stream.bytes.equals(dataOf(torrent)));
    // The slow one would take 32 s for its piece; what is asked of it again after a pause costs some seconds at most.
    assert.ok(performance.now() - begun < 8000, `${performance.now() - begun} ms`);
  });
}

test('when nobody has the piece that is due, a stall says so, and the window is bound to it', async () => {
  const torrent = single(4 * MIB);
  await using peer = await ScriptedPeer.open(torrent, { pieces: [...Array(64).keys()].slice(1) });
  const options = streaming({ stream: new Reader(), windowLength: MIB }, [peer], { stallTimeoutMs: 700 });
  await using running = downloadHere(torrent.bytes, options);
  await assert.rejects(running.done, { code: 'ERR_NO_SOURCE', message: /the only connected peer lacks the missing/ });
  assert.equal(peer.sent, MIB - 64 * KIB);
});

test('a limit in time that ends a stream does not promise to resume', async () => {
  const torrent = single(MIB);
  await using peer = await ScriptedPeer.open(torrent, { behaviour: 'stall' });
  for (const limit of [{ timeoutMs: 300 }, { stallTimeoutMs: 300 }]) {
    await using running = downloadHere(torrent.bytes, streaming({ stream: new Reader() }, [peer], limit));
    await assert.rejects(running.done, { name: 'TimeLimitError', message: /^(?!.*resume)/ });
  }
});

// ── Ends ────────────────────────────────────────────────────────────────────────────────────────────────────────────

test('a reader that goes away ends the download with an error of its own', async () => {
  const torrent = single(8 * MIB);
  await using peer = await ScriptedPeer.open(torrent);
  const head = spawn('head', ['-c', '100000'], { stdio: ['pipe', 'ignore', 'inherit'] });
  const begun = performance.now();
  const running = downloadHere(torrent.bytes, streaming({ stream: head.stdin, windowLength: MIB }, [peer]));
  await assert.rejects(running.done, OutputClosedError);
  await assert.rejects(running.ended, OutputClosedError);
  await running[Symbol.asyncDispose]();
  assert.ok(performance.now() - begun < 3000);
});

test('a stream that fails is an error of the disk', async () => {
  const torrent = single(MIB);
  await using peer = await ScriptedPeer.open(torrent);
  const stream = createWriteStream('/dev/full');
  await using running = downloadHere(torrent.bytes, streaming({ stream }, [peer]));
  await assert.rejects(running.done, { name: 'DiskError', code: 'ERR_DISK_FULL' });
});

test('an aborted download waits for no reader', async () => {
  const torrent = single(8 * MIB);
  await using peer = await ScriptedPeer.open(torrent);
  const stream = new Reader();
  stream.isStopped = true;
  const abort = new AbortController();
  const options = streaming({ stream, windowLength: MIB }, [peer], { signal: abort.signal });
  const running = downloadHere(torrent.bytes, options);
  await until(() => running.stats().downloaded >= MIB);
  abort.abort();
  await running[Symbol.asyncDispose]();
  await running.ended;
});

test('what a stream cannot do is refused', async () => {
  const several = makeTorrent(['a', 'b'].map((name) => ({ path: name, data: randomBytes(name, 9) })));
  const stream = new PassThrough();
  const mistakes: [DownloadOptions, string][] = [
    [{ output: { stream } }, 'ERR_SEVERAL_FILES'],
    [{ output: { stream, file: 2 } }, 'ERR_NO_SUCH_FILE'],
    [{ output: { stream, isTar: true }, seed: true }, 'ERR_OUTPUT_SEED'],
    [{ output: { stream, isTar: true, windowLength: 0 } }, 'ERR_WINDOW'],
    [{ output: { stream, isTar: true, windowLength: 2 ** 40 } }, 'ERR_WINDOW'],
  ];
  for (const [options, code] of mistakes) {
    await using running = downloadHere(several.bytes, options);
    await assert.rejects(running.done, (error) => error instanceof UsageError && error.code === code);
  }
  assert.equal(stream.readableLength, 0);
});
