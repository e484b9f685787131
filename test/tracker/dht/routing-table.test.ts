import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compareDistance, sharedBits } from '../../../src/tracker/dht/distance.js';
import { makeNodeId } from '../../../src/tracker/dht/node-id.js';
import { RoutingTable } from '../../../src/tracker/dht/routing-table.js';
import { contactOf, idOf, localContact, random } from './helpers.js';
import { SimulatedClock } from './simulation.js';

const MINUTE = 60_000;

function newTable() {
  const clock = new SimulatedClock();
  return { clock, table: new RoutingTable(idOf(0), clock) };
}

/** Nodes with ids from 0x80 00 on: those of the first bucket. */
const far = (port: number) => localContact(port, idOf(0x80, port >> 8, port & 0xff));
const near = (port: number) => localContact(port, idOf(0x00, port >> 8, port & 0xff));
/** Public nodes of the first bucket, each in a network of its own. */
function farPublic(second: number) {
  for (;;) {
    const contact = contactOf(`64.${second}.${random(1)[0]!}.1`);
    if (contact.id[0]! >= 0x80) return contact;
  }
}

test('the bucket of our own id is split, others hold eight', () => {
  const { table } = newTable();
  for (let port = 1; port <= 20; port++) table.add(far(port));
  assert.equal(table.size, 8);
  for (let port = 101; port <= 108; port++) table.add(near(port));
  assert.equal(table.size, 16);
  assert.equal(table.wants(far(50)), false);
  assert.equal(table.wants(near(150)), true);
});

test('our own id is never taken in', () => {
  const { table } = newTable();
  table.add(localContact(1, idOf(0)));
  assert.equal(table.size, 0);
  assert.equal(table.wants(localContact(1, idOf(0))), false);
});

test('the closest are those that sorting all would give', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ minLength: 20, maxLength: 20 }), { maxLength: 120 }),
      fc.uint8Array({ minLength: 20, maxLength: 20 }),
      (ids, target) => {
        const { table } = newTable();
        ids.forEach((id, index) => table.add(localContact(index + 1, id)));
        const sorted = table.entries().sort((a, b) => compareDistance(target, a.id, b.id));
        assert.deepEqual(table.closest(target, 8), sorted.slice(0, 8));
        for (let bits = 0; bits < 4; bits++) {
          const inBucket = table.entries().filter(({ id }) => sharedBits(id, table.id) === bits);
          assert.ok(inBucket.length <= 8);
        }
      },
    ),
  );
});

test('a node that fails twice makes way for one that waits', () => {
  const { table } = newTable();
  for (let port = 1; port <= 9; port++) table.add(far(port));
  assert.equal(table.find(far(9).address), undefined);
  table.failed(far(1).address);
  assert.ok(table.find(far(1).address));
  table.failed(far(1).address);
  assert.equal(table.find(far(1).address), undefined);
  assert.ok(table.find(far(9).address));
});

test('without one that waits a node stays for five failures, but nobody is told of it', () => {
  const { table } = newTable();
  table.add(far(1));
  for (let failure = 1; failure <= 4; failure++) table.failed(far(1).address);
  assert.equal(table.size, 1);
  assert.equal(table.goodNodes, 0);
  assert.deepEqual(table.closest(idOf(), 8, { onlyGood: true }), []);
  table.add(far(1));
  assert.equal(table.goodNodes, 1);
  for (let failure = 1; failure <= 5; failure++) table.failed(far(1).address);
  assert.equal(table.size, 0);
});

test('a quiet node is pinged before a new one takes its place', () => {
  const { table, clock } = newTable();
  for (let port = 1; port <= 8; port++) table.add(far(port));
  assert.equal(table.add(far(9)), undefined);
  assert.equal(table.questionable(), undefined);
  clock.run(16 * MINUTE);
  table.heard(far(1));
  assert.deepEqual(table.add(far(10))?.address, far(2).address);
  assert.deepEqual(table.questionable()?.address, far(2).address);
  assert.equal(table.find(far(10).address), undefined);
});

test('saved nodes are used but not told of, and go at their first failure', () => {
  const { table } = newTable();
  table.add(far(1), false);
  assert.equal(table.closest(idOf(), 8).length, 1);
  assert.deepEqual(table.closest(idOf(), 8, { onlyGood: true }), []);
  assert.ok(table.questionable());
  table.failed(far(1).address);
  assert.equal(table.size, 0);
});

test('a node that comes back with another id is a new node', () => {
  const { table } = newTable();
  table.add(far(1));
  table.add(localContact(1, idOf(0x01)));
  assert.equal(table.size, 1);
  assert.deepEqual(table.find(far(1).address)!.id, idOf(0x01));
});

test('an id that is taken is not given to another address while its node answers', () => {
  const { table } = newTable();
  table.add(far(1));
  table.add(localContact(2, far(1).id));
  assert.deepEqual(
    table.entries().map(({ address }) => address.port),
    [1],
  );
  table.failed(far(1).address);
  table.add(localContact(2, far(1).id));
  assert.deepEqual(
    table.entries().map(({ address }) => address.port),
    [2],
  );
});

test('in the public network a host has one node, and a /24 one in a bucket', () => {
  const { table } = newTable();
  const host = '84.1.2.3';
  const first = contactOf(host);
  table.add(first);
  table.add(contactOf(host, makeNodeId(host, random), 6882));
  assert.equal(table.size, 1);
  table.add(contactOf('84.1.2.4', Uint8Array.from([...first.id.subarray(0, 19), first.id[19]! ^ 1])));
  assert.equal(table.size, 1);
  table.add(contactOf('84.1.3.4'));
  assert.equal(table.size, 2);
});

test('in a full bucket an id that fits its address takes the place of one that does not', () => {
  const { table } = newTable();
  for (let second = 1; second <= 8; second++) table.add(contactOf(`64.${second}.9.9`, idOf(0x80, second)));
  assert.equal(table.size, 8);
  assert.equal(table.entries().filter(({ fits }) => fits).length, 0);
  const fitting = farPublic(50);
  table.add(fitting);
  assert.ok(table.find(fitting.address)?.fits);
  assert.equal(table.size, 8);
  table.add(contactOf('64.60.9.9', idOf(0x80, 60)));
  assert.equal(table.find({ host: '64.60.9.9', port: 6881 }), undefined);
});

test('each bucket is refreshed once in 15 minutes, those with room first', () => {
  const { table, clock } = newTable();
  for (let port = 1; port <= 8; port++) table.add(far(port));
  for (let port = 101; port <= 103; port++) table.add(near(port));
  assert.equal(table.takeStaleBucket(), 1);
  assert.equal(table.takeStaleBucket(), 0);
  assert.equal(table.takeStaleBucket(), undefined);
  clock.run(10 * MINUTE);
  table.lookedUp(idOf(0xff));
  clock.run(6 * MINUTE);
  assert.equal(table.takeStaleBucket(), 1);
  assert.equal(table.takeStaleBucket(), undefined);
});

test('whatever comes, the table keeps its bounds', () => {
  const { table } = newTable();
  for (let turn = 0; turn < 20_000; turn++) {
    const [a, b] = random(2);
    const contact = contactOf(`64.${a! & 31}.${b!}.1`, random(20));
    if (a! > 128) table.add(contact, b! > 100);
    else if (a! > 64) table.failed(contact.address);
    else table.heard(contact);
  }
  assert.ok(table.size <= 160, `${table.size}`);
  assert.equal(new Set(table.entries().map(({ address }) => address.host)).size, table.size);
});
