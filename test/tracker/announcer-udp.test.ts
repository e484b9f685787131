import assert from 'node:assert/strict';
import { Resolver } from 'node:dns/promises';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import type { PeerAddress } from '../../src/common/address.js';
import { UdpPort } from '../../src/common/udp.js';
import type { Announcer } from '../../src/tracker/announcer.js';
import { announceOverHttp } from '../../src/tracker/http.js';
import { scrape } from '../../src/tracker/scrape.js';
import { hang, openTracker } from '../helpers/tracker.js';
import { errorReply, openUdpTracker } from '../helpers/udp-tracker.js';
import { until } from '../helpers/until.js';
import { requestTo } from './fakes.js';
import { INFO_HASH, openAnnouncer } from './open-announcer.js';

const PEER = { host: '127.0.0.2', port: 7000 };

function states(announcer: Announcer): string[] {
  return announcer.status().map(({ state, message }) => (message === undefined ? state : `${state}: ${message}`));
}

test('a UDP tracker hears started, completed and stopped with the true numbers', async () => {
  await using udp = await UdpPort.open();
  await using tracker = await openUdpTracker({ peers: [PEER] });
  const { announcer, found } = openAnnouncer([[`${tracker.url}?passkey=s3cret`]], { udp });
  assert.deepEqual(await found, [PEER]);
  const [status] = announcer.status();
  assert.deepEqual([status!.name, status!.state, status!.peers], [`udp://127.0.0.1:${tracker.port}/…`, 'working', 1]);
  announcer.completed();
  await until(() => tracker.core.announces.length === 2);
  await announcer[Symbol.asyncDispose]();
  const { announces, asked } = tracker.core;
  assert.deepEqual(
    announces.map(({ event, numWant }) => `${event} ${numWant}`),
    ['started 200', 'completed 200', 'stopped 0'],
  );
  assert.deepEqual(asked, ['connect', 'announce', 'announce', 'announce']);
  const { infoHash, peerId, uploaded, downloaded, left, key, port, urlData } = announces[0]!;
  assert.deepEqual([infoHash, peerId], ['9a'.repeat(20), '-TD0100-abcdefghijkl']);
  assert.deepEqual([uploaded, downloaded, left, key, port], [1n, 2n, 1000n, '0badcafe', 6881]);
  assert.equal(urlData, '/announce?passkey=s3cret');
});

test('over IPv6 peers have IPv6 addresses', async (t) => {
  await using udp = await UdpPort.open();
  if (!udp.hasIpv6) return t.skip('no IPv6 here');
  const peers = [PEER, { host: '2001:db8::7', port: 7 }];
  await using tracker = await openUdpTracker({ host: '::1', peers });
  const { announcer, found } = openAnnouncer([[tracker.url]], { udp });
  assert.deepEqual(await found, peers.slice(1));
  await announcer[Symbol.asyncDispose]();
  assert.equal(tracker.core.announces[0]!.from.host, '::1');
});

test('a tracker with addresses of both families is announced to over each, by UDP', async (t) => {
  await using udp = await UdpPort.open();
  if (!udp.hasIpv6) return t.skip('no IPv6 here');
  const peers = [PEER, { host: '2001:db8::7', port: 7 }];
  await using over4 = await openUdpTracker({ peers });
  const opened = await openUdpTracker({ host: '::1', port: over4.port, peers }).catch(() => undefined);
  if (!opened) return t.skip('the port is taken on ::1');
  await using over6 = opened;
  t.mock.method(Resolver.prototype, 'resolve4', () => Promise.resolve(['127.0.0.1']));
  t.mock.method(Resolver.prototype, 'resolve6', () => Promise.resolve(['::1']));
  const found: PeerAddress[] = [];
  const onPeers = (addresses: readonly PeerAddress[]): void => void found.push(...addresses);
  const { announcer } = openAnnouncer([[`udp://both.example:${over4.port}/announce`]], { udp, onPeers });
  await until(() => found.length === 2);
  assert.deepEqual(new Set(found), new Set(peers));
  assert.equal(announcer.status()[0]!.peers, 2);
  await announcer[Symbol.asyncDispose]();
  for (const { core } of [over4, over6]) {
    assert.deepEqual(
      core.announces.map(({ event, key }) => `${event} ${key}`),
      ['started 0badcafe', 'stopped 0badcafe'],
    );
  }
});

