/** `--json` through the real executable, held against docs/json.md. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';

import { JsonReporter } from '../../src/cli/events.js';
import { Closers } from '../../src/common/closers.js';
import { ScriptedPeer, type ScriptedPeerOptions } from '../helpers/scripted-peer.js';
import { makeTorrent, randomBytes, type MadeTorrent } from '../helpers/torrent.js';
import { fail, hang, openTracker } from '../helpers/tracker.js';
import { execute, EXECUTABLE, PLANTED_BUG, tempFolder, type Ended } from './execute.js';

type Event = Readonly<Record<string, unknown>> & { readonly type: string };

const OPTIONS = ['--json', '--no-dht', '--no-lsd'];

/** All lines; each has to be an object of its own. */
function eventsOf(text: string): Event[] {
  assert.ok(text === '' || text.endsWith('\n'));
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Event);
}

function typesOf(events: readonly Event[]): string[] {
  return events.map(({ type }) => type);
}

function eventOf(events: readonly Event[], type: string): Event {
  const event = events.find((one) => one.type === type);
  assert.ok(event, `no ${type} among ${typesOf(events).join(' ')}`);
  return event;
}

/** A download of `torrent` from peers of these kinds, in a folder of its own. */
async function download(
  torrent: MadeTorrent,
  kinds: readonly ScriptedPeerOptions[],
  words: readonly string[],
): Promise<Ended & { readonly events: readonly Event[] }> {
  const cwd = await tempFolder();
  await writeFile(path.join(cwd, 'x.torrent'), torrent.bytes);
  await using peers = new Closers();
  const named: string[] = [];
  for (const kind of kinds) {
    const { host, port } = peers.use(await ScriptedPeer.open(torrent, kind)).address;
    named.push('--peer', `${host}:${port}`);
  }
  const ended = await execute([...OPTIONS, ...named, ...words], { cwd });
  return { ...ended, events: eventsOf(ended.stdout) };
}

const many = (trackers: readonly string[] = []): MadeTorrent =>
  makeTorrent(
    [
      { path: 'one', data: randomBytes('one', 300_000) },
      { path: 'empty', data: new Uint8Array(0) },
      { path: 'two', data: randomBytes('two', 300_000) },
    ],
    { name: 'many', trackers: [trackers] },
  );

test('a download is told from start to summary', async () => {
  const { code, stderr, events } = await download(many(), [{ rate: 400_000 }], ['-o', 'out', 'x.torrent']);
  assert.equal(code, 0, stderr);
  assert.equal(stderr, '');
  const types = typesOf(events);
  assert.deepEqual(types.slice(0, 2), ['start', 'metadata']);
  assert.equal(types.at(-1), 'summary');
  assert.equal(types.filter((type) => type === 'summary').length, 1);
  assert.ok(!types.includes('peer'), 'peers are for --verbose');
  const torrent = many().infoHash.toString('hex');
  for (const event of events) {
    assert.equal(event['version'], 1);
    assert.equal(event['source'], 'x.torrent');
    if (event.type !== 'start') assert.equal(event['torrent'], torrent);
  }
  const files = events.filter(({ type }) => type === 'file');
  assert.deepEqual(files.map((file) => file['path']).sort(), ['out/many/empty', 'out/many/one', 'out/many/two']);
  const summary = events.at(-1)!;
  assert.equal(summary['result'], 'complete');
  assert.equal(summary['exitCode'], 0);
  assert.equal(summary['haveLength'], 600_000);
  assert.equal(summary['downloaded'], 600_000);
  assert.ok(files.length === 3 && events.filter(({ type }) => type === 'progress').length >= 2);
});

test('what cannot be read: an error, and yet a summary', async () => {
  const { code, stdout, stderr } = await execute([...OPTIONS, '-'], { input: 'no torrent' });
  assert.equal(code, 3);
  const events = eventsOf(stdout);
  assert.deepEqual(typesOf(events), ['start', 'error', 'summary']);
  assert.equal(events[1]!['exitCode'], 3);
  assert.match(String(events[1]!['code']), /^ERR_/);
  assert.equal(events[2]!['result'], 'failed');
  assert.equal(events[2]!['exitCode'], 3);
  assert.match(stderr, /^torrent-dl: [^\n]+\n$/);
});

