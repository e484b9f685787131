import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatAddress, type PeerAddress } from '../../../src/common/address.js';
import type { Contact } from '../../../src/tracker/dht/contact.js';
import type { Reply } from '../../../src/tracker/dht/krpc.js';
import { Lookup, type LookupOptions, type LookupResult } from '../../../src/tracker/dht/lookup.js';
import type { QueryHandlers } from '../../../src/tracker/dht/transactions.js';
import { contactOf, idOf, localContact, random } from './helpers.js';
import { SimulatedClock } from './simulation.js';

const TARGET = idOf();

/** The test answers each query by hand. */
function start(contacts: readonly Contact[], options: Partial<LookupOptions> = {}) {
  const clock = new SimulatedClock();
  const asked = new Map<string, QueryHandlers>();
  const order: string[] = [];
  const found: PeerAddress[] = [];
  let result: LookupResult | undefined;
  const lookup = new Lookup({
    ...{ target: TARGET, clock, contacts },
    ask: (address, handlers) => {
      asked.set(formatAddress(address), handlers);
      order.push(formatAddress(address));
    },
    onPeers: (peers) => found.push(...peers),
    onEnd: (end) => (result = end),
    ...options,
  });
  lookup.start();
  return {
    ...{ lookup, clock, asked, order, found },
    result: () => result,
    handlers: ({ address }: Contact) => asked.get(formatAddress(address))!,
    reply(from: Contact, reply: Partial<Reply> = {}): void {
      const nothing = { contacts: [], peers: [], token: undefined, seenIp: undefined };
      asked
        .get(formatAddress(from.address))!
        .onReply({ kind: 'reply', transaction: idOf(), id: from.id, ...nothing, ...reply });
    },
  };
}

/** Ever nearer the target with a larger `nearness`. */
const node = (port: number, nearness: number): Contact =>
  localContact(port, idOf(0x80 >> (nearness & 7), 0, port >> 8, port));
const publicNode = (n: number): Contact => contactOf(`64.${n}.1.1`, undefined, 6881);

test('it asks the nearest, then what they name, and ends with the nearest eight that answered', () => {
  const first = [1, 2, 3].map((port) => node(port, 0));
  const second = Array.from({ length: 10 }, (_, n) => node(10 + n, 4));
  const walk = start(first);
  assert.equal(walk.asked.size, 3);
  walk.reply(first[0]!, { contacts: second });
  assert.equal(walk.asked.size, 5, 'four at once: two still wait');
  for (const contact of [...first.slice(1), ...second.slice(0, 8)]) walk.reply(contact, { token: Uint8Array.of(1) });
  assert.deepEqual(
    walk.result()?.closest.map(({ address }) => address.port),
    [10, 11, 12, 13, 14, 15, 16, 17],
    'no more than eight of one answer count',
  );
  assert.deepEqual([walk.result()!.queries, walk.result()!.answers], [11, 11]);
  assert.equal(walk.clock.timers, 0);
});

test('peers are told as they are found, each once, and private ones only by nodes of our network', () => {
  const [outside, inside] = [publicNode(1), node(5, 0)];
  const walk = start([outside, inside]);
  const good = { host: '84.1.1.1', port: 1 };
  const local = { host: '192.168.1.1', port: 2 };
  walk.reply(outside, { peers: [good, local, good] });
  assert.deepEqual(walk.found, [good]);
  walk.reply(inside, { peers: [good, local] });
  assert.deepEqual(walk.found, [good, local]);
  assert.equal(walk.result()!.peers, 2);
});

test('a slow node holds nobody up', () => {
  const contacts = Array.from({ length: 20 }, (_, n) => node(n + 1, 0));
  const walk = start(contacts);
  assert.equal(walk.asked.size, 8, 'more at once before the first answer');
  walk.reply(contacts[0]!);
  assert.equal(walk.asked.size, 8);
  for (const contact of contacts.slice(1, 8)) walk.handlers(contact).onSlow!();
  assert.equal(walk.asked.size, 12);
  for (const contact of contacts.slice(8, 15)) walk.reply(contact);
  assert.ok(walk.result(), 'eight have answered');
  assert.ok(walk.result()!.queries <= 20);
});

test('who names dead nodes is not followed beyond a few', () => {
  const [liar, honest] = [publicNode(1), publicNode(2)];
  const dead = Array.from({ length: 8 }, (_, n) => contactOf(`70.${n}.1.1`, idOf(0, 0, 0, n + 1)));
  const walk = start([liar, honest]);
  walk.reply(liar, { contacts: dead });
  walk.reply(honest, { contacts: [publicNode(3), publicNode(4)] });
  for (let turn = 0; turn < 10; turn++) {
    for (const contact of dead) walk.asked.get(formatAddress(contact.address))?.onSlow?.();
  }
  const asked = dead.filter(({ address }) => walk.asked.has(formatAddress(address)));
  assert.ok(asked.length <= 3, `${asked.length}`);
  for (const contact of asked) walk.handlers(contact).onFailure('timeout');
  for (const contact of [3, 4]) walk.reply(publicNode3(walk.asked, contact));
  assert.equal(walk.result()!.closest.length, 4);
});

