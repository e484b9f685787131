import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';

import { decodeMetainfo, NoSourceError, resolveMagnet, UsageError } from '../../src/index.js';
import { ScriptedPeer } from '../helpers/scripted-peer.js';
import { makeTorrent, randomBytes } from '../helpers/torrent.js';
import { openTracker } from '../helpers/tracker.js';
import { EXECUTABLE, execute, tempFolder } from './execute.js';

const folder = await tempFolder();
const torrent = makeTorrent(randomBytes('metadata', 300_000), { name: 'data.bin', info: { 'x-unknown': 'kept' } });
const link = `magnet:?xt=urn:btih:${torrent.infoHash.toString('hex')}`;
const alone = ['--no-dht', '--no-lsd'];

test('metadata writes a torrent with the info dictionary as it came, and the trackers of the link', async () => {
  await using peer = await ScriptedPeer.open(torrent, { metadata: 'honest' });
  await using tracker = await openTracker({ peers: [peer.address] });
  const other = 'http://127.0.0.1:9/announce';
  const words = [`${link}&tr=${encodeURIComponent(tracker.url)}&tr=${encodeURIComponent(other)}`, '-o', 'x.torrent'];
  const { code, stdout, stderr } = await execute(['metadata', ...alone, ...words], { cwd: folder });
  assert.deepEqual([code, stdout, stderr], [0, '', 'wrote x.torrent: data.bin, 293 KiB in 1 file(s)\n']);
  const written = decodeMetainfo(await readFile(path.join(folder, 'x.torrent')));
  const original = decodeMetainfo(torrent.bytes);
  assert.deepEqual(Buffer.from(written.infoBytes), Buffer.from(original.infoBytes));
  assert.deepEqual(written.trackers, [[tracker.url], [other]]);
  assert.deepEqual(written.warnings, []);
  assert.ok(tracker.announces.some(({ event }) => event === 'stopped'));

  const again = await execute(['metadata', ...alone, ...words], { cwd: folder });
  assert.equal(again.code, 2);
  assert.match(again.stderr, /is there already/);
});

test('without -o the torrent goes to standard output, for the next program', async () => {
  await using peer = await ScriptedPeer.open(torrent, { metadata: 'honest' });
  const words = ['-q', '--peer', `127.0.0.1:${peer.address.port}`, torrent.infoHash.toString('hex')];
  const { code, output, stderr } = await execute(['metadata', ...alone, ...words]);
  assert.deepEqual([code, stderr], [0, '']);
  assert.equal((await execute(['--list', '-'], { input: output })).stdout, '0\t300000\tdata.bin\n');
});

test('where nobody has it, it ends with 4 by its time limit and writes nothing', async () => {
  const words = ['--metadata-timeout', '0.3s', '-o', 'none.torrent', link];
  const { code, stderr } = await execute(['metadata', ...alone, ...words], { cwd: folder });
  assert.equal(code, 4);
  assert.equal(stderr, 'torrent-dl: no metadata for the magnet link within 0.3 s: there is nobody to ask for peers\n');
  assert.ok(!(await readdir(folder)).includes('none.torrent'));
});

test('Ctrl-C ends the search with 130 and without a word', async () => {
  await using tracker = await openTracker();
  const words = [EXECUTABLE, 'metadata', ...alone, '--tracker', tracker.url, '-o', 'stopped.torrent', link];
  const child = spawn(process.execPath, words, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  await tracker.heard(({ event }) => event === 'started');
  child.kill('SIGINT');
  assert.deepEqual(await once(child, 'close'), [130, null]);
  assert.equal(stderr, '');
  assert.ok(!(await readdir(folder)).some((name) => name.startsWith('stopped')));
});

test('what is no link is refused', async () => {
  assert.equal((await execute(['metadata', 'magnet:?dn=x'])).code, 3);
  const { code, stderr } = await execute(['metadata', 'x.torrent'], { cwd: folder });
  assert.equal(code, 2);
  assert.match(stderr, /that is a torrent already/);
});

test('programs that embed us stop it by a signal, and are told who was there', async () => {
  const options = { dht: false, lsd: false };
  await assert.rejects(resolveMagnet(link, { ...options, signal: AbortSignal.abort(new Error('no more')) }), /no more/);
  await assert.rejects(resolveMagnet(link, { ...options, signal: AbortSignal.timeout(200) }), { name: 'TimeoutError' });
  await using empty = await ScriptedPeer.open(torrent, { metadata: 'none' });
  const asked = resolveMagnet(link, { ...options, peers: [empty.address], metadataTimeoutMs: 600 });
  await assert.rejects(asked, (error: unknown) => {
    assert.ok(error instanceof NoSourceError);
    assert.match(error.message, /the only connected peer lacks it$/);
    return true;
  });
  await assert.rejects(resolveMagnet(path.join(folder, 'x.torrent'), options), UsageError);
});