test('a dead UDP tracker holds up the HTTP tracker of the next tier for 4 seconds at most', async () => {
  await using udp = await UdpPort.open();
  await using mute = await openUdpTracker({ misbehave: () => 'silence' });
  await using good = await openTracker({ peers: [PEER] });
  const begin = performance.now();
  const { announcer, found } = openAnnouncer([[mute.url], [good.url]], { udp });
  assert.deepEqual(await found, [PEER]);
  assert.ok(performance.now() - begin < 6_000);
  assert.ok(mute.core.asked.length >= 2 && mute.core.asked.every((action) => action === 'connect'));
  assert.deepEqual(states(announcer), ['asking', 'working']);
  const closing = performance.now();
  await announcer[Symbol.asyncDispose]();
  assert.ok(performance.now() - closing < 1_000, 'who never answered hears no goodbye');
});

test('a dead HTTP tracker gives way to a UDP tracker of its tier or the next, and a refusing UDP tracker likewise', async () => {
  await using udp = await UdpPort.open();
  await using refusing = await openUdpTracker({
    misbehave: (action, bytes) => (action === 'announce' ? errorReply(bytes, 'not \u0007 here') : undefined),
  });
  await using good = await openUdpTracker({ peers: [PEER] });
  const dead = 'http://127.0.0.1:1/announce';
  for (const tiers of [[[dead], [refusing.url], [good.url]], [[dead, refusing.url, good.url]]]) {
    const { announcer, found } = openAnnouncer(tiers, { udp, random: () => 0.999 });
    assert.deepEqual(await found, [PEER]);
    assert.deepEqual(states(announcer), ['failed: connection refused', 'failed: refused: not \\x07 here', 'working']);
    await announcer[Symbol.asyncDispose]();
  }
});

test('closing takes two seconds when a UDP tracker is silent at `stopped`, and says it twice', async () => {
  let isMute = false;
  await using udp = await UdpPort.open();
  await using tracker = await openUdpTracker({ misbehave: () => (isMute ? 'silence' : undefined) });
  const { announcer, found } = openAnnouncer([[tracker.url]], { udp });
  await found;
  isMute = true;
  const begin = performance.now();
  await announcer[Symbol.asyncDispose]();
  const tookMs = performance.now() - begin;
  assert.ok(tookMs > 1500 && tookMs < 2900, `${tookMs} ms`);
  assert.deepEqual(tracker.core.asked, ['connect', 'announce', 'announce', 'connect']);
});

test('several downloads ask over one port, each hears its own answers', async () => {
  await using udp = await UdpPort.open();
  await using one = await openUdpTracker({ peers: [PEER] });
  await using other = await openUdpTracker({ peers: [{ ...PEER, port: 1 }] });
  const opened = [one, other, one].map(({ url }) => openAnnouncer([[url]], { udp }));
  const ports = await Promise.all(opened.map(async ({ found }) => (await found)[0]!.port));
  assert.deepEqual(ports, [7000, 1, 7000]);
  await Promise.all(opened.map(({ announcer }) => announcer[Symbol.asyncDispose]()));
});

