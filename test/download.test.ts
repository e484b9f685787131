import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { Bitfield } from '../src/common/bitfield.js';
import { DiskError, NoSourceError, TimeLimitError } from '../src/common/errors.js';
import type { Download, DownloadOptions, DownloadStats } from '../src/api.js';
import { decodeMetainfo } from '../src/metainfo/decode.js';
import { openSession } from '../src/session.js';
import { downloadHere } from './helpers/download.js';
import { encodeHandshake } from '../src/peer/handshake.js';
import { encodeExtended, encodeHave, encodeMessage, MESSAGE, REQUEST_LENGTH, writeRequest } from '../src/peer/wire.js';
import { ScriptedPeer, type Behaviour } from './helpers/scripted-peer.js';
import { contentFiles, makeTorrent, randomBytes, writeContent, type MadeTorrent } from './helpers/torrent.js';
import { openTracker } from './helpers/tracker.js';
import { until } from './helpers/until.js';

const KIB = 1024;

async function inTempFolder<T>(run: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'torrent-dl-'));
  try {
    return await run(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Downloads to the end and gives the last stats; compares every byte. */
async function fetch(torrent: MadeTorrent, out: string, options: DownloadOptions = {}): Promise<DownloadStats> {
  await using running = downloadHere(torrent.bytes, { out, signal: AbortSignal.timeout(30_000), ...options });
  await running.done;
  const stats = running.stats();
  await assertContent(torrent, out);
  return stats;
}

async function assertContent(torrent: MadeTorrent, out: string): Promise<void> {
  for (const { path: name, data } of contentFiles(torrent)) {
    assert.ok((await readFile(path.join(out, name))).equals(data), `${name} differs`);
  }
}

function sample(options: Parameters<typeof makeTorrent>[1] = {}): MadeTorrent {
  const files = [
    { path: 'a/b/one.bin', data: randomBytes('one', 300 * KIB + 17) },
    { path: 'ünïcode ✓.txt', data: randomBytes('two', 5) },
    { path: 'empty', data: new Uint8Array(0) },
    { path: 'a/two.bin', data: randomBytes('three', 700 * KIB - 21) },
  ];
  return makeTorrent(files, { pieceLength: 64 * KIB, ...options });
}

test('a torrent comes whole from one honest peer', () =>
  inTempFolder(async (out) => {
    const torrent = sample();
    await using seed = await ScriptedPeer.open(torrent);
    const stats = await fetch(torrent, out, { peers: [seed.address] });
    assert.equal(stats.downloaded, torrent.totalLength);
    assert.equal(stats.wasted, 0);
    assert.equal(seed.requests, seed.blocks);
  }));

test('peers come from a tracker, which hears started, completed and stopped with true numbers', () =>
  inTempFolder(async (out) => {
    await using tracker = await openTracker();
    const torrent = sample({ trackers: [[tracker.url]] });
    await using seed = await ScriptedPeer.open(torrent);
    await using known = await openTracker({ peers: [seed.address] });
    const again = sample({ trackers: [[tracker.url], [known.url]] });
    await fetch({ ...again }, out, { peers: [seed.address] });
    const events = tracker.announces.map(({ event, left, downloaded }) => ({ event, left, downloaded }));
    assert.deepEqual(events[0], { event: 'started', left: torrent.totalLength, downloaded: 0 });
    assert.deepEqual(events.slice(1), [
      { event: 'completed', left: 0, downloaded: torrent.totalLength },
      { event: 'stopped', left: 0, downloaded: torrent.totalLength },
    ]);
  }));

const haveAll = encodeMessage(MESSAGE.haveAll);
const hello = encodeExtended(0, Buffer.from('d1:mde4:reqqi250ee'));
const bitfield = (torrent: MadeTorrent): Uint8Array => {
  const have = new Bitfield(torrent.pieceCount);
  have.fill();
  return encodeMessage(MESSAGE.bitfield, have.bytes);
};
const greetings: [who: string, greeting: (torrent: MadeTorrent) => Uint8Array][] = [
  ['libtorrent, its extended handshake before have all', () => Buffer.concat([hello, haveAll])],
  ['aria2, a second bitfield in mid-stream', (torrent) => Buffer.concat([bitfield(torrent), hello, bitfield(torrent)])],
  [
    'an old client, haves and no bitfield',
    (torrent) => Buffer.concat(Array.from({ length: torrent.pieceCount }, (_, index) => encodeHave(index))),
  ],
  [
    'an eager one, unchoke before anything was asked',
    (torrent) => Buffer.concat([encodeMessage(MESSAGE.unchoke), bitfield(torrent)]),
  ],
  [
    'a chatty one, keep-alives, ports and unknown messages',
    (torrent) =>
      Buffer.concat([
        new Uint8Array(4),
        bitfield(torrent),
        encodeMessage(MESSAGE.port, Buffer.from([1, 2])),
        encodeMessage(99, Buffer.alloc(500)),
      ]),
  ],
];
for (const [who, greeting] of greetings) {
  test(`a peer may greet like ${who}`, () =>
    inTempFolder(async (out) => {
      const torrent = sample();
      await using seed = await ScriptedPeer.open(torrent, { greeting: greeting(torrent) });
      await fetch(torrent, out, { peers: [seed.address] });
    }));
}

test('each part of the data may be at another peer', () =>
  inTempFolder(async (out) => {
    const torrent = sample();
    const all = Array.from({ length: torrent.pieceCount }, (_, index) => index);
    await using even = await ScriptedPeer.open(torrent, { pieces: all.filter((index) => index % 2 === 0) });
    await using odd = await ScriptedPeer.open(torrent, { pieces: all.filter((index) => index % 2 === 1) });
    await fetch(torrent, out, { peers: [even.address, odd.address] });
    assert.ok(even.blocks > 0 && odd.blocks > 0);
  }));

const hindrances: Behaviour[] = ['stall', 'stall-in-block', 'trickle', 'disconnect', 'never-unchoke', 'reject'];
for (const behaviour of hindrances) {
  test(`beside an honest peer, one that does "${behaviour}" holds nothing up`, () =>
    inTempFolder(async (out) => {
      const torrent = sample();
      await using honest = await ScriptedPeer.open(torrent, { host: '127.0.0.2', rate: 2_000_000 });
      await using bad = await ScriptedPeer.open(torrent, { behaviour, host: '127.0.0.3' });
      const startedAt = performance.now();
      await fetch(torrent, out, { peers: [bad.address, honest.address] });
      assert.ok(performance.now() - startedAt < 10_000, 'it waited for the bad peer');
      assert.ok(bad.connections > 0);
    }));
}

for (const behaviour of ['corrupt', 'corrupt-some'] as const) {
  test(`beside an honest peer, one that is "${behaviour}" is banned and the honest one is not`, () =>
    inTempFolder(async (out) => {
      const torrent = sample();
      await using honest = await ScriptedPeer.open(torrent, { host: '127.0.0.2', rate: 1_000_000 });
      await using liar = await ScriptedPeer.open(torrent, { behaviour, host: '127.0.0.3', rate: 1_000_000 });
      const notices: string[] = [];
      const stats = await fetch(torrent, out, {
        peers: [liar.address, honest.address],
        onNotice: ({ text }) => notices.push(text),
      });
      assert.ok(stats.corruptPieces > 0);
      assert.equal(stats.bannedPeers, 1);
      const banned = notices.filter((text) => text.includes('banned'));
      assert.equal(banned.length, 1);
      assert.match(banned[0]!, /127\.0\.0\.3/);
      assert.ok(stats.wasted + stats.corruptPieces * torrent.pieceLength < 2 * torrent.totalLength);
    }));
}

test('damaged pieces, and only those, are fetched again', () =>
  inTempFolder(async (out) => {
    const torrent = sample();
    await writeContent(torrent, out);
    await using seed = await ScriptedPeer.open(torrent);
    const { open } = await import('node:fs/promises');
    const file = await open(path.join(out, 'content/a/two.bin'), 'r+');
    await file.write(Buffer.from('damage'), 0, 6, 400_000);
    await file.close();
    const stats = await fetch(torrent, out, { peers: [seed.address] });
    assert.equal(stats.downloaded, 64 * KIB);
  }));

test('a complete download is found complete again without asking anybody', () =>
  inTempFolder(async (out) => {
    const torrent = sample();
    await using seed = await ScriptedPeer.open(torrent);
    await fetch(torrent, out, { peers: [seed.address] });
    const stats = await fetch(torrent, out, { peers: [seed.address] });
    assert.equal(stats.downloaded, 0);
    assert.equal(seed.connections, 1);
  }));

test('what one download has, another gets from it while both run', () =>
  inTempFolder(async (folder) => {
    const torrent = sample();
    await using seed = await ScriptedPeer.open(torrent, { rate: 1_000_000 });
    await using first = downloadHere(torrent.bytes, {
      out: path.join(folder, 'one'),
      peers: [seed.address],
      seed: true,
      pex: false, // or the other is told of the seed
    });
    while (first.stats().port === 0) await new Promise(setImmediate);
    const peers = [{ host: '127.0.0.1', port: first.stats().port }];
    const stats = await fetch(torrent, path.join(folder, 'two'), { peers });
    await first.done;
    await until(() => first.stats().uploaded === torrent.totalLength); // counted once the system has taken it
    assert.equal(stats.downloaded, torrent.totalLength);
  }));

test('with nobody there it ends by the stall time-out and says so', () =>
  inTempFolder(async (out) => {
    await using tracker = await openTracker({ misbehave: () => (_request, response) => response.writeHead(500).end() });
    const torrent = sample({ trackers: [[tracker.url]] });
    await assert.rejects(fetch(torrent, out, { stallTimeoutMs: 700 }), (error: unknown) => {
      assert.ok(error instanceof NoSourceError);
      assert.match(error.message, /nobody who was asked for peers answered/);
      assert.equal(error.errors.length, 1);
      return true;
    });
  }));

test('with peers that have the data and never send it, the stall time-out is a time limit', () =>
  inTempFolder(async (out) => {
    const torrent = sample();
    await using mean = await ScriptedPeer.open(torrent, { behaviour: 'never-unchoke' });
    await assert.rejects(fetch(torrent, out, { peers: [mean.address], stallTimeoutMs: 700 }), TimeLimitError);
  }));

test('with peers that lack the data it ends as with nobody', () =>
  inTempFolder(async (out) => {
    const torrent = sample();
    await using empty = await ScriptedPeer.open(torrent, { pieces: [] });
    await assert.rejects(fetch(torrent, out, { peers: [empty.address], stallTimeoutMs: 700 }), (error: unknown) => {
      assert.ok(error instanceof NoSourceError);
      assert.match(error.message, /the only connected peer lacks/);
      return true;
    });
  }));

test('an abort ends it with the reason given', () =>
  inTempFolder(async (out) => {
    const controller = new AbortController();
    await using running = downloadHere(sample().bytes, { out, signal: controller.signal });
    controller.abort(new Error('enough'));
    await assert.rejects(running.done, /enough/);
    assert.equal(running.stats().phase, 'stopped');
  }));

test('an error after completion, while seeding, is told by `ended`', () =>
  inTempFolder(async (out) => {
    const torrent = sample();
    await writeContent(torrent, out);
    await using seed = downloadHere(torrent.bytes, { out, seed: true });
    await seed.done;
    await rm(path.join(out, 'content'), { recursive: true });
    await using other = downloadHere(torrent.bytes, {
      out: path.join(out, 'other'),
      peers: [{ host: '127.0.0.1', port: seed.stats().port }],
    });
    await assert.rejects(seed.ended, DiskError);
    assert.equal(other.stats().havePieces, 0);
  }));

test('an abort closes everything: when `ended` resolves nobody is served any more', () =>
  inTempFolder(async (out) => {
    const torrent = sample();
    await using seed = await ScriptedPeer.open(torrent, { rate: 200_000 });
    const controller = new AbortController();
    const peers = [seed.address];
    // A port of its own: one of the usual ports may be another test's as soon as it is free.
    const running = downloadHere(torrent.bytes, { out, peers, port: 0, signal: controller.signal });
    await until(() => running.stats().downloaded > 0);
    const { port } = running.stats();
    controller.abort(new Error('enough'));
    await assert.rejects(running.done, /enough/);
    await running.ended;
    const { havePieces } = running.stats();
    const socket = connect(port, '127.0.0.1');
    await assert.rejects(once(socket, 'connect'), { code: 'ECONNREFUSED' });
    assert.equal(running.stats().havePieces, havePieces);
  }));

test('a peer that makes us talk and never reads is dropped before that fills the memory', () =>
  inTempFolder(async (out) => {
    const torrent = sample();
    await using running = downloadHere(torrent.bytes, { out });
    while (running.stats().port === 0) await new Promise(setImmediate);
    const request = new Uint8Array(REQUEST_LENGTH);
    writeRequest(request, 0, MESSAGE.request, 0, 0, 16_384);
    const flood = Buffer.concat(Array<Uint8Array>(20_000).fill(request)); // each is worth a reject: we are choking
    const socket = connect(running.stats().port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.pause();
    socket.write(encodeHandshake({ infoHash: torrent.infoHash, peerId: randomBytes('mute', 20) }));
    for (let times = 0; times < 400 && !socket.destroyed; times++) {
      if (socket.write(flood)) continue;
      await Promise.race([once(socket, 'drain'), once(socket, 'close')]).catch(() => undefined);
    }
    assert.ok(socket.destroyed);
  }));

test('files that hold something else are told of before they are overwritten', () =>
  inTempFolder(async (out) => {
    const torrent = sample();
    const place = path.join(out, torrent.name, 'a');
    await mkdir(place, { recursive: true });
    await writeFile(path.join(place, 'two.bin'), 'my diary');
    await using seed = await ScriptedPeer.open(torrent);
    const notices: string[] = [];
    const onNotice = ({ text }: { text: string }): void => void notices.push(text);
    await fetch(torrent, out, { peers: [seed.address], onNotice });
    assert.deepEqual(notices, [`"${path.join(place, 'two.bin')}" holds other data, which is overwritten`]);
    await fetch(torrent, out, { onNotice });
    assert.equal(notices.length, 1);
  }));

test('nothing is told before the caller has the download', () =>
  inTempFolder(async (out) => {
    const metainfo = decodeMetainfo(sample({ trackers: [['gopher://nobody.example/']] }).bytes);
    const told: boolean[] = [];
    await using session = await openSession({ port: 0 });
    const tell = (): void => void told.push(running !== undefined);
    const options = { out, session, onNotice: tell, onMetadata: tell };
    let running: Download | undefined = undefined as Download | undefined;
    running = downloadHere(metainfo, options);
    await until(() => told.length >= 2);
    await running[Symbol.asyncDispose]();
    assert.deepEqual(told.slice(0, 2), [true, true]);
  }));

test('what ended a download is not hidden by what goes wrong when it is closed', () =>
  inTempFolder(async (folder) => {
    const run = async (name: string, options: DownloadOptions): Promise<void> => {
      const out = path.join(folder, name);
      await using running = downloadHere(sample().bytes, { out, ...options });
      await until(() => running.stats().phase === 'downloading');
      const state = path.join(out, '.torrent-dl');
      const lock = (await readdir(state)).find((file) => file.endsWith('.lock'))!;
      await rm(path.join(state, lock));
      await mkdir(path.join(state, lock)); // cannot be removed as a file: as if the disk had gone
      if (options.timeoutMs !== undefined) await running.done;
    };
    await assert.rejects(run('stopped', {}), { code: 'ERR_DISK', message: /^cannot remove / });
    await assert.rejects(run('failed', { timeoutMs: 500 }), { code: 'ERR_TIMEOUT' });
  }));
