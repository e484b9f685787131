/** Whoever cannot prove who he is gets no request, whatever the environment says (THREATS T9). */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { describe, test } from 'node:test';
import { hasOpenssl, openSelfSigned } from '../helpers/self-signed.js';
import { makeTorrent, randomBytes } from '../helpers/torrent.js';
import { fail } from '../helpers/tracker.js';
import type { Watched } from './watched.js';
import { World } from './world.js';

const skip = process.platform !== 'linux' || !hasOpenssl();
const NO_SOURCE = 4;
/** Node's own way to have all certificates accepted; people set it for some other program. */
const CARELESS = { NODE_TLS_REJECT_UNAUTHORIZED: '0' };

/** Announces to a tracker, or fetches a torrent, from this origin. */
async function ask(
  what: 'tracker' | 'torrent',
  origin: string,
  env: Readonly<Record<string, string>>,
): Promise<Watched> {
  await using world = await World.open();
  const torrent = makeTorrent(randomBytes('tls', 60_000), { trackers: [[`${origin}/announce`]] });
  const operand = what === 'tracker' ? await world.give('a.torrent', torrent.bytes) : `${origin}/a.torrent`;
  return await world.run([operand, '-v', '-o', world.out, '--stall-timeout', '3'], { env });
}

describe('a certificate for which nobody vouches', { skip, concurrency: 2 }, () => {
  for (const what of ['tracker', 'torrent'] as const) {
    test(`keeps us from asking a ${what}, also when Node is told not to mind`, async () => {
      await using server = await openSelfSigned(fail(404));
      for (const env of [{}, CARELESS]) {
        const { code, stderr } = await ask(what, server.origin, env);
        assert.equal(code, NO_SOURCE, stderr);
        assert.match(stderr, /nobody vouches for its certificate/);
      }
      assert.equal(server.requests, 0);
    });

    test(`keeps us from asking a ${what} through a proxy`, async () => {
      await using server = await openSelfSigned(fail(404));
      await using proxy = await openProxyTo(server.port);
      const env = { ...CARELESS, https_proxy: proxy.url, no_proxy: '' };
      const { code, stderr } = await ask(what, 'https://tracker.invalid', env);
      assert.equal(code, NO_SOURCE, stderr);
      assert.match(stderr, /certificate/);
      assert.ok(proxy.tunnels > 0, 'the proxy was not asked');
      assert.equal(server.requests, 0);
    });
  }

  test('is good once the user vouches for it himself', async () => {
    await using server = await openSelfSigned(fail(404));
    await ask('tracker', server.origin, { NODE_EXTRA_CA_CERTS: server.certificate });
    assert.ok(server.requests > 0);
  });
});

/** A proxy by which every road leads to this port of ours. */
async function openProxyTo(port: number): Promise<{ url: string; readonly tunnels: number } & AsyncDisposable> {
  let tunnels = 0;
  const server = createServer();
  server.on('connect', (_request, client) => {
    tunnels++;
    const target = connect(port, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 OK\r\n\r\n');
      target.pipe(client).pipe(target);
    });
    for (const socket of [client, target]) socket.on('error', () => target.destroy());
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get tunnels() {
      return tunnels;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await once(server.close(), 'close');
    },
  };
}
