import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatAddress, type PeerAddress } from '../../src/common/address.js';
import { AddressPool } from '../../src/peer/address-pool.js';

const randomOf = (seed: number) => (): number => (seed = (seed * 16_807) % 2_147_483_647) / 2_147_483_647;
const host = (number: number): string => `192.0.${number >> 8}.${number & 0xff}`;
const peer = (number: number): PeerAddress => ({ host: host(number), port: 6881 });
const peers = (count: number, from = 0): PeerAddress[] => Array.from({ length: count }, (_, at) => peer(from + at));

function drain(pool: AddressPool, now: number): string[] {
  const all: string[] = [];
  for (let address = pool.next(now); address; address = pool.next(now)) all.push(formatAddress(address));
  return all;
}

/** The waits after each failure in a row, until the address is given up or 20 are seen. */
function waitsOf(pool: AddressPool, address: PeerAddress, end: (now: number) => void): number[] {
  const waits: number[] = [];
  let now = 1000;
  while (waits.length < 20) {
    assert.deepEqual(pool.next(now), address);
    end(now);
    if (pool.known === 0) break;
    assert.equal(pool.next(pool.nextDueAt - 1), undefined);
    waits.push(pool.nextDueAt - now);
    now = pool.nextDueAt;
  }
  return waits;
}

test('what is added is given out once each, in random order', () => {
  const pool = new AddressPool({ random: randomOf(7) });
  pool.add(peers(100), 'tracker');
  pool.add(peers(100), 'pex');
  assert.equal(pool.known, 100);
  assert.equal(pool.waiting, 100);
  const order = drain(pool, 0);
  assert.deepEqual(new Set(order), new Set(peers(100).map(formatAddress)));
  assert.notDeepEqual(order, peers(100).map(formatAddress));
  assert.equal(pool.waiting, 0);
  assert.equal(pool.nextDueAt, Infinity);
});

test('addresses that nobody can dial stay out', () => {
  const pool = new AddressPool();
  const odd = ['0.0.0.0', '224.0.0.1', '255.255.255.255', '::', 'ff02::1', 'fe80::1%eth0', 'example.org', ''];
  pool.add(
    odd.map((name) => ({ host: name, port: 1 })),
    'tracker',
  );
  pool.add(
    [0, -1, 65_536, 1.5, NaN].map((port) => ({ host: '192.0.2.1', port })),
    'tracker',
  );
  assert.equal(pool.known, 0);
});

test('two spellings of one address are one address', () => {
  const pool = new AddressPool();
  const spellings = ['::ffff:192.0.2.1', '192.0.2.1', '2001:DB8::1', '2001:db8:0:0:0:0:0:1'];
  pool.add(
    spellings.map((name) => ({ host: name, port: 1 })),
    'tracker',
  );
  assert.deepEqual(new Set(drain(pool, 0)), new Set(['192.0.2.1:1', '[2001:db8::1]:1']));
});

test('the peers of the user come first', () => {
  const pool = new AddressPool();
  pool.add(peers(50), 'tracker');
  pool.add([peer(1000)], 'user');
  assert.deepEqual(pool.next(0), peer(1000));
});

test('those never tried come before those whose back-off has passed', () => {
  const pool = new AddressPool();
  pool.add([peer(1)], 'tracker');
  pool.next(0);
  pool.failed(peer(1), 0, 'refused');
  pool.add([peer(2)], 'tracker');
  assert.deepEqual(pool.next(1e6), peer(2));
  assert.deepEqual(pool.next(1e6), peer(1));
});

test('the wait doubles from 5 s with each failure, and after eight the address is forgotten', () => {
  const pool = new AddressPool({ random: () => 0.5 });
  pool.add([peer(1)], 'tracker');
  const waits = waitsOf(pool, peer(1), (now) => pool.failed(peer(1), now, 'refused'));
  assert.deepEqual(waits, [5000, 10_000, 20_000, 40_000, 80_000, 160_000, 320_000]);
});

test('a peer that hangs up each time is a failure too, one that brought something starts afresh', () => {
  const pool = new AddressPool({ random: () => 0.5 });
  pool.add([peer(1)], 'tracker');
  let turn = 0;
  const waits = waitsOf(pool, peer(1), (now) => {
    pool.connected(peer(1));
    pool.disconnected(peer(1), now, { wasUseful: turn++ === 2 });
  });
  assert.deepEqual(waits.slice(0, 5), [5000, 10_000, 5000, 5000, 10_000]);
});

test('a peer of the user is tried at least every 75 s, for ever', () => {
  const pool = new AddressPool();
  pool.add([peer(1)], 'tracker');
  pool.add([peer(1)], 'user');
  const waits = waitsOf(pool, peer(1), (now) => pool.failed(peer(1), now, 'refused'));
  assert.equal(waits.length, 20);
  assert.ok(Math.max(...waits) <= 75_000);
});

test('a connected address is not dialled, whoever dialled', () => {
  const pool = new AddressPool();
  pool.add([peer(1)], 'peer');
  pool.connected(peer(1));
  assert.equal(pool.next(1e9), undefined);
  pool.add([peer(1)], 'tracker');
  assert.equal(pool.next(1e9), undefined);
  pool.disconnected({ host: '::ffff:192.0.0.1', port: 6881 }, 0, { wasUseful: true });
  assert.deepEqual(pool.next(1e9), peer(1));
});

test('our own address is forgotten and stays out', () => {
  const pool = new AddressPool();
  pool.add([peer(1)], 'tracker');
  pool.next(0);
  pool.markSelf(peer(1));
  pool.failed(peer(1), 0, 'that is ourselves');
  pool.markSelf(peer(2));
  pool.add(peers(3, 1), 'tracker');
  assert.deepEqual(drain(pool, 1e9), [formatAddress(peer(3))]);
});

