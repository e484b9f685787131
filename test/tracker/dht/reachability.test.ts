import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Reachability } from '../../../src/tracker/dht/reachability.js';
import { FakeClock } from '../fakes.js';

const KNOWN = { host: '192.0.2.1', port: 6881 };

test('who hears only from nodes that it asked is not reachable, after ten minutes of hope', async () => {
  const clock = new FakeClock();
  const reachability = new Reachability(clock);
  reachability.sent(KNOWN);
  reachability.received(KNOWN);
  assert.ok(reachability.isReachable);
  await clock.advance(10 * 60_000);
  assert.ok(!reachability.isReachable);
  reachability.received({ ...KNOWN, port: 6882 }); // a NAT lets only the port through that was written to
  assert.ok(reachability.isReachable);
});

test('of the addresses that were written to, a bounded number is remembered', async () => {
  const clock = new FakeClock();
  const reachability = new Reachability(clock);
  for (let port = 1; port <= 20_000; port++) reachability.sent({ host: '192.0.2.2', port });
  reachability.received({ host: '192.0.2.2', port: 20_000 });
  await clock.advance(11 * 60_000);
  assert.ok(!reachability.isReachable);
  reachability.received({ host: '192.0.2.2', port: 1 });
  assert.ok(reachability.isReachable, 'forgotten');
});