test('our address as HTTP trackers see it is passed on (BEP 24)', async () => {
  await using udp = await UdpPort.open();
  await using tracker = await openTracker({ extra: { 'external ip': Uint8Array.of(192, 0, 2, 5) } });
  await using hanging = await openTracker({ misbehave: () => hang });
  const seen: string[] = [];
  const onExternalIp = (ip: string, source: string): void => void seen.push(`${ip} ${source}`);
  const { announcer, found } = openAnnouncer([[tracker.url], [hanging.url]], { udp, onExternalIp });
  await found;
  await announcer[Symbol.asyncDispose]();
  assert.equal(seen[0], `192.0.2.5 http://127.0.0.1:${tracker.port}/…`);
});

/** An opentracker on loopback that serves INFO_HASH, over HTTP and UDP on one port. */
async function startOpentracker() {
  const port = await freePort();
  const folder = await mkdtemp(path.join(tmpdir(), 'torrent-dl-opentracker-'));
  await chmod(folder, 0o755); // Debian's build runs as nobody, and insists on a whitelist
  await writeFile(path.join(folder, 'whitelist'), `${Buffer.from(INFO_HASH).toString('hex')}\n`);
  const listen = ['-i', '127.0.0.1', '-p', String(port), '-P', String(port)];
  const program = spawn('opentracker', [...listen, '-u', 'nobody', '-d', folder, '-w', 'whitelist'], {
    cwd: folder,
    stdio: 'ignore',
  });
  const exit = once(program, 'exit').catch(() => undefined);
  const isThere = await Promise.race([
    exit.then(() => false),
    once(program, 'spawn').then(
      () => true,
      () => false,
    ),
  ]);
  return {
    isThere,
    http: `http://127.0.0.1:${port}/announce`,
    udp: `udp://127.0.0.1:${port}/announce`,
    async [Symbol.asyncDispose]() {
      if (isThere) program.kill();
      await exit;
      await rm(folder, { recursive: true });
    },
  };
}

/** Waits until the whitelist is read, which takes a moment. */
async function servesOurs(url: string): Promise<void> {
  const limits = { timeoutMs: 5_000, signal: new AbortController().signal };
  const announce = (event: 'started' | 'stopped'): Promise<unknown> =>
    announceOverHttp(requestTo(url, { infoHash: INFO_HASH, event, port: 1 }), limits);
  for (let tries = 1; ; tries++) {
    try {
      await announce('started');
      break;
    } catch (error) {
      if (tries === 100) throw error;
      await setTimeout(20);
    }
  }
  await announce('stopped');
}

async function freePort(): Promise<number> {
  await using port = await UdpPort.open();
  return port.port;
}

test('opentracker: peers announced over UDP are found over HTTP and the other way round', async (t) => {
  await using udp = await UdpPort.open();
  await using tracker = await startOpentracker();
  if (!tracker.isThere) return t.skip('opentracker is not installed');
  await servesOurs(tracker.http);
  const limits = { udp, timeoutMs: 5_000 };
  const scraped = async () => (await scrape(tracker.udp, [INFO_HASH], limits))[0];
  const none = { complete: 0, downloaded: 0, incomplete: 0 };
  assert.deepEqual(await scraped(), none);

  const first = openAnnouncer([[tracker.udp]], { udp, port: () => 7001 });
  await first.found;
  const second = openAnnouncer([[tracker.http]], { udp, port: () => 7002 });
  assert.ok((await second.found).some(({ host, port }) => host === '127.0.0.1' && port === 7001));
  const third = openAnnouncer([[tracker.udp]], {
    udp,
    port: () => 7003,
    totals: () => ({ uploaded: 0, downloaded: 0, left: 0 }),
  });
  const ports = (await third.found).map(({ port }) => port);
  assert.ok(ports.includes(7001) && ports.includes(7002), String(ports));
  const counts = { complete: 1, downloaded: 0, incomplete: 2 };
  assert.deepEqual(await scraped(), counts);
  assert.deepEqual(await scrape(tracker.http, [INFO_HASH, new Uint8Array(20)], limits), [counts, undefined]);

  for (const { announcer } of [first, second, third]) await announcer[Symbol.asyncDispose]();
  assert.deepEqual(await scraped(), none);
});