test('a ban holds for all ports of a host, on loopback for one', () => {
  const pool = new AddressPool();
  const at = (name: string, port: number): PeerAddress => ({ host: name, port });
  const all = [at('192.0.2.1', 1), at('192.0.2.1', 2), at('127.0.0.1', 1), at('127.0.0.1', 2)];
  pool.add(all, 'tracker');
  pool.next(0);
  pool.ban(at('::ffff:192.0.2.1', 50_000));
  pool.ban(at('127.0.0.1', 1));
  assert.equal(pool.known, 1);
  assert.equal(pool.banned, 2);
  pool.add(all, 'tracker');
  assert.equal(pool.known, 1);
  assert.deepEqual(
    all.map((address) => pool.isBanned(address)),
    [true, true, true, false],
  );
  assert.ok(pool.isBanned(at('::ffff:192.0.2.1', 7)));
});

test('a full pool forgets who has failed most, and keeps out the new when nobody has', () => {
  const pool = new AddressPool({ max: 10 });
  pool.add(peers(10), 'tracker');
  pool.add([peer(100)], 'pex');
  assert.equal(pool.known, 10);
  drain(pool, 0);
  pool.add([peer(101)], 'pex'); // all are in use
  pool.failed(peer(3), 0, 'refused');
  pool.failed(peer(5), 0, 'refused');
  assert.equal(pool.known, 10);
  while (pool.next(60_000)?.host !== host(5));
  pool.failed(peer(5), 60_000, 'refused');
  pool.failed(peer(3), 60_000, 'refused');
  pool.next(pool.nextDueAt);
  pool.add([peer(102)], 'pex');
  assert.equal(pool.known, 10);
  assert.deepEqual(pool.next(0), peer(102));
});

test('a peer of the user gets into a full pool of fresh addresses', () => {
  const pool = new AddressPool({ max: 10 });
  pool.add(peers(10), 'tracker');
  pool.add([peer(100)], 'user');
  assert.equal(pool.known, 10);
  assert.deepEqual(pool.next(0), peer(100));
});

test('whatever happens, no address is in use twice, given out before it is due, or remembered beyond the bound', () => {
  const steps = fc.array(
    fc.record({
      kind: fc.constantFrom('add', 'next', 'next', 'connected', 'failed', 'useless', 'useful', 'ban', 'self'),
      number: fc.nat(30),
      wait: fc.nat(20_000),
    }),
    { maxLength: 200 },
  );
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 1e9 }), (all, seed) => {
      const pool = new AddressPool({ max: 20, random: randomOf(seed) });
      const inUse = new Set<string>();
      const out = new Set<string>();
      let now = 0;
      for (const { kind, number, wait } of all) {
        now += wait;
        const address = peer(number);
        const key = formatAddress(address);
        if (kind === 'add') pool.add(peers(3, number), number % 7 === 0 ? 'user' : 'tracker');
        if (kind === 'next') {
          const isDue = pool.nextDueAt <= now;
          const next = pool.next(now);
          assert.equal(next !== undefined, isDue);
          if (!next) continue;
          assert.ok(!inUse.has(formatAddress(next)), 'in use twice');
          assert.ok(!out.has(formatAddress(next)), 'banned or ourselves');
          inUse.add(formatAddress(next));
        }
        if (kind === 'ban' || kind === 'self') {
          if (kind === 'ban') pool.ban(address);
          else pool.markSelf(address);
          out.add(key);
          inUse.delete(key);
        }
        if (inUse.has(key)) {
          if (kind === 'connected') pool.connected(address);
          else if (kind === 'failed') pool.failed(address, now, 'refused');
          else if (kind.startsWith('use')) pool.disconnected(address, now, { wasUseful: kind === 'useful' });
          if (['failed', 'useless', 'useful'].includes(kind)) inUse.delete(key);
        }
        assert.ok(pool.known <= 20);
        assert.equal(pool.waiting, pool.known - inUse.size);
      }
    }),
    { numRuns: 300 },
  );
});

test('cleared, it keeps what the user gave and whom it banned', () => {
  const pool = new AddressPool();
  pool.add([{ host: '192.0.2.1', port: 1 }], 'user');
  pool.add(
    [
      { host: '192.0.2.2', port: 2 },
      { host: '192.0.2.3', port: 3 },
    ],
    'tracker',
  );
  pool.ban({ host: '192.0.2.4', port: 4 });
  assert.deepEqual(pool.next(0), { host: '192.0.2.1', port: 1 });
  pool.clear();
  assert.equal(pool.known, 1);
  assert.ok(pool.isBanned({ host: '192.0.2.4', port: 4 }));
  assert.equal(pool.next(0), undefined);
});

test('how addresses failed is counted until they are reached', () => {
  const pool = new AddressPool();
  pool.add(peers(7), 'tracker');
  const reasons = ['ECONNREFUSED', 'no connection', 'ETIMEDOUT', 'EHOSTUNREACH', 'closed by the peer', 'EMFILE'];
  for (const [at, reason] of reasons.entries()) {
    pool.connected(peer(at)); // in use
    pool.failed(peer(at), 0, reason);
  }
  assert.deepEqual(pool.outcomes(), { refused: 1, timedOut: 2, unreachable: 1, noSocket: 1, hungUp: 1, useless: 0 });
  pool.connected(peer(0));
  assert.equal(pool.outcomes().refused, 0);
  pool.disconnected(peer(0), 0, { wasUseful: false });
  assert.equal(pool.outcomes().useless, 1);
  pool.connected(peer(0));
  pool.disconnected(peer(0), 0, { wasUseful: true });
  assert.equal(pool.outcomes().useless, 0);
});
