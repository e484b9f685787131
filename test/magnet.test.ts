/** Whole downloads that begin without metadata (BEP 9). */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { once } from 'node:events';
import { test, type TestContext } from 'node:test';
import { MetainfoError, NoSourceError } from '../src/common/errors.js';
import { downloadHere } from './helpers/download.js';
import { ScriptedPeer } from './helpers/scripted-peer.js';
import { makeTorrent, randomBytes, type MadeTorrent } from './helpers/torrent.js';
import { openTracker } from './helpers/tracker.js';

const DATA = randomBytes('magnet', 300_000);

function torrentOf(info: Record<string, unknown> = {}): MadeTorrent {
  return makeTorrent(DATA, { name: 'data.bin', pieceLength: 32_768, info });
}

function magnetOf({ infoHash }: MadeTorrent, ...parameters: readonly string[]): string {
  return ['magnet:?xt=urn:btih:' + infoHash.toString('hex'), ...parameters].join('&');
}

async function folderOf(t: TestContext): Promise<string> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'torrent-dl-magnet-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function assertContent(out: string): Promise<void> {
  assert.ok((await readFile(path.join(out, 'data.bin'))).equals(DATA));
}

test('a magnet link with a peer is enough, and that peer is dialled once', async (t) => {
  const out = await folderOf(t);
  const torrent = torrentOf();
  await using peer = await ScriptedPeer.open(torrent, { metadata: 'honest' });
  const link = magnetOf(torrent, `x.pe=127.0.0.1:${peer.address.port}`, 'dn=what it is');
  await using running = downloadHere(link, { out, signal: AbortSignal.timeout(20_000) });
  assert.equal(running.metainfo, undefined);
  await running.done;
  await assertContent(out);
  assert.equal(peer.connections, 1);
  assert.equal(running.stats().name, 'data.bin');
});

test('a bare info hash works with a tracker, which hears what is left before and after', async (t) => {
  const out = await folderOf(t);
  const torrent = torrentOf();
  await using peer = await ScriptedPeer.open(torrent, { metadata: 'honest' });
  await using tracker = await openTracker({ peers: [peer.address] });
  const infoHash = torrent.infoHash.toString('hex');
  {
    await using running = downloadHere(infoHash, { out, trackers: [tracker.url], signal: AbortSignal.timeout(20_000) });
    await running.done;
  }
  await assertContent(out);
  assert.deepEqual(
    tracker.announces.map(({ event, left }) => [event, left]),
    [
      ['started', 16_384],
      ['completed', 0],
      ['stopped', 0],
    ],
  );
});

test('a second run starts from the metadata that the first got', async (t) => {
  const out = await folderOf(t);
  const torrent = torrentOf();
  await using peer = await ScriptedPeer.open(torrent, { metadata: 'honest' });
  const link = magnetOf(torrent);
  {
    await using first = downloadHere(link, { out, peers: [peer.address], signal: AbortSignal.timeout(20_000) });
    await first.done;
  }
  assert.ok((await readdir(path.join(out, '.torrent-dl'))).includes(`${torrent.infoHash.toString('hex')}.info`));
  await using second = downloadHere(link, { out, signal: AbortSignal.timeout(5000) });
  await second.done;
  assert.equal(second.stats().downloaded, 0);
  assert.equal(peer.connections, 1);
});

test('liars among the peers do not keep an honest one from being heard', async (t) => {
  const out = await folderOf(t);
  const torrent = torrentOf({ padding: randomBytes('padding', 50_000) });
  await using liar = await ScriptedPeer.open(torrent, { host: '127.0.0.2', metadata: 'lie' });
  await using mute = await ScriptedPeer.open(torrent, { host: '127.0.0.3', metadata: 'stall' });
  await using honest = await ScriptedPeer.open(torrent, { host: '127.0.0.4', metadata: 'honest' });
  const peers = [liar.address, mute.address, honest.address];
  await using running = downloadHere(magnetOf(torrent), { out, peers, signal: AbortSignal.timeout(30_000) });
  await running.done;
  await assertContent(out);
});

test('where nobody has the metadata it ends by its time limit, and says who was there', async (t) => {
  const out = await folderOf(t);
  const torrent = torrentOf();
  await using empty = await ScriptedPeer.open(torrent, { metadata: 'none' });
  const options = { out, metadataTimeoutMs: 600 };
  await using asked = downloadHere(magnetOf(torrent), { ...options, peers: [empty.address] });
  await assert.rejects(asked.done, (error: unknown) => {
    assert.ok(error instanceof NoSourceError);
    assert.equal(error.message, 'no metadata for the magnet link within 0.6 s: the only connected peer lacks it');
    return true;
  });
  await using alone = downloadHere(magnetOf(torrent), options);
  await assert.rejects(alone.done, /there is nobody to ask for peers/);
  assert.deepEqual(await readdir(out), [], 'nothing is made before there is anything to keep');
});

test('a torrent that turns out to be private is got from its trackers alone', async (t) => {
  const out = await folderOf(t);
  const torrent = torrentOf({ private: 1 });
  await using holder = await ScriptedPeer.open(torrent, { host: '127.0.0.2', metadata: 'honest', pieces: [] });
  await using member = await ScriptedPeer.open(torrent, { host: '127.0.0.3' });
  await using tracker = await openTracker({ peers: [member.address] });
  const link = magnetOf(torrent, `x.pe=127.0.0.2:${holder.address.port}`, `tr=${encodeURIComponent(tracker.url)}`);
  await using running = downloadHere(link, { out, signal: AbortSignal.timeout(20_000) });
  await running.done;
  await assertContent(out);
  assert.equal(running.stats().knownPeers, 1, 'the one that the tracker named');
});

test('a torrent is fetched by its URL, and what is no torrent is told', async (t) => {
  const out = await folderOf(t);
  const torrent = torrentOf();
  const server = createServer((request, response) => {
    if (request.url === '/x.torrent') response.end(torrent.bytes);
    else response.end('<html>no</html>');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await using peer = await ScriptedPeer.open(torrent);
  await using running = downloadHere(`${url}/x.torrent`, {
    out,
    peers: [peer.address],
    signal: AbortSignal.timeout(20_000),
  });
  await running.done;
  await assertContent(out);
  await using page = downloadHere(`${url}/page?passkey=s3cret`, { out });
  await assert.rejects(page.done, (error: unknown) => {
    assert.ok(error instanceof MetainfoError);
    assert.match(error.message, /web page/);
    assert.doesNotMatch(error.message, /s3cret/);
    return true;
  });
});
