import assert from 'node:assert/strict';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { createServer as createHttpServer, type RequestListener, type Server as HttpServer } from 'node:http';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import { gzipSync } from 'node:zlib';
import bencode from 'bencode';
import { TrackerError } from '../../src/common/errors.js';
import type { AnnounceRequest } from '../../src/tracker/announce.js';
import { overBothFamilies } from '../../src/tracker/families.js';
import { announceOverHttp, announceUrl, hasFamilies } from '../../src/tracker/http.js';
import * as tracker from '../helpers/tracker.js';
import { openTracker, type Answer } from '../helpers/tracker.js';

const PASSKEY = 'pa55key';
const ALL_BYTES = Uint8Array.from({ length: 20 }, (_, index) => index * 13 + 3);

function requestTo(url: string, parts: Partial<AnnounceRequest> = {}): AnnounceRequest {
  return {
    url: new URL(url),
    infoHash: ALL_BYTES,
    peerId: new TextEncoder().encode('-TD0100-abc~.-_ +&=#'),
    key: '0badcafe',
    port: 6881,
    totals: { uploaded: 1, downloaded: 2, left: 3 },
    event: 'started',
    numWant: 200,
    trackerId: undefined,
    ...parts,
  };
}

/** Announces and gives the answer or the error. */
async function announce(url: string, timeoutMs = 5000, parts: Partial<AnnounceRequest> = {}) {
  const signal = new AbortController().signal;
  return announceOverHttp(requestTo(url, parts), { timeoutMs, signal });
}

