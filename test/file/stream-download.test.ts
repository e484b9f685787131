import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Writable } from 'node:stream';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { downloadHere } from '../helpers/download.js';
import { ScriptedPeer } from '../helpers/scripted-peer.js';
import { contentFiles, makeTorrent, randomBytes, writeContent, type MadeTorrent } from '../helpers/torrent.js';
import { until } from '../helpers/until.js';
import { temporaryFolder } from './helpers.js';

const MIB = 1024 * 1024;
const PROGRAM = fileURLToPath(new URL('./to-stdout.ts', import.meta.url));

/** Gathers what comes, once it is not stopped any more. */
class Gatherer extends Writable {
  readonly #chunks: Buffer[] = [];
  #go: (() => void) | undefined;

  constructor(private isStopped = false) {
    super();
  }

  override _write(chunk: Buffer, _encoding: string, callback: () => void): void {
    this.#chunks.push(chunk);
    if (this.isStopped) this.#go = callback;
    else setImmediate(callback);
  }

  go(): void {
    this.isStopped = false;
    this.#go?.();
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }
}

function streamed(torrent: MadeTorrent, stream: Writable, peers: readonly ScriptedPeer[], windowLength: number) {
  const output = { stream, isTar: !(torrent.content instanceof Uint8Array), windowLength };
  return downloadHere(torrent.bytes, { output, out: '/dev/null/nowhere', peers: peers.map((peer) => peer.address) });
}

