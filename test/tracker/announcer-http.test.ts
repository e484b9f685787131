import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fail, hang, openTracker, redirect, say } from '../helpers/tracker.js';
import { openAnnouncer } from './open-announcer.js';

test('from a list of bad trackers to the one that works, and through its life', async () => {
  const peer = { host: '127.0.0.2', port: 7000 };
  await using good = await openTracker({ peers: [peer] });
  await using refusing = await openTracker({ misbehave: () => fail(404, 'unregistered torrent') });
  await using lost = await openTracker({ misbehave: () => redirect('file:///etc/passwd') });
  await using chatty = await openTracker({ misbehave: () => say('<html></html>') });
  const tiers = [
    ['udp://127.0.0.1:1/announce', 'http://127.0.0.1:1/announce?s3cret'],
    [refusing.url],
    [lost.url],
    [chatty.url],
    [good.url],
  ];
  const { announcer: opened, found } = openAnnouncer(tiers);
  await using announcer = opened;
  assert.deepEqual(await found, [peer]);
  assert.equal(announcer.failures(), undefined);
  assert.deepEqual(
    new Set(announcer.status().map(({ state, message }) => `${state}: ${message ?? ''}`)),
    new Set([
      'failed: trackers over udp are not supported yet',
      'failed: connection refused',
      'failed: refused: unregistered torrent',
      'failed: redirects to what is not http or https',
      'failed: the answer is HTML',
      'working: ',
    ]),
  );
  announcer.completed();
  await good.heard(({ event }) => event === 'completed');
  await announcer[Symbol.asyncDispose]();
  assert.deepEqual(
    good.announces.map(({ event, numWant }) => `${event} ${numWant}`),
    ['started 200', 'completed 200', 'stopped 0'],
  );
  assert.deepEqual(good.swarm('9a'.repeat(20)), []);
  assert.deepEqual(
    refusing.announces.map(({ event }) => event),
    ['started'],
    'who never answered hears no goodbye',
  );
});

test('closing takes two seconds when the tracker hangs at `stopped`, and nothing stays open', async () => {
  await using tracker = await openTracker({ misbehave: ({ event }) => (event === 'stopped' ? hang : undefined) });
  const { announcer, found } = openAnnouncer([[tracker.url]]);
  await found;
  const begin = performance.now();
  await announcer[Symbol.asyncDispose]();
  const tookMs = performance.now() - begin;
  assert.ok(tookMs > 1500 && tookMs < 2900, `${tookMs} ms`);
});

test('closing while the first announce is under way ends at once', async () => {
  await using tracker = await openTracker({ misbehave: () => hang });
  const { announcer } = openAnnouncer([[tracker.url]]);
  await tracker.heard(() => true);
  const begin = performance.now();
  await announcer[Symbol.asyncDispose]();
  assert.ok(performance.now() - begin < 1000);
  assert.equal(tracker.announces.length, 1);
});

test('no interval makes a storm', async () => {
  for (const interval of [0, -1, 2 ** 53]) {
    await using tracker = await openTracker({ interval, minInterval: interval });
    const { announcer, found } = openAnnouncer([[tracker.url]]);
    await found;
    for (let asked = 0; asked < 50; asked++) {
      announcer.requestPeers();
      await new Promise(setImmediate);
    }
    const { nextInMs } = announcer.status()[0]!;
    assert.ok(nextInMs! > 50_000 && nextInMs! <= 3_600_000, String(nextInMs));
    await announcer[Symbol.asyncDispose]();
    assert.equal(tracker.announces.length, 2);
  }
});