test('with -o - events go to stderr, and only bytes to stdout', async () => {
  const data = randomBytes('json stream', 200_000);
  const { code, output, stderr } = await streamed(makeTorrent(data, { name: 'a.bin' }));
  assert.equal(code, 0);
  assert.ok(output.equals(data));
  const events = eventsOf(stderr);
  assert.equal(eventOf(events, 'start')['out'], '-');
  assert.equal(eventOf(events, 'file')['path'], 'a.bin');
  assert.equal(events.at(-1)!.type, 'summary');
});

async function streamed(torrent: MadeTorrent): Promise<Ended> {
  const cwd = await tempFolder();
  await writeFile(path.join(cwd, 'x.torrent'), torrent.bytes);
  await using peer = await ScriptedPeer.open(torrent);
  return await execute([...OPTIONS, '--peer', `127.0.0.1:${peer.address.port}`, '-o', '-', 'x.torrent'], { cwd });
}

test('a stall tells its reasons, and so does the error that follows', async () => {
  const words = ['--stall-timeout', '1s', '--peer', '127.0.0.1:9', '-o', 'out', 'x.torrent'];
  const { code, stderr, events } = await download(many(), [{ pieces: [0, 1, 2] }], words);
  assert.equal(code, 4);
  for (const type of ['stall', 'error']) {
    const { peers, availability, idleSeconds } = eventOf(events, type);
    const { unreached, ...connected } = peers as Record<string, unknown>;
    assert.deepEqual(connected, { known: 2, banned: 0, connected: 1, lacking: 1, choking: 0, sending: 0, silent: 0 });
    assert.equal((unreached as Record<string, number>)['refused'], 1);
    assert.equal(availability, 0.0819);
    assert.ok(Number(idleSeconds) >= 1);
  }
  assert.match(stderr, /^torrent-dl: nobody to download from for 1 s: .*\n( {2}\w+: .*\n){2,4}$/);
  assert.match(stderr, /8\.1 % of it exists in the swarm/);
});

test('of several torrents each has a start and a summary, and the last line is for all', async () => {
  const torrent = many();
  const sources = ['x.torrent', 'x.torrent', 'none.torrent'];
  const { code, events } = await download(torrent, [{}], ['-o', 'out', ...sources]);
  assert.equal(code, 3);
  const summaries = events.filter(({ type }) => type === 'summary');
  assert.deepEqual(
    summaries
      .slice(0, -1)
      .map(({ source, result, exitCode }) => [source, result, exitCode])
      .sort(),
    [
      ['none.torrent', 'failed', 3],
      ['x.torrent', 'complete', 0],
      ['x.torrent', 'skipped', 0],
    ],
  );
  for (const source of sources) {
    const own = typesOf(events.filter((event) => event['source'] === source));
    assert.deepEqual([own[0], own.at(-1)], ['start', 'summary'], source);
  }
  const last = events.at(-1)!;
  assert.deepEqual(last['torrents'], { complete: 1, stopped: 0, skipped: 1, failed: 1 });
  assert.deepEqual([last['source'], last['torrent'], last['exitCode']], [undefined, undefined, 3]);
});

/** Starts a download that does not end, and gives it with its events as they come. */
async function endless(
  stdout: 'pipe' | number,
  trackers: readonly string[] = [],
  variables: Readonly<Record<string, string>> = {},
  more: readonly string[] = [],
): Promise<{ child: ReturnType<typeof spawn>; peer: ScriptedPeer }> {
  const cwd = await tempFolder();
  const torrent = many(trackers);
  await writeFile(path.join(cwd, 'x.torrent'), torrent.bytes);
  const peer = await ScriptedPeer.open(torrent, { behaviour: 'stall' });
  const words = [EXECUTABLE, ...OPTIONS, '--peer', `127.0.0.1:${peer.address.port}`, 'x.torrent', ...more];
  const env = { ...process.env, XDG_CONFIG_HOME: '/nonexistent', ...variables };
  return { child: spawn(process.execPath, words, { cwd, env, stdio: ['ignore', stdout, 'pipe'] }), peer };
}

/** Reads its events to the end; once the metadata is known it is sent a signal. */
async function stopAtMetadata(child: ReturnType<typeof spawn>): Promise<Event[]> {
  const events: Event[] = [];
  for await (const line of createInterface(child.stdout!)) {
    const event = JSON.parse(line) as Event;
    events.push(event);
    if (event.type === 'metadata') child.kill('SIGTERM');
  }
  return events;
}

test('a signal: the summary says stopped, and the exit code', async () => {
  const { child, peer } = await endless('pipe');
  const events = await stopAtMetadata(child);
  await peer[Symbol.asyncDispose]();
  assert.equal(events.at(-1)!.type, 'summary');
  assert.equal(events.at(-1)!['result'], 'stopped');
  assert.equal(events.at(-1)!['exitCode'], 143);
});

