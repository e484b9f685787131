import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import bencode from 'bencode';
import { UdpPort } from '../../src/common/udp.js';
import { scrape, scrapeUrl } from '../../src/tracker/scrape.js';
import { openUdpTracker } from '../helpers/udp-tracker.js';

const HASHES = [1, 0xab, 255].map((byte) => new Uint8Array(20).fill(byte));
const COUNTS = { complete: 1, downloaded: 20, incomplete: 300 };
const NONE = { complete: 0, downloaded: 0, incomplete: 0 };
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** An HTTP server that answers everything so; `urls` are what it was asked. */
async function openServer(body: Uint8Array | string, status = 200) {
  const urls: string[] = [];
  const server = createServer((request, response) => {
    urls.push(request.url ?? '');
    response.statusCode = status;
    response.end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    urls,
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A bencoded scrape answer with keys as bytes, which the package cannot write. */
function filesOf(entries: readonly [Uint8Array, Record<string, number>][]): Buffer {
  const files = entries.map(([infoHash, counts]) =>
    Buffer.concat([Buffer.from('20:'), infoHash, bencode.encode(counts)]),
  );
  return Buffer.concat([Buffer.from('d5:filesd'), ...files, Buffer.from('ee')]);
}

test('the scrape URL has `scrape` for `announce` at the start of the last part of the path (BEP 48)', () => {
  const cases: [string, string | undefined][] = [
    ['http://t/announce', 'http://t/scrape'],
    ['http://t/x/announce', 'http://t/x/scrape'],
    ['http://t/announce.php', 'http://t/scrape.php'],
    ['http://t/announce?x2%0644', 'http://t/scrape?x2%0644'],
    ['http://t/announce?x=2/4', 'http://t/scrape?x=2/4'],
    ['http://t/announce/announce', 'http://t/announce/scrape'],
    ['http://t/a', undefined],
    ['http://t/announce/', undefined],
    ['http://t/announce/passkey', undefined],
    ['http://t/x%064announce', undefined],
  ];
  for (const [announce, expected] of cases) assert.equal(scrapeUrl(new URL(announce))?.href, expected, announce);
});

test('over HTTP each torrent gets its counts, in the order asked', async () => {
  const body = filesOf([
    [HASHES[0]!, COUNTS],
    [HASHES[2]!, { complete: 7, downloaded: -1, other: 5 }],
  ]);
  await using server = await openServer(body);
  assert.deepEqual(await scrape(`${server.origin}/announce?key=a`, HASHES), [
    COUNTS,
    undefined,
    { complete: 7, downloaded: 0, incomplete: 0 },
  ]);
  const hash = (percent: string): string => `&info_hash=${percent.repeat(20)}`;
  assert.deepEqual(server.urls, [`/scrape?key=a${hash('%01')}${hash('%AB')}${hash('%FF')}`]);
});

test('over HTTP a refusal or an answer without counts is an error', async () => {
  const cases: [string, number, string][] = [
    ['d14:failure reason4:gonee', 200, 'refused: gone'],
    ['d14:failure reason4:gonee', 403, 'refused: gone'],
    ['', 500, 'HTTP status 500'],
    ['<html>', 200, 'the answer to "scrape" has no dictionary "files"'],
    ['d5:filesi1ee', 200, 'the answer to "scrape" has no dictionary "files"'],
  ];
  for (const [body, status, message] of cases) {
    await using server = await openServer(body, status);
    await assert.rejects(scrape(`${server.origin}/announce`, HASHES), { name: 'TrackerError', message });
  }
});

for (const host of ['127.0.0.1', '::1']) {
  test(`over UDP to ${host} each torrent gets its counts, however many they are`, async (t) => {
    await using udp = await UdpPort.open();
    if (host === '::1' && !udp.hasIpv6) return t.skip('no IPv6 here');
    await using tracker = await openUdpTracker({ host, counts: { [hex(HASHES[1]!)]: [1, 20, 300] } });
    assert.deepEqual(await scrape(tracker.url, HASHES, { udp }), [NONE, COUNTS, NONE]);
    const many = Array.from({ length: 200 }, () => HASHES[1]!);
    assert.deepEqual(await scrape(tracker.url, many, { udp }), Array<unknown>(200).fill(COUNTS));
    assert.deepEqual(tracker.core.asked, ['connect', 'scrape', 'connect', 'scrape', 'scrape', 'scrape']);
  });
}

test('trackers that cannot be scraped are errors at once', async () => {
  const cannot = { name: 'TrackerError', code: 'ERR_TRACKER_SCRAPE' };
  await assert.rejects(scrape('http://127.0.0.1:9/a', HASHES), cannot);
  await assert.rejects(scrape('wss://127.0.0.1:9/announce', HASHES), cannot);
  await assert.rejects(scrape('udp://127.0.0.1:9/announce', HASHES), cannot, 'without a port');
  await assert.rejects(scrape('nonsense', HASHES), { code: 'ERR_TRACKER_URL' });
});

test('a UDP tracker that is not there ends by the time given, and by the signal', async () => {
  await using udp = await UdpPort.open();
  const url = 'udp://127.0.0.1:9/announce';
  await assert.rejects(scrape(url, HASHES, { udp, timeoutMs: 50 }), { code: 'ERR_TRACKER_UNREACHABLE' });
  await assert.rejects(scrape(url, HASHES, { udp, signal: AbortSignal.abort() }), { message: 'cancelled' });
});
