/** Downloads of some files, with what peers and trackers hear of it. */
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { checkDownload } from '../src/dry-run.js';
import { temporaryFolder } from './file/helpers.js';
import { downloadHere } from './helpers/download.js';
import { ScriptedPeer } from './helpers/scripted-peer.js';
import { makeTorrent, randomBytes } from './helpers/torrent.js';
import { openTracker } from './helpers/tracker.js';
import { until } from './helpers/until.js';

const FILES = [
  { path: 'a', data: randomBytes('a', 100_000) },
  { path: 'b', data: randomBytes('b', 30_000) },
  { path: 'c', data: randomBytes('c', 100_000) },
];
/** `b` has bytes of pieces 6 and 7, which it shares with its neighbours. */
const torrent = makeTorrent(FILES, { name: 'x' });
const [INTERESTED, BITFIELD, HAVE] = [2, 5, 4];

test('sizes and pieces are those of the wanted files; to trackers the others are left, too', async (t) => {
  const out = await temporaryFolder(t);
  await using seed = await ScriptedPeer.open(torrent);
  await using tracker = await openTracker();
  const tracked = makeTorrent(FILES, { name: 'x', trackers: [[tracker.url]] });
  {
    await using d = downloadHere(tracked.bytes, { out, select: ['b'], peers: [seed.address], seed: true });
    await d.done;
    const { totalLength, haveLength, pieceCount, havePieces, phase } = d.stats();
    assert.deepEqual([totalLength, haveLength, pieceCount, havePieces, phase], [30_000, 30_000, 2, 2, 'seeding']);
    assert.deepEqual(await readdir(path.join(out, 'x')), ['b']);
    assert(FILES[1]!.data.equals(await readFile(path.join(out, 'x/b'))));
    assert(
      (await readdir(path.join(out, '.torrent-dl'))).some((name) => name.endsWith('.side')),
      'to upload from',
    );
  }
  const announces = tracker.announces.map(({ event, left }) => [event, left]);
  // Of all files, or the tracker would take us for a seed; pieces 6 and 7 came.
  assert.deepEqual(announces[0], ['started', torrent.totalLength]);
  assert.deepEqual(announces.at(-1), ['stopped', torrent.totalLength - 2 * 16_384]);
  assert(!announces.some(([event]) => event === 'completed'), 'the torrent was not fetched as a whole');
});

test('who has nothing that is wanted is of no interest', async (t) => {
  const out = await temporaryFolder(t);
  await using useless = await ScriptedPeer.open(torrent, { pieces: [0, 1, 9, 10] });
  const options = { out, select: ['b'], peers: [useless.address] };
  await using d = downloadHere(torrent.bytes, options);
  await until(() => d.stats().connectedPeers === 1 && useless.messages.length > 0);
  await using seed = await ScriptedPeer.open(torrent);
  seed.dial(d.stats().port);
  await d.done;
  assert(!useless.messages.some(([id]) => id === INTERESTED));
  await until(() => useless.messages.filter(([id]) => id === HAVE).length === 2);
});

test('a boundary piece of an earlier run is not offered, for it cannot be given whole', async (t) => {
  const out = await temporaryFolder(t);
  await using seed = await ScriptedPeer.open(torrent);
  {
    await using d = downloadHere(torrent.bytes, { out, select: ['a'], peers: [seed.address] });
    await d.done;
  }
  await using leech = await ScriptedPeer.open(torrent, { pieces: [] });
  await using d = downloadHere(torrent.bytes, { out, select: ['a'], peers: [leech.address], seed: true });
  await d.done;
  await until(() => leech.messages.some(([id]) => id === BITFIELD));
  const bitfield = leech.messages.find(([id]) => id === BITFIELD)!;
  assert.deepEqual([...bitfield.subarray(1)], [0b1111_1100, 0]);
});

test('what is fetched of a selection is uploaded, boundary pieces included', async (t) => {
  const [one, other] = [await temporaryFolder(t), await temporaryFolder(t)];
  await using seed = await ScriptedPeer.open(torrent);
  await using from = downloadHere(torrent.bytes, { out: one, select: ['b'], peers: [seed.address], seed: true });
  await from.done;
  const peers = [{ host: '127.0.0.1', port: from.stats().port }];
  await using to = downloadHere(torrent.bytes, { out: other, select: ['b'], flatten: true, peers });
  await to.done;
  assert(FILES[1]!.data.equals(await readFile(path.join(other, 'b'))));
});

test('a selection can be put in place by one rename, and is uploaded from there', async (t) => {
  const [one, other] = [await temporaryFolder(t), await temporaryFolder(t)];
  await using seed = await ScriptedPeer.open(torrent);
  const options = { out: one, select: ['b'], atomic: true };
  {
    await using from = downloadHere(torrent.bytes, { ...options, peers: [seed.address], seed: true });
    await from.done;
    assert.deepEqual(await readdir(path.join(one, 'x')), ['b']);
    const peers = [{ host: '127.0.0.1', port: from.stats().port }];
    await using to = downloadHere(torrent.bytes, { out: other, select: ['b'], peers });
    await to.done;
    assert(FILES[1]!.data.equals(await readFile(path.join(other, 'x/b'))));
  }
  const state = await readdir(path.join(one, '.torrent-dl'));
  assert(!state.some((name) => /\.(?:side|staged)$/.test(name)), state.join());
  await using again = downloadHere(torrent.bytes, options);
  await again.done;
  assert.equal(again.stats().downloaded, 0);
});

test('a dry run is about what is wanted', async (t) => {
  const out = await temporaryFolder(t);
  await using seed = await ScriptedPeer.open(torrent, { pieces: [6] });
  const options = { out, select: ['b'], peers: [seed.address], dht: false, lsd: false };
  const { wanted, disk, peers, isComplete } = await checkDownload(torrent.bytes, options);
  assert.deepEqual(wanted, { files: 1, totalLength: 30_000 });
  assert.equal(disk.space?.needed, 36_864, 'with the side file, in whole blocks');
  assert.deepEqual([peers.availability, isComplete], [0.5, false]);
  await using whole = await ScriptedPeer.open(torrent);
  await using d = downloadHere(torrent.bytes, { ...options, peers: [whole.address] });
  await d.done;
  await d[Symbol.asyncDispose]();
  assert.equal((await checkDownload(torrent.bytes, options)).isComplete, true);
});

test('two runs may share a folder, but no name at its top, and not the state of a torrent', async (t) => {
  const out = await temporaryFolder(t);
  await using seed = await ScriptedPeer.open(torrent, { behaviour: 'never-unchoke' });
  await using first = downloadHere(torrent.bytes, { out, select: ['a'], flatten: true, peers: [seed.address] });
  await until(() => first.stats().phase === 'downloading');
  const other = makeTorrent(FILES, { name: 'other' });
  const clash = { name: 'DiskError', code: 'ERR_LOCKED' };
  await assert.rejects(downloadHere(other.bytes, { out, select: ['a'], flatten: true }).done, clash);
  await assert.rejects(downloadHere(torrent.bytes, { out, select: ['b'] }).done, clash);
  await using second = downloadHere(other.bytes, { out, select: ['b'], flatten: true });
  await until(() => second.stats().phase === 'downloading');
});