test('of several torrents a signal stops those too that had not begun, and the last line counts them', async () => {
  const { child, peer } = await endless('pipe', [], {}, ['none.torrent', 'neither.torrent', '--parallel', '1']);
  const events = await stopAtMetadata(child);
  await peer[Symbol.asyncDispose]();
  const last = events.at(-1)!;
  assert.deepEqual(last['torrents'], { complete: 0, stopped: 3, skipped: 0, failed: 0 });
  assert.deepEqual([last.type, last['source'], last['exitCode']], ['summary', undefined, 143]);
});

test('whoever cannot wait gets the summary, too', async () => {
  const goodbye = ({ event }: { readonly event: string }): boolean => event === 'stopped';
  await using tracker = await openTracker({ misbehave: (announce) => (goodbye(announce) ? hang : undefined) });
  const { child, peer } = await endless('pipe', [tracker.url]);
  const events: Event[] = [];
  void tracker.heard(goodbye).then(() => child.kill('SIGINT'));
  for await (const line of createInterface(child.stdout!)) {
    events.push(JSON.parse(line) as Event);
    if (events.at(-1)!.type === 'tracker') child.kill('SIGINT');
  }
  await peer[Symbol.asyncDispose]();
  assert.equal(events.at(-1)!.type, 'summary');
  assert.equal(events.at(-1)!['exitCode'], 130);
});

test('a bug is an error like any other', async () => {
  const { child, peer } = await endless('pipe', [], { NODE_OPTIONS: `--import=${PLANTED_BUG}` });
  let stdout = '';
  child.stdout!.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number];
  await peer[Symbol.asyncDispose]();
  assert.equal(code, 1);
  const events = eventsOf(stdout);
  assert.deepEqual(typesOf(events).slice(-2), ['error', 'summary']);
  assert.equal(events.at(-2)!['code'], 'ERR_BUG');
  assert.match(String(events.at(-2)!['message']), /planted/);
  assert.equal(events.at(-1)!['exitCode'], 1);
});

test('a reader that goes away ends it quietly with 141', async () => {
  const { child, peer } = await endless('pipe');
  let stderr = '';
  child.stderr!.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  child.stdout!.once('data', () => child.stdout!.destroy());
  const [code] = (await once(child, 'close')) as [number];
  await peer[Symbol.asyncDispose]();
  assert.equal(code, 141);
  assert.equal(stderr, '');
});

test('a full disk under the events ends it with 5, and stderr says why', async () => {
  const full = openSync('/dev/full', 'w');
  const { child, peer } = await endless(full);
  closeSync(full);
  let stderr = '';
  child.stderr!.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number];
  await peer[Symbol.asyncDispose]();
  assert.equal(code, 5);
  assert.equal(stderr, 'torrent-dl: cannot write to standard output: no space left on device\n');
});

test('what trackers know their users by is nowhere to be seen', async () => {
  await using tracker = await openTracker({ misbehave: () => fail(403, 'unknown user s3cret') });
  const torrent = many();
  const announce = encodeURIComponent(`${tracker.url}?passkey=s3cret`);
  const link = `magnet:?xt=urn:btih:${torrent.infoHash.toString('hex')}&tr=${announce}`;
  const words = ['-v', '--metadata-timeout', '1s', link];
  const { code, stdout, stderr, events } = await download(torrent, [], words);
  assert.equal(code, 4);
  assert.equal(eventOf(events, 'start')['source'], `magnet:?xt=urn:btih:${torrent.infoHash.toString('hex')}`);
  assert.equal(eventOf(events, 'tracker')['state'], 'failed');
  assert.doesNotMatch(stdout + stderr, /passkey|s3cret/);
  const byUrl = await execute([...OPTIONS, 'http://127.0.0.1:9/s3cret/x.torrent?passkey=s3cret']);
  assert.equal(byUrl.code, 4);
  assert.doesNotMatch(byUrl.stdout + byUrl.stderr, /passkey|s3cret/);
});

test('whole numbers beyond 2^53 are strings of digits', () => {
  const output = new PassThrough();
  const reporter = new JsonReporter({}, output);
  const job = { source: 'x', download: undefined, startedAt: 0 };
  reporter.file(job, { index: 0, path: 'a', length: 2 ** 60 });
  assert.equal(eventsOf(String(output.read())).at(-1)!['length'], '1152921504606846976');
});
