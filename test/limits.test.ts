/** Rate limits and the ends of seeding, in one process. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Download } from '../src/api.js';
import { Closers } from '../src/common/closers.js';
import { Session } from '../src/session.js';
import { downloadHere } from './helpers/download.js';
import { ScriptedPeer } from './helpers/scripted-peer.js';
import { makeTorrent, randomBytes, writeContent } from './helpers/torrent.js';
import { until } from './helpers/until.js';

const HOST = '127.0.0.1';

async function tempFolder(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'torrent-dl-limits-'));
  after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

test('the downloads of a session share its limit', async () => {
  const limit = 512 * 1024;
  await using session = await Session.open({ downloadLimit: limit });
  const downloads: Download[] = [];
  await using stack = new Closers();
  for (const name of ['one', 'two']) {
    const torrent = makeTorrent(randomBytes(name, 8 * 2 ** 20), { name, pieceLength: 65_536 });
    const seed = stack.use(await ScriptedPeer.open(torrent));
    const options = { session, out: await tempFolder(), peers: [seed.address] };
    downloads.push(stack.use(downloadHere(torrent.bytes, options)));
  }
  const received = (): number[] => downloads.map((download) => download.stats().downloaded);
  await until(() => received().every((bytes) => bytes > 0));
  const [before, startedAt] = [received(), performance.now()];
  await sleep(2000);
  const seconds = (performance.now() - startedAt) / 1000;
  const rates = received().map((bytes, at) => (bytes - before[at]!) / seconds);
  const sum = rates[0]! + rates[1]!;
  assert.ok(Math.abs(sum - limit) < 0.1 * limit, rates.join(' '));
  assert.ok(Math.min(...rates) > 0.4 * limit, rates.join(' '));
});

test('peers that stall cost a limited download little, and no burst makes up for them', async () => {
  const limit = 512 * 1024;
  const torrent = makeTorrent(randomBytes('stall', 2 * 2 ** 20), { pieceLength: 65_536 });
  await using stack = new Closers();
  const peers = [stack.use(await ScriptedPeer.open(torrent, { host: '127.0.1.1' })).address];
  for (const host of ['127.0.1.2', '127.0.1.3', '127.0.1.4']) {
    peers.push(stack.use(await ScriptedPeer.open(torrent, { host, behaviour: 'stall' })).address);
  }
  const startedAt = performance.now();
  const download = stack.use(downloadHere(torrent.bytes, { out: await tempFolder(), peers, downloadLimit: limit }));
  const marks = [0];
  const timer = setInterval(() => marks.push(download.stats().downloaded), 1000);
  stack.defer(() => clearInterval(timer));
  await download.done;
  const seconds = (performance.now() - startedAt) / 1000;
  assert.ok(seconds > 3.5 && seconds < 8, `${seconds} s instead of 4`);
  const most = Math.max(...marks.slice(1).map((bytes, at) => bytes - marks[at]!));
  assert.ok(most < 1.25 * limit + 16_384, `${most} bytes in a second`);
});

test('waiting for a turn under a small limit is no stall', async () => {
  const torrent = makeTorrent(randomBytes('slow', 2 ** 20), { pieceLength: 65_536 });
  await using seed = await ScriptedPeer.open(torrent);
  const limits = { downloadLimit: 8192, stallTimeoutMs: 1000 };
  await using download = downloadHere(torrent.bytes, { ...limits, out: await tempFolder(), peers: [seed.address] });
  await until(() => download.stats().downloaded >= 3 * 16_384, 8000);
  assert.equal(download.stats().phase, 'downloading');
});

test('metadata does not wait for blocks under an upload limit', async () => {
  const torrent = makeTorrent(randomBytes('metadata', 2 ** 20));
  const folder = await tempFolder();
  await writeContent(torrent, folder);
  await using stack = new Closers();
  const seed = stack.use(downloadHere(torrent.bytes, { out: folder, seed: true, uploadLimit: 1024 }));
  await seed.done;
  const peers = [{ host: HOST, port: seed.stats().port }];
  const busy = stack.use(downloadHere(torrent.bytes, { out: await tempFolder(), peers, pex: false }));
  await until(() => busy.stats().downloaded > 0);
  const startedAt = performance.now();
  const link = `magnet:?xt=urn:btih:${torrent.infoHash.toString('hex')}`;
  const other = stack.use(downloadHere(link, { out: await tempFolder(), peers, pex: false }));
  await until(() => other.metainfo !== undefined, 5000);
  assert.ok(performance.now() - startedAt < 3000);
  assert.ok(busy.stats().downloaded <= 2 * 16_384, 'a block takes 16 s');
});

for (const [what, limits, leastMs] of [
  ['after a time', { seedTimeMs: 600 }, 600],
  ['at a ratio that is reached', { seedRatio: 0.5, seedTimeMs: 60_000 }, 0],
] as const) {
  test(`seeding ends by itself ${what}`, async () => {
    const torrent = makeTorrent(randomBytes('ends', 100_000));
    const folder = await tempFolder();
    await writeContent(torrent, folder);
    await using seed = downloadHere(torrent.bytes, { out: folder, ...limits });
    await seed.done;
    const doneAt = performance.now();
    assert.equal(seed.stats().phase, 'seeding');
    const peers = [{ host: HOST, port: seed.stats().port }];
    await using other = downloadHere(torrent.bytes, { out: await tempFolder(), peers });
    await other.done;
    await seed.ended;
    assert.equal(seed.stats().phase, 'stopped');
    assert.ok(performance.now() - doneAt >= leastMs);
  });
}

test('a limit of less than a block in 16 s is an error', async () => {
  for (const limit of [1, 1023, -1, NaN, Infinity]) {
    await assert.rejects(Session.open({ uploadLimit: limit }), { code: 'ERR_LIMIT' });
  }
  await using session = await Session.open({ uploadLimit: 0, downloadLimit: 1024 });
  assert.deepEqual([session.uploadLimit, session.downloadLimit?.perSecond], [undefined, 1024]);
});
