import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { MetainfoError, NoSourceError } from '../../src/common/errors.js';
import { decodeMetainfo } from '../../src/metainfo/decode.js';
import { fetchTorrent, kindOfSource } from '../../src/metainfo/fetch.js';
import { makeTorrent } from '../helpers/torrent.js';
import { drip, fail, flood, hang, redirect, say, type Answer } from '../helpers/tracker.js';

const PASSKEY = 'pa55key';
const torrent = makeTorrent(Buffer.from('hello'), { name: 'hello.txt' });

interface WebServer extends AsyncDisposable {
  readonly url: URL;
}

async function serve(answer: Answer): Promise<WebServer> {
  const server = createServer((request: IncomingMessage, response: ServerResponse) => answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: new URL(`http://user:${PASSKEY}@127.0.0.1:${port}/${PASSKEY}/a.torrent?key=${PASSKEY}`),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** What fetching ends with when the server answers so; no secret of the URL is in it. */
async function errorWhen(answer: Answer, timeoutMs = 5000): Promise<Error & { code?: string }> {
  await using server = await serve(answer);
  return await errorOf(fetchTorrent(server.url, { timeoutMs }));
}

async function errorOf(promise: Promise<unknown>): Promise<Error & { code?: string }> {
  const error = await promise.then(
    () => assert.fail('was fetched'),
    (reason: unknown) => reason as Error,
  );
  const everything = [error.message, String(error.cause), JSON.stringify(error)].join();
  assert.ok(!everything.includes(PASSKEY), everything);
  return error;
}

test('a torrent comes back byte for byte, also by way of a redirect and compressed', async () => {
  await using server = await serve(say(torrent.bytes));
  assert.deepEqual(Buffer.from(await fetchTorrent(server.url)), torrent.bytes);
  await using elsewhere = await serve(redirect(server.url.href));
  assert.equal(decodeMetainfo(await fetchTorrent(elsewhere.url)).name, 'hello.txt');
  await using zipped = await serve(say(gzipSync(torrent.bytes), { 'content-encoding': 'gzip' }));
  assert.deepEqual(Buffer.from(await fetchTorrent(zipped.url)), torrent.bytes);
});

test('what is not there is no valid torrent, what may come back is nobody to download from', async () => {
  for (const status of [204, 304, 400, 401, 403, 404, 410]) {
    const error = await errorWhen(fail(status));
    assert.ok(error instanceof MetainfoError, `${status}: ${String(error)}`);
    assert.equal(error.code, 'ERR_NO_TORRENT');
  }
  for (const status of [408, 429, 500, 503]) {
    const error = await errorWhen(fail(status));
    assert.ok(error instanceof NoSourceError, `${status}: ${String(error)}`);
    assert.equal(error.code, 'ERR_TORRENT_UNREACHABLE');
  }
  assert.match(
    (await errorWhen(fail(404))).message,
    /^cannot fetch the torrent from http:\/\/127\.0\.0\.1:\d+\/…: HTTP status 404 \(not found\)$/,
  );
});

test('what is no torrent is named', async () => {
  const table: [string | Uint8Array, RegExp][] = [
    ['<!DOCTYPE html><title>please log in</title>', /it is a web page/],
    ['', /it is empty/],
    ['magnet:?xt=urn:btih:x', /it holds a magnet link/],
    [gzipSync(torrent.bytes), /it is compressed with gzip/],
    ['d', /it begins with "d"/],
  ];
  for (const [body, expected] of table) {
    const error = await errorWhen(say(body));
    assert.ok(error instanceof MetainfoError);
    assert.equal(error.code, 'ERR_NOT_A_TORRENT');
    assert.match(error.message, /^cannot fetch the torrent from \S+: not a valid torrent: /);
    assert.match(error.message, expected);
  }
});

test('a server that hangs or drips is given up in time, one that floods too', { timeout: 30_000 }, async () => {
  for (const answer of [hang, drip(10)]) {
    const error = await errorWhen(answer, 200);
    assert.ok(error instanceof NoSourceError, String(error));
    assert.match(error.message, /no whole answer within 0\.2 s/);
  }
  const error = await errorWhen(flood, 20_000);
  assert.ok(error instanceof MetainfoError, String(error));
  assert.match(error.message, /larger than 64 MiB/);
});

test('nobody there, a wrong turn and a wrong protocol are told apart', async () => {
  const server = await serve(hang);
  await server[Symbol.asyncDispose]();
  const unreachable = await errorOf(fetchTorrent(server.url));
  assert.ok(unreachable instanceof NoSourceError);
  assert.match(unreachable.message, /: connection refused$/);

  const astray = await errorWhen(redirect('magnet:?xt=urn:btih:x'));
  assert.ok(astray instanceof NoSourceError);
  assert.match(astray.message, /redirects to what is not http/);

  const ftp = await errorOf(fetchTorrent(new URL(`ftp://127.0.0.1/${PASSKEY}`)));
  assert.ok(ftp instanceof MetainfoError);
  assert.equal(ftp.code, 'ERR_TORRENT_URL');
});

test('an abort, before or meanwhile, rejects with its own reason', async () => {
  await using server = await serve(hang);
  const reason = new Error('enough');
  await assert.rejects(fetchTorrent(server.url, { signal: AbortSignal.abort(reason) }), reason);
  const abort = new AbortController();
  const fetched = fetchTorrent(server.url, { signal: abort.signal });
  setImmediate(() => abort.abort(reason));
  await assert.rejects(fetched, reason);
});

test('an operand is told by its looks, and a file of that name comes before an info hash', () => {
  const hex = 'A'.repeat(20) + '0'.repeat(20);
  const nothing = (): boolean => false;
  const table: [string, string][] = [
    ['magnet:?xt=urn:btih:x', 'magnet'],
    ['MAGNET:?', 'magnet'],
    ['  magnet:?xt=urn:btih:x\n', 'magnet'],
    [' https://t.example/a.torrent', 'url'],
    [` ${hex} `, 'info-hash'],
    ['https://t.example/a.torrent', 'url'],
    ['HTTP://t.example', 'url'],
    [hex, 'info-hash'],
    ['abcdefghijklmnopqrstuvwxyz234567', 'info-hash'],
    ['abcdefghijklmnopqrstuvwxyz234561', 'path'],
    [hex.slice(1), 'path'],
    [`${hex}0`, 'path'],
    ['ftp://t.example/a.torrent', 'path'],
    ['./magnet:', 'path'],
    ['-', 'path'],
    ['', 'path'],
  ];
  for (const [text, kind] of table) assert.equal(kindOfSource(text, nothing), kind, text);
  assert.equal(
    kindOfSource(hex, (path) => path === hex),
    'path',
  );
  assert.equal(kindOfSource(hex), 'info-hash');
});