/** The node that was asked at that host, whatever its id. */
function publicNode3(asked: Map<string, QueryHandlers>, n: number): Contact {
  const key = [...asked.keys()].find((text) => text.startsWith(`64.${n}.`))!;
  return { id: random(20), address: { host: key.split(':')[0]!, port: 6881 } };
}

test('an endless chain of ever nearer nodes ends', () => {
  let last = node(1, 0);
  const walk = start([last]);
  for (let turn = 0; turn < 1000 && !walk.result(); turn++) {
    const next = localContact(1000 + turn, idOf(0, 0xff - (turn >> 8), 0xff - (turn & 0xff)));
    walk.reply(last, { contacts: [next] });
    last = next;
  }
  assert.equal(walk.result()!.queries, 150);
});

test('of the nearest four may have ids that do not fit their addresses, and six others must be among them', () => {
  const forged = Array.from({ length: 12 }, (_, n) => contactOf(`70.${n}.1.1`, idOf(0, 0, 0, n + 1)));
  const honest = Array.from({ length: 12 }, (_, n) => publicNode(n));
  const walk = start([...forged, ...honest]);
  const handled = new Set<string>();
  for (let turn = 0; turn < 40; turn++) {
    for (const contact of [...forged, ...honest]) {
      const key = formatAddress(contact.address);
      if (!walk.asked.has(key) || handled.has(key)) continue;
      handled.add(key);
      walk.reply(contact);
    }
  }
  const hosts = walk.result()!.closest.map(({ address }) => address.host);
  assert.equal(hosts.length, 10);
  assert.equal(hosts.filter((host) => host.startsWith('70.')).length, 4);
});

test('a host of the public network is asked once, and a /24 three times', () => {
  const sameHost = Array.from({ length: 5 }, (_, n) => contactOf('84.1.1.1', undefined, 1000 + n));
  assert.equal(start(sameHost).asked.size, 1);
  const sameNetwork = Array.from({ length: 8 }, (_, n) => contactOf(`84.1.1.${n + 1}`));
  assert.equal(start(sameNetwork).asked.size, 3);
});

test('a node stands where its own answer puts it', () => {
  const near = contactOf('84.1.1.1', idOf(0, 0, 0, 1));
  const walk = start([near, publicNode(1)]);
  const real = random(20);
  walk.reply(near, { id: real });
  const [other] = [publicNode(1)];
  walk.asked.get(formatAddress(other.address))!.onFailure('timeout');
  assert.deepEqual(
    walk.result()!.closest.map(({ id }) => id),
    [real],
  );
});

test('with nobody to ask it asks for addresses, and waits for them', () => {
  let give: (addresses: readonly PeerAddress[]) => void = () => assert.fail('not asked for');
  const walk = start([], { moreAddresses: (callback) => (give = callback) });
  assert.equal(walk.result(), undefined);
  give([{ host: '127.0.0.1', port: 7 }]);
  assert.deepEqual(walk.order, ['127.0.0.1:7']);
  walk.reply(localContact(7, idOf(9)));
  assert.equal(walk.result()!.closest.length, 1);
});

test('when none of the nodes that we knew answers soon, it asks for addresses before they have failed', () => {
  let isAsked = false;
  const walk = start([node(1, 0)], { moreAddresses: () => (isAsked = true) });
  assert.equal(isAsked, false);
  walk.handlers(node(1, 0)).onSlow!();
  assert.equal(isAsked, true);
  walk.handlers(node(1, 0)).onFailure('timeout');
  assert.equal(walk.result(), undefined, 'it waits for them');
});

test('it ends after 20 s at the latest, and at once when cancelled', () => {
  const walk = start([node(1, 0)], { moreAddresses: () => undefined });
  walk.clock.run(20_000);
  assert.deepEqual(walk.result(), { closest: [], queries: 1, answers: 0, peers: 0 });
  const cancelled = start([node(1, 0)]);
  cancelled.lookup.cancel();
  cancelled.reply(node(1, 0), { peers: [{ host: '84.1.1.1', port: 1 }], contacts: [node(2, 1)] });
  assert.deepEqual([cancelled.result(), cancelled.found, cancelled.asked.size], [undefined, [], 1]);
  assert.equal(cancelled.clock.timers, 0);
});

test('a query that fails at once does not end in a loop', () => {
  const contacts = Array.from({ length: 30 }, (_, n) => node(n + 1, 0));
  const walk = start(contacts, { ask: (_, handlers) => handlers.onFailure('too many') });
  assert.equal(walk.result()!.answers, 0);
});