async function failureOf(promise: Promise<unknown>): Promise<TrackerError> {
  const error: unknown = await promise.then(
    () => assert.fail('was answered'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof TrackerError, String(error));
  const everything = [error.message, String(error.cause), JSON.stringify(error), JSON.stringify(error.cause)].join();
  assert.ok(!everything.includes(PASSKEY), everything);
  return error;
}

/** The error of an announce to a tracker that answers so. */
async function failureWhen(answer: Answer, timeoutMs = 5000): Promise<TrackerError> {
  await using server = await openTracker({ misbehave: () => answer });
  return await failureOf(announce(`${server.url}?passkey=${PASSKEY}`, timeoutMs));
}

test('an announce arrives byte for byte and its peers come back', async () => {
  await using server = await openTracker({ peers: [{ host: '127.0.0.2', port: 7000 }], interval: 900 });
  const trackerId = Uint8Array.of(0, 37, 255);
  const reply = await announce(server.url, 5000, { trackerId });
  assert.deepEqual(reply.peers, [{ host: '127.0.0.2', port: 7000 }]);
  assert.equal(reply.intervalMs, 900_000);
  const [received] = server.announces;
  assert.equal(received!.infoHash, Buffer.from(ALL_BYTES).toString('hex'));
  assert.equal(received!.peerId, '-TD0100-abc~.-_ +&=#');
  assert.match(received!.userAgent, /^torrent-dl\/\d+\.\d+/);
  const { port, uploaded, downloaded, left, event, numWant, parameters } = received!;
  assert.deepEqual([port, uploaded, downloaded, left, event, numWant], [6881, 1, 2, 3, 'started', 200]);
  assert.equal(parameters.get('compact'), '1');
  assert.equal(parameters.get('no_peer_id'), '1');
  assert.equal(parameters.get('key'), '0badcafe');
  assert.equal(parameters.get('trackerid'), Buffer.from(trackerId).toString('latin1'));
});

test('dictionary peers, and those of others in the swarm, are understood', async () => {
  await using server = await openTracker({ dictionaryPeers: true });
  await announce(server.url, 5000, { port: 7001 });
  const { peers } = await announce(server.url);
  assert.deepEqual(peers, [{ host: '127.0.0.1', port: 7001 }]);
  assert.equal(server.swarm(server.announces[0]!.infoHash).length, 2);
  await announce(server.url, 5000, { event: 'stopped' });
  assert.equal(server.swarm(server.announces[0]!.infoHash).length, 1);
});

test('the query joins what the URL has already, and leaves that as it is', () => {
  const cases = [
    ['http://t/announce', 'http://t/announce?info_hash='],
    ['http://t/a?passkey=%9A%00x', 'http://t/a?passkey=%9A%00x&info_hash='],
    ['http://t/a?', 'http://t/a?info_hash='],
    ['http://t/a?x&', 'http://t/a?x&info_hash='],
    ['http://t/a?x#fragment', 'http://t/a?x&info_hash='],
    ['http://t/%41/announce', 'http://t/%41/announce?info_hash='],
  ];
  for (const [url, start] of cases) {
    const { href } = announceUrl(requestTo(url!, { infoHash: Uint8Array.of(0, 0x41, 0x7e, 0x9a, 0xff) }));
    assert.ok(href.startsWith(`${start!}%00A~%9A%FF&peer_id=`), href);
  }
});

test('a regular announce has no event, and an IPv6 host is reached', async (t) => {
  const opened = await openTracker({ host: '::1' }).catch(() => undefined);
  if (!opened) {
    t.skip('no IPv6 here');
    return;
  }
  await using server = opened;
  await announce(server.url, 5000, { event: undefined });
  assert.equal(server.announces[0]!.parameters.has('event'), false);
});

/** An HTTP tracker on 127.0.0.1 and, on the same port, ::1; `asked` is from where and what. Undefined without IPv6. */
async function openBoth(): Promise<({ port: number; asked: string[] } & AsyncDisposable) | undefined> {
  const asked: string[] = [];
  const answer: RequestListener = ({ socket, url }, response) => {
    const isIpv6 = socket.remoteAddress === '::1';
    asked.push(`${socket.remoteAddress ?? ''} ${/event=(\w+)/.exec(url ?? '')?.[1] ?? ''}`);
    const peers = isIpv6
      ? { peers6: Buffer.from(`${'20010db8'.padEnd(31, '0')}10007`, 'hex') }
      : { peers: tracker.compact([PEER]) };
    response.end(bencode.encode({ interval: isIpv6 ? 700 : 600, ...peers }));
  };
  const servers = [createHttpServer(answer), createHttpServer(answer)] as const;
  const listen = (server: HttpServer, port: number, host: string): Promise<unknown> =>
    once(server.listen(port, host), 'listening');
  await listen(servers[0], 0, '127.0.0.1');
  const { port } = servers[0].address() as AddressInfo;
  const close = async (): Promise<void> => {
    for (const server of servers) if (server.listening) await once(server.close(), 'close');
  };
  if (!(await listen(servers[1], port, '::1').catch(() => undefined))) {
    await close();
    return undefined;
  }
  return { port, asked, [Symbol.asyncDispose]: close };
}

const PEER = { host: '192.0.2.1', port: 7 };
const PEER6 = { host: '2001:db8::1', port: 7 };

/** Lets `both.example` have addresses of both families on loopback, and `v4.example` of one. */
function mockLookUps(t: TestContext): void {
  const none = (host: string) => Promise.reject(Object.assign(new Error(host), { code: 'ENODATA', syscall: 'query' }));
  t.mock.method(Resolver.prototype, 'resolve4', () => Promise.resolve(['127.0.0.1']));
  t.mock.method(Resolver.prototype, 'resolve6', (host: string) =>
    host === 'both.example' ? Promise.resolve(['::1']) : none(host),
  );
}

test('a host with addresses of both families is announced to over each, once (BEP 7)', async (t) => {
  await using server = await openBoth();
  if (!server) return t.skip('no IPv6 here');
  mockLookUps(t);
  const announceBoth = overBothFamilies(announceOverHttp, hasFamilies);
  const limits = { timeoutMs: 5000, signal: new AbortController().signal };
  const request = requestTo(`http://both.example:${server.port}/announce`);
  const { peers, intervalMs } = await announceBoth(request, limits);
  assert.deepEqual([new Set(peers), intervalMs], [new Set([PEER, PEER6]), 700_000]);
  assert.deepEqual(server.asked.sort(), ['127.0.0.1 started', '::1 started']);

  server.asked.length = 0;
  await announceBoth(requestTo(`http://127.0.0.1:${server.port}/announce`), limits);
  assert.deepEqual(server.asked, ['127.0.0.1 started'], 'a host given by address is asked once');

  server.asked.length = 0;
  const one = `http://v4.example:${server.port}/announce`;
  assert.deepEqual((await announceBoth(requestTo(one), limits)).peers, [PEER]);
  await announceBoth(requestTo(one, { event: 'stopped' }), limits);
  assert.deepEqual(server.asked, ['127.0.0.1 started', '127.0.0.1 stopped'], 'no address of a family is no failure');
});

test('what a proxy asks for us is asked once', async () => {
  await using proxy = await openTracker();
  const announceBoth = overBothFamilies(announceOverHttp, hasFamilies);
  const limits = { timeoutMs: 5000, signal: new AbortController().signal };
  await byProxy(proxy.port, () => announceBoth(requestTo('http://both.invalid/announce'), limits));
  assert.equal(proxy.announces.length, 1);
});

test('each announce has a connection of its own, even when the tracker does not say that it closes', async (t) => {
  const body = Buffer.from(bencode.encode({ interval: 60, peers: '' }));
  let connections = 0;
  const server = createServer((socket) => {
    connections++;
    socket.on('data', () =>
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body.toString()}`),
    );
    socket.on('error', () => undefined);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.after(() => server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/announce`;
  for (let time = 1; time <= 3; time++) {
    await announce(url);
    assert.equal(connections, time);
  }
});

test('a gzipped answer is understood', async () => {
  const body = gzipSync(bencode.encode({ interval: 60, peers: tracker.compact([{ host: '192.0.2.1', port: 1 }]) }));
  await using server = await openTracker({ misbehave: () => tracker.say(body, { 'content-encoding': 'gzip' }) });
  assert.equal((await announce(server.url)).peers.length, 1);
});

/** Runs with the environment's proxy for http being one on loopback. */
async function byProxy<T>(port: number, run: () => Promise<T>): Promise<T> {
  const before = process.env['http_proxy'];
  process.env['http_proxy'] = `http://127.0.0.1:${port}/`;
  try {
    return await run();
  } finally {
    if (before === undefined) delete process.env['http_proxy'];
    else process.env['http_proxy'] = before;
  }
}

test('loopback trackers are asked without the proxy of the environment', async () => {
  await using server = await openTracker();
  await byProxy(9, () => announce(server.url));
  assert.equal(server.announces.length, 1);
});

test('other trackers are asked by the proxy of the environment, also when that is local', async () => {
  await using proxy = await openTracker();
  await byProxy(proxy.port, () => announce('http://tracker.invalid/announce'));
  assert.equal(proxy.announces[0]!.path, 'http://tracker.invalid/announce');
});

test('a public tracker may not redirect into the local network', async () => {
  await using local = await openTracker();
  await using proxy = await openTracker({ misbehave: () => tracker.redirect(local.url) });
  const error = await byProxy(proxy.port, () => failureOf(announce('http://tracker.invalid/announce')));
  assert.equal(error.message, 'redirects into the local network');
  assert.equal(local.announces.length, 0);
});

test('in the local network only what looks like a tracker is asked, unless the user named it', async () => {
  await using local = await openTracker();
  const origin = `http://127.0.0.1:${local.port}`;
  for (const path of ['/', '/reboot?now=1', '/announcements/delete', '/x/announce/delete']) {
    const error = await failureOf(announce(`${origin}${path}`));
    assert.match(error.message, /^not asked: it is in the local network/, path);
  }
  assert.equal(local.announces.length, 0);
  for (const path of ['/announce', '/pa55/announce.php?x=1']) await announce(`${origin}${path}`);
  await announce(`${origin}/announce/odd`, 5000, { isChosen: true });
  assert.equal(local.announces.length, 3);
});

test('a refusal under an error status says why', async () => {
  for (const status of [400, 404, 500]) {
    const error = await failureWhen(tracker.fail(status, 'unregistered torrent', { 'retry in': 7 }));
    assert.equal(error.message, 'refused: unregistered torrent');
    assert.equal(error.retryInSeconds, 420);
  }
  assert.equal((await failureWhen(tracker.fail(404))).message, 'HTTP status 404');
  const busy = await failureWhen((_, response) => {
    response.writeHead(503, { 'retry-after': '90' }).end();
  });
  assert.deepEqual([busy.code, busy.retryInSeconds], ['ERR_TRACKER_HTTP_STATUS', 90]);
});

test('answers that are none', async () => {
  assert.match((await failureWhen(tracker.say(''))).message, /empty/);
  assert.match((await failureWhen(tracker.say('<html>hello</html>'))).message, /HTML/);
  assert.match(
    (await failureWhen(tracker.say('this was never gzip', { 'content-encoding': 'gzip' }))).message,
    /compression/,
  );
});

test('an endless body ends at 2 MiB', async () => {
  const error = await failureWhen(tracker.flood);
  assert.equal(error.message, 'the answer is too large');
});

test('a gzip bomb ends at 2 MiB inflated', async () => {
  const bomb = gzipSync(Buffer.alloc(50 * 1024 * 1024));
  const error = await failureWhen(tracker.say(bomb, { 'content-encoding': 'gzip' }));
  assert.equal(error.message, 'the answer is too large');
});

test('a huge header is refused', async () => {
  const error = await failureWhen(tracker.say('de', { 'x-huge': 'x'.repeat(200_000) }));
  assert.equal(error.message, 'header too large');
});

test('the time limit holds for a tracker that hangs, and for one that drips', async () => {
  for (const answer of [tracker.hang, tracker.drip(20)]) {
    const begin = performance.now();
    const error = await failureWhen(answer, 300);
    assert.equal(error.message, 'no whole answer within 0.3 s');
    assert.ok(performance.now() - begin < 3000);
  }
});

test('an abort ends an announce at once', async () => {
  await using server = await openTracker({ misbehave: () => tracker.hang });
  const abort = new AbortController();
  const asking = announceOverHttp(requestTo(server.url), { timeoutMs: 60_000, signal: abort.signal });
  await server.heard(() => true);
  abort.abort();
  assert.equal((await failureOf(asking)).message, 'cancelled');
  assert.equal(
    (await failureOf(announceOverHttp(requestTo(server.url), { timeoutMs: 1, signal: abort.signal }))).message,
    'cancelled',
  );
});

test('a redirect is followed, with its own query', async () => {
  await using target = await openTracker();
  await using server = await openTracker({
    misbehave: ({ path }) => tracker.redirect(`${target.url}?from=${path}`, 307),
  });
  await announce(server.url);
  assert.equal(target.announces[0]!.parameters.get('from'), '/announce');
});

test('redirects in a circle end after five', async () => {
  let asked = 0;
  await using server = await openTracker({
    misbehave: () => {
      asked++;
      return tracker.redirect(`/announce?passkey=${PASSKEY}`);
    },
  });
  const error = await failureOf(announce(server.url));
  assert.equal(error.message, 'more than 5 redirects');
  assert.equal(asked, 6);
});

test('redirects lead to http and https only', async () => {
  for (const location of ['file:///etc/passwd', 'data:text/plain,d5:peers0:e', 'ftp://127.0.0.1/', 'gopher://x']) {
    assert.equal((await failureWhen(tracker.redirect(location))).message, 'redirects to what is not http or https');
  }
  assert.equal((await failureWhen(tracker.redirect('http://:99999/'))).message, 'redirects to what is not a URL');
});

test('nobody there, nobody known, and somebody who does not speak HTTP', async () => {
  const server = createServer((socket) => socket.resume().end('220 smtp ready\r\n\r\n'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  assert.equal(
    (await failureOf(announce(`http://127.0.0.1:${port}/announce?${PASSKEY}`))).message,
    'the answer is not HTTP',
  );
  await new Promise((resolve) => server.close(resolve));
  assert.equal(
    (await failureOf(announce(`http://127.0.0.1:${port}/announce?${PASSKEY}`))).message,
    'connection refused',
  );
});
