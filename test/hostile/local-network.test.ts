/** No torrent and no server makes us call services of the local network, which trust whoever is in it (THREATS T4). */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { makeTorrent, randomBytes } from '../helpers/torrent.js';
import { openTracker, redirect, type Answer } from '../helpers/tracker.js';
import type { Watched } from './watched.js';
import { World } from './world.js';

const skip = process.platform !== 'linux';
const NO_SOURCE = 4;

/** Runs with a torrent of these trackers, or with these words in its place. */
async function run(trackers: readonly string[], words: readonly string[] = [], env = {}): Promise<Watched> {
  await using world = await World.open();
  const { bytes } = makeTorrent(randomBytes('local', 60_000), { trackers: [trackers] });
  const file = await world.give('a.torrent', bytes);
  return await world.run([file, '-v', '-o', world.out, '--stall-timeout', '2', ...words], { env });
}

describe('in the local network', { skip, concurrency: 3 }, () => {
  test('a service is not asked for a torrent, unless its URL is that of a tracker or the user named it (T4)', async () => {
    await using service = await openTracker();
    const url = (path: string): string => `http://127.0.0.1:${service.port}${path}`;
    const { code, stderr } = await run([url('/announce/reboot?now=1'), url('/?delete=announce')]);
    assert.equal(code, NO_SOURCE, stderr);
    assert.match(stderr, /not asked: it is in the local network, and its path is not that of a tracker/);
    assert.equal(service.announces.length, 0);
    await run([url('/pa55key/announce')]);
    await run([], ['--tracker', url('/announce/odd')]);
    const asked = service.announces.map(({ path }) => path.replace(/\?.*/, ''));
    assert.deepEqual(new Set(asked), new Set(['/pa55key/announce', '/announce/odd']));
  });

  test('nobody outside sends us there by a redirect (T4)', async () => {
    await using service = await openTracker();
    const { port } = service;
    const own = [`127.0.0.1:${port}`, `localhost:${port}`, `0x7f000001:${port}`, `[::ffff:127.0.0.1]:${port}`];
    const hosts = [...own, '169.254.169.254', '10.0.0.1', '[fd00:ec2::254]', '[64:ff9b::a9fe:a9fe]'];
    const sendOn: Answer = (request, response) => {
      const at = Number(/^http:\/\/(\d)\.invalid/.exec(request.url ?? '')?.[1]);
      redirect(`http://${hosts[at] ?? ''}/announce`)(request, response);
    };
    await using outside = await openTracker({ misbehave: () => sendOn });
    // names outside are this proxy's to look up, so it is all of them
    const env = { http_proxy: `http://127.0.0.1:${outside.port}`, no_proxy: '' };
    const { code, stderr } = await run(
      hosts.map((_, at) => `http://${at}.invalid/announce`),
      [],
      env,
    );
    assert.equal(code, NO_SOURCE, stderr);
    for (const at of hosts.keys()) {
      assert.match(stderr, new RegExp(`${at}\\.invalid/…[^\n]*redirects into the local network`), hosts[at]);
    }
    assert.equal(service.announces.length, 0);
  });

  test('nor does who has a torrent to fetch (T4)', async () => {
    await using service = await openTracker();
    await using outside = await openTracker({ misbehave: () => redirect(service.url) });
    await using world = await World.open();
    const env = { http_proxy: `http://127.0.0.1:${outside.port}`, no_proxy: '' };
    const { code, stderr } = await world.run(['http://site.invalid/announce.torrent', '-o', world.out], { env });
    assert.equal(code, NO_SOURCE, stderr);
    assert.match(stderr, /redirects into the local network/);
    assert.equal(service.announces.length, 0);
  });
});
