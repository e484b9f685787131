import bencode from 'bencode';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import type { DownloadOptions } from '../src/api.js';
import { checkDownload, type DryRun } from '../src/dry-run.js';
import { downloadHere } from './helpers/download.js';
import { ScriptedPeer } from './helpers/scripted-peer.js';
import { openSmallDisk } from './helpers/small-disk.js';
import { makeTorrent, randomBytes, writeContent } from './helpers/torrent.js';
import { compact, openTracker } from './helpers/tracker.js';
import { until } from './helpers/until.js';

const KIB = 1024;
const MIB = KIB * KIB;
const torrent = makeTorrent(
  [
    { path: 'a/one', data: randomBytes('one', MIB) },
    { path: 'two', data: randomBytes('two', MIB) },
  ],
  { pieceLength: 64 * KIB, name: 'some' },
);

async function inTempFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'torrent-dl-'));
  try {
    await run(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A dry run, which leaves all below `out` as it was, to the nanosecond. */
async function check(out: string, options: DownloadOptions = {}, source: string | Uint8Array = torrent.bytes) {
  const before = await snapshot(out);
  const signal = AbortSignal.timeout(30_000);
  const cacheFolder = path.join(out, 'cache');
  const result = await checkDownload(source, { out, signal, lsd: false, dht: false, cacheFolder, ...options });
  assert.deepEqual(await snapshot(out), before);
  return result;
}

async function snapshot(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  const lines = [folder, ...names.map((name) => path.join(folder, name))].map(async (name) => {
    const stats = await stat(name, { bigint: true }).catch(() => undefined);
    return `${name} ${stats?.mtimeNs} ${stats?.ctimeNs} ${stats?.size}`;
  });
  return (await Promise.all(lines)).sort();
}

/** Its code, or `begins`. */
function outcome({ problem }: DryRun): string {
  return problem ? ((problem as { readonly code?: string }).code ?? problem.message) : 'begins';
}

test('an empty folder, room and a seed: it would begin; the seed is asked for no data', () =>
  inTempFolder(async (out) => {
    await using seed = await ScriptedPeer.open(torrent);
    const result = await check(out, { peers: [seed.address] });
    assert.equal(outcome(result), 'begins');
    assert.deepEqual(result.peers, { known: 1, answered: 1, seeds: 1, availability: 1 });
    assert.equal(result.disk.space!.needed, 2 * MIB);
    assert.ok(result.disk.space!.free! > 0);
    assert.deepEqual([result.disk.provenLength, result.disk.unprovenLength, result.disk.clashes.length], [0, 0, 0]);
    assert.equal(result.isComplete, false);
    assert.equal(seed.connections, 1);
    assert.equal(seed.requests, 0);
  }));

test('a folder that is not there is not made', () =>
  inTempFolder(async (folder) => {
    await using seed = await ScriptedPeer.open(torrent);
    assert.equal(outcome(await check(path.join(folder, 'a/b'), { peers: [seed.address] })), 'begins');
    assert.deepEqual(await readdir(folder), []);
  }));

test('a tracker names peers, hears started and stopped, and forgets us', () =>
  inTempFolder(async (out) => {
    await using seed = await ScriptedPeer.open(torrent);
    await using tracker = await openTracker({ peers: [seed.address], extra: { complete: 5 } });
    const result = await check(out, { trackers: [tracker.url] });
    assert.equal(outcome(result), 'begins');
    const [source] = result.sources;
    assert.deepEqual([source?.state, source?.peers, source?.seeds], ['working', 1, 5]);
    assert.deepEqual(
      tracker.announces.map(({ event, left }) => [event, left]),
      [
        ['started', torrent.totalLength],
        ['stopped', torrent.totalLength],
      ],
    );
    assert.deepEqual(tracker.swarm(torrent.infoHash.toString('hex')), []);
  }));

test('what others have of what is missing is told; those that have nothing of it are of no help', () =>
  inTempFolder(async (out) => {
    await using half = await ScriptedPeer.open(torrent, { pieces: Array.from({ length: 8 }, (_, index) => index) });
    const result = await check(out, { peers: [half.address] });
    assert.equal(outcome(result), 'begins');
    assert.deepEqual(result.peers, { known: 1, answered: 1, seeds: 0, availability: 0.25 });
    {
      await using running = downloadHere(torrent.bytes, { out, peers: [half.address] });
      await until(() => running.stats().havePieces === 8);
    }
    const again = await check(out, { peers: [half.address] });
    assert.equal(outcome(again), 'ERR_NO_SOURCE');
    assert.match(again.problem!.message, /the only connected peer lacks the missing data/);
    assert.equal(again.disk.provenLength, 8 * 64 * KIB);
    assert.equal(again.disk.space!.needed, 2 * MIB - 8 * 64 * KIB);
  }));

test('nobody to ask, nobody there, and a tracker that refuses: it would not begin', () =>
  inTempFolder(async (out) => {
    const nobody = await check(out);
    assert.equal(outcome(nobody), 'ERR_NO_SOURCE');
    assert.match(nobody.problem!.message, /there is nobody to ask for peers/);
    const gone = await ScriptedPeer.open(torrent);
    await gone[Symbol.asyncDispose]();
    const unreachable = await check(out, { peers: [gone.address] });
    assert.match(unreachable.problem!.message, /the only known peer could not be reached/);
    await using tracker = await openTracker({ extra: { 'failure reason': 'not registered' } });
    const refused = await check(out, { trackers: [tracker.url] });
    assert.equal(outcome(refused), 'ERR_NO_SOURCE');
    assert.match(refused.sources[0]!.message!, /not registered/);
  }));

test('what is complete by its resume state is done, and nobody is asked', () =>
  inTempFolder(async (out) => {
    await using seed = await ScriptedPeer.open(torrent);
    {
      await using running = downloadHere(torrent.bytes, { out, peers: [seed.address] });
      await running.done;
    }
    const result = await check(out, { peers: [seed.address] });
    assert.equal(outcome(result), 'begins');
    assert.ok(result.isComplete);
    assert.equal(result.disk.provenLength, torrent.totalLength);
    const recheck = await check(out, { recheck: true });
    assert.deepEqual([recheck.disk.provenLength, recheck.disk.unprovenLength], [0, torrent.totalLength]);
    assert.equal(seed.connections, 1);
  }));

test('what is there without a resume state is called unproven, for nothing is hashed', () =>
  inTempFolder(async (out) => {
    await using seed = await ScriptedPeer.open(torrent);
    await writeContent(torrent, out);
    await truncate(path.join(out, 'some/two'), 512 * KIB);
    const { disk, isComplete, problem } = await check(out, { peers: [seed.address] });
    assert.deepEqual([disk.provenLength, disk.unprovenLength], [0, 1536 * KIB]);
    assert.equal(problem, undefined);
    assert.equal(isComplete, false);
  }));

test('where nothing is missing nobody need answer: what is there is checked first', () =>
  inTempFolder(async (out) => {
    await writeContent(torrent, out);
    const result = await check(out);
    assert.equal(outcome(result), 'begins');
    assert.ok(result.disk.isAllThere);
    assert.equal(result.isComplete, false);
    await truncate(path.join(out, 'some/two'), 512 * KIB);
    assert.equal(outcome(await check(out)), 'ERR_NO_SOURCE');
  }));

test('everything in the way is listed, and the first is the problem', () =>
  inTempFolder(async (folder) => {
    const ways: readonly [code: string, put: (out: string) => Promise<unknown>][] = [
      ['ERR_IN_THE_WAY', (out) => mkdir(path.join(out, 'some/two'), { recursive: true })],
      ['ERR_IN_THE_WAY', (out) => writeFile(path.join(out, 'some'), '')],
      ['ERR_SYMLINK', (out) => symlink('nowhere', path.join(out, 'some'))],
      ['ERR_SYMLINK', (out) => symlink('nowhere', path.join(out, '.torrent-dl'))],
      ['ERR_LONGER_FILE', (out) => writeLonger(path.join(out, 'some'))],
    ];
    for (const [number, [code, put]] of ways.entries()) {
      const out = path.join(folder, String(number));
      await mkdir(out);
      await put(out);
      const result = await check(out);
      assert.equal(outcome(result), code, `way ${number}`);
      assert.ok(result.disk.clashes.every(({ name }) => name === 'DiskError'));
    }
    await writeFile(path.join(folder, 'file'), '');
    const noFolder = await check(path.join(folder, 'file'));
    assert.equal(outcome(noFolder), 'ERR_IN_THE_WAY');
    assert.equal(noFolder.disk.clashes.length, 1);
    assert.equal(outcome(await check(path.join(folder, 'file/below'))), 'ERR_IN_THE_WAY');
  }));

async function writeLonger(folder: string): Promise<void> {
  await mkdir(path.join(folder, 'a'), { recursive: true });
  for (const name of ['a/one', 'two']) await writeFile(path.join(folder, name), Buffer.alloc(MIB + 1));
}

test('a file system that cannot be written to is a clash', async (t) => {
  const opened = await openSmallDisk(4 * MIB);
  if (!opened) {
    t.skip('no file system may be mounted here');
    return;
  }
  await using disk = opened;
  spawnSync('mount', ['-o', 'remount,ro', disk.folder]);
  assert.equal(outcome(await check(disk.folder)), 'ERR_READ_ONLY');
  assert.equal(outcome(await check(path.join(disk.folder, 'below'))), 'ERR_READ_ONLY');
});

test('another run at the same place is a clash', () =>
  inTempFolder(async (out) => {
    await using seed = await ScriptedPeer.open(torrent, { behaviour: 'stall' });
    await using running = downloadHere(torrent.bytes, { out, peers: [seed.address] });
    await until(() => running.stats().phase === 'downloading');
    assert.equal(outcome(await check(out)), 'ERR_LOCKED');
  }));

test('a disk that is too small is told with both figures', async (t) => {
  const opened = await openSmallDisk(MIB);
  if (!opened) {
    t.skip('no file system may be mounted here');
    return;
  }
  await using disk = opened;
  await using seed = await ScriptedPeer.open(torrent);
  const result = await check(disk.folder, { peers: [seed.address] });
  assert.equal(outcome(result), 'ERR_NO_SPACE');
  assert.match(result.problem!.message, /2\.00 MiB needed, 1\.00 MiB free/);
  assert.equal(result.peers.answered, 1);
});

test('of an atomic download the hidden folder is looked at, and what is in its way is told', () =>
  inTempFolder(async (out) => {
    await using seed = await ScriptedPeer.open(torrent, { rate: MIB });
    {
      await using running = downloadHere(torrent.bytes, { out, peers: [seed.address], atomic: true });
      await until(() => running.stats().havePieces > 4);
    }
    const result = await check(out, { peers: [seed.address], atomic: true });
    assert.equal(outcome(result), 'begins');
    assert.ok(result.disk.provenLength > 0);
    await writeFile(path.join(out, 'some'), 'mine');
    const blocked = await check(out, { peers: [seed.address], atomic: true });
    assert.equal(outcome(blocked), 'ERR_IN_THE_WAY');
    assert.equal(await readFile(path.join(out, 'some'), 'utf8'), 'mine');
  }));

test('the metadata of a magnet link comes from peers, and is not kept', () =>
  inTempFolder(async (out) => {
    await using seed = await ScriptedPeer.open(torrent, { metadata: 'honest' });
    const link = `magnet:?xt=urn:btih:${torrent.infoHash.toString('hex')}`;
    const result = await check(out, { peers: [seed.address] }, link);
    assert.equal(outcome(result), 'begins');
    assert.equal(result.metainfo.name, 'some');
    assert.equal(seed.requests, 0);
    await assert.rejects(check(out, { metadataTimeoutMs: 300 }, link), {
      name: 'NoSourceError',
      code: 'ERR_NO_METADATA',
    });
  }));

/** A node of the DHT (BEP 5) that names one peer; gives the methods that it was asked by. */
async function openNode(peer: { readonly port: number }): Promise<AsyncDisposable & { port: number; asked: string[] }> {
  const id = randomBytes('node', 20);
  const asked: string[] = [];
  const socket = dgram.createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  socket.on('message', (bytes, from) => {
    const { t, q } = bencode.decode(bytes) as { readonly t: Uint8Array; readonly q?: Uint8Array };
    if (!q) return;
    const method = Buffer.from(q).toString();
    asked.push(method);
    const values = { token: 'token', values: [compact([{ host: '127.0.0.1', port: peer.port }])] };
    const reply = method === 'get_peers' ? values : { nodes: Buffer.alloc(0) };
    socket.send(bencode.encode({ t, y: 'r', r: { id, ...reply } }), from.port, from.address);
  });
  const close = async (): Promise<void> => {
    socket.close();
    await once(socket, 'close');
  };
  return { port: socket.address().port, asked, [Symbol.asyncDispose]: close };
}

test('the DHT is searched and not told of us, and its table is left as it was', () =>
  inTempFolder(async (out) => {
    await using seed = await ScriptedPeer.open(torrent);
    await using node = await openNode(seed.address);
    const result = await check(out, { dht: true, dhtBootstrap: [{ host: '127.0.0.1', port: node.port }] });
    assert.equal(outcome(result), 'begins');
    assert.equal(result.peers.seeds, 1);
    assert.ok(node.asked.includes('get_peers'));
    assert.ok(!node.asked.includes('announce_peer'));
  }));

test('a signal ends it', () =>
  inTempFolder(async (out) => {
    await using tracker = await openTracker({ misbehave: () => () => undefined });
    const stop = new AbortController();
    const checking = check(out, { trackers: [tracker.url], signal: stop.signal });
    await tracker.heard(() => true);
    stop.abort(new Error('enough'));
    await assert.rejects(checking, { message: 'enough' });
  }));