/** Runs `to-stdout.ts` by a shell that has its words as `$@`. */
async function pipe(t: TestContext, torrent: MadeTorrent, script: string) {
  const folder = await temporaryFolder(t);
  const file = path.join(folder, 'x.torrent');
  const content = path.join(folder, 'seed');
  await writeFile(file, torrent.bytes);
  await writeContent(torrent, content);
  await using seed = downloadHere(torrent.bytes, { out: content, seed: true });
  await seed.done;
  const words = [process.execPath, '--import', import.meta.resolve('tsx'), PROGRAM, file, String(seed.stats().port)];
  const child = spawn('bash', ['-c', `set -o pipefail; ${script}`, 'sh', ...words], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let errors = '';
  child.stderr.on('data', (chunk) => (errors += String(chunk)));
  const [code] = (await once(child, 'close')) as [number];
  return { folder, content, code, errors };
}

test('a file arrives whole through a window of a tenth of it', { timeout: 30_000 }, async () => {
  const data = randomBytes('small window', 10 * MIB + 17);
  const torrent = makeTorrent(data, { pieceLength: 65_536 });
  await using peer = await ScriptedPeer.open(torrent);
  const output = new Gatherer();
  await using line = streamed(torrent, output, [peer], MIB);
  await line.done;
  assert.ok(output.bytes.equals(data));
});

test(
  'a reader that stops lets no more than the window be fetched, and no request go out after that',
  { timeout: 30_000 },
  async () => {
    const data = randomBytes('stopped reader', 12 * MIB);
    const torrent = makeTorrent(data, { pieceLength: 131_072 });
    await using peer = await ScriptedPeer.open(torrent);
    const output = new Gatherer(true);
    await using line = streamed(torrent, output, [peer], 4 * MIB);
    await until(() => line.stats().downloaded === 4 * MIB);
    const { requests } = peer;
    await new Promise((resolve) => setTimeout(resolve, 500)); // five ticks in which it might ask
    assert.deepEqual([peer.requests, line.stats().downloaded], [requests, 4 * MIB]);
    output.go();
    await line.done;
    assert.ok(output.bytes.equals(data));
  },
);

test('a slow peer at the head of the window does not hold up what fast ones have', { timeout: 60_000 }, async () => {
  const data = randomBytes('slow head', 16 * MIB);
  const torrent = makeTorrent(data, { pieceLength: 262_144 });
  await using slow = await ScriptedPeer.open(torrent, { rate: 20_000 });
  const output = new Gatherer();
  const startedAt = performance.now();
  await using line = streamed(torrent, output, [slow], 4 * MIB);
  await until(() => slow.requests > 0); // the head of the window is its own now
  await using fast = await ScriptedPeer.open(torrent);
  await using other = await ScriptedPeer.open(torrent, { rate: 4 * MIB });
  fast.dial(line.stats().port);
  other.dial(line.stats().port);
  await line.done;
  assert.ok(output.bytes.equals(data));
  const seconds = (performance.now() - startedAt) / 1000;
  // A piece takes the slow peer 13 s, and it had begun several.
  assert.ok(seconds < 8, `${seconds} s`);
});

test('a peer that owes the head of the window and has gone silent is not waited for', { timeout: 60_000 }, async () => {
  const data = randomBytes('stalled head', 8 * MIB);
  const torrent = makeTorrent(data, { pieceLength: 262_144 });
  await using stalled = await ScriptedPeer.open(torrent, { behaviour: 'stall-in-block' });
  const output = new Gatherer();
  await using line = streamed(torrent, output, [stalled], 2 * MIB);
  await until(() => stalled.requests > 0);
  await using fast = await ScriptedPeer.open(torrent);
  const startedAt = performance.now();
  fast.dial(line.stats().port);
  await line.done;
  assert.ok(output.bytes.equals(data));
  assert.ok(performance.now() - startedAt < 8000);
});

test('wrong bytes never leave, whoever sends them', { timeout: 30_000 }, async () => {
  const data = randomBytes('liar', 4 * MIB);
  const torrent = makeTorrent(data, { pieceLength: 65_536 });
  await using liar = await ScriptedPeer.open(torrent, { behaviour: 'corrupt-some' });
  const output = new Gatherer();
  await using line = streamed(torrent, output, [liar], MIB);
  await until(() => line.stats().corruptPieces > 0);
  await using honest = await ScriptedPeer.open(torrent);
  honest.dial(line.stats().port);
  await line.done;
  assert.ok(output.bytes.equals(data));
});

/** 300 files: empty, long and foreign names, lengths around a tar block. */
function manyFiles() {
  return Array.from({ length: 300 }, (_, n) => {
    const folder =
      n % 3 === 0 ? `d${n % 7}/${'long '.repeat(n % 30)}x` : n % 3 === 1 ? 'naïve ☃ 文件' : `plain${n % 5}`;
    const length = n % 10 === 0 ? 0 : n % 10 === 1 ? 512 : n * 397;
    return { path: `${folder}/${n}`, data: randomBytes(n, length) };
  });
}

for (const program of ['tar', 'bsdtar']) {
  test(`${program} unpacks an archive of 300 files to the same tree`, { timeout: 60_000 }, async (t) => {
    if (spawnSync(program, ['--version']).error) return t.skip(`${program} is not installed`);
    const torrent = makeTorrent(manyFiles(), { name: 'many', pieceLength: 65_536 });
    const script = `mkdir out; "$@" 2>errors | LC_ALL=C.UTF-8 ${program} -x -f - -C out`;
    const { folder, content, code, errors } = await pipe(t, torrent, script);
    assert.deepEqual([code, errors], [0, '']);
    const words = ['-r', '-x', '.torrent-dl', content, path.join(folder, 'out')];
    assert.equal(spawnSync('diff', words, { encoding: 'utf8' }).stdout, '');
    assert.equal(contentFiles(torrent).length, 300);
  });
}

test(
  'an archive keeps the executable bit and the time of the torrent, and leaves pad files out',
  { timeout: 60_000 },
  async (t) => {
    const files = [
      { path: 'run', data: randomBytes(1, 1000), attr: 'x' },
      { path: '.pad/15384', data: Buffer.alloc(15_384), attr: 'p' },
      { path: 'read', data: randomBytes(2, 1000), attr: '' },
    ];
    const list = files.map(({ path: name, data, attr }) => ({ length: data.length, path: name.split('/'), attr }));
    const options = { name: 'bits', info: { files: list }, extra: { 'creation date': 1_600_000_000 } };
    const torrent = makeTorrent(files, options);
    const { folder, code, errors } = await pipe(
      t,
      torrent,
      'mkdir out; "$@" 2>errors | tar -x -f - -C out; ls -A out/bits >names',
    );
    assert.deepEqual([code, errors], [0, '']);
    assert.equal(await readFile(path.join(folder, 'names'), 'utf8'), 'read\nrun\n');
    const [run, read] = await Promise.all(['run', 'read'].map((name) => stat(path.join(folder, 'out/bits', name))));
    assert.deepEqual([run!.mode & 0o777, read!.mode & 0o777], [0o755, 0o644]);
    assert.equal(run!.mtimeMs, 1_600_000_000_000);
  },
);

test('standard output may be a pipe, a file or a device', { timeout: 60_000 }, async (t) => {
  const torrent = makeTorrent(randomBytes('stdout', 3 * MIB + 5), { name: 'data' });
  const script = `"$@" | cmp - seed/data && "$@" >file && cmp file seed/data && echo head >more && "$@" >>more &&
    cmp <(echo head; cat seed/data) more && ! "$@" >/dev/full 2>full && cat full >&2`;
  const { code, errors } = await pipe(t, torrent, script);
  assert.equal(code, 0, errors);
  assert.match(errors, /^ERR_DISK_FULL$/m);
});

test('a reader that has enough ends it at once', { timeout: 60_000 }, async (t) => {
  const torrent = makeTorrent(randomBytes('enough', 20 * MIB), { name: 'data', pieceLength: MIB });
  const { code, errors } = await pipe(t, torrent, '"$@" | head -c 1000000 >/dev/null');
  assert.notEqual(code, 0);
  assert.match(errors, /^ERR_OUTPUT_CLOSED$/m);
});

test('nothing is left on disk', { timeout: 60_000 }, async (t) => {
  const torrent = makeTorrent(randomBytes('no trace', MIB), { name: 'data' });
  const { code } = await pipe(t, torrent, 'mkdir w && cd w && "$@" >/dev/null && [ -z "$(ls -A)" ]');
  assert.equal(code, 0);
});
