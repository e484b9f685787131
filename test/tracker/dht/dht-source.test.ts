import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatAddress } from '../../../src/common/address.js';
import { DhtSource, type DhtSourceOptions } from '../../../src/tracker/dht/dht-source.js';
import { Dht, type DhtOptions } from '../../../src/tracker/dht/dht.js';
import { encodeReply, parseMessage, type Query } from '../../../src/tracker/dht/krpc.js';
import { compactAddress } from '../../../src/tracker/dht/contact.js';
import { idOf, random } from './helpers.js';
import { SimulatedClock } from './simulation.js';

const MINUTE = 60_000;
const HASH = idOf(0xab);
const PEER = { host: '10.0.0.9', port: 7000 };

/** One node of the own network, that knows one peer. */
function open(
  options: Partial<DhtSourceOptions> = {},
  dhtOptions: Partial<DhtOptions> = {},
  network = { answers: true, hasPeers: true },
) {
  const clock = new SimulatedClock();
  const asked: { readonly query: Query; readonly at: number }[] = [];
  const dht: Dht = Dht.open({
    network: {
      send: (bytes, to) => {
        const query = parseMessage(bytes) as Query;
        asked.push({ query, at: clock.now() });
        if (!network.answers) return;
        const peers = query.method === 'get_peers' && network.hasPeers ? [compactAddress(PEER)!] : [];
        const reply = encodeReply(query.transaction, to, { id: idOf(1), peers, token: Uint8Array.of(3) });
        clock.after(10, () => dht.receive(reply, to));
      },
    },
    ...{ families: ['ipv4'], bootstrap: [{ host: '10.0.0.1', port: 6881 }], clock, random },
    ...dhtOptions,
  });
  const found: string[] = [];
  const source = DhtSource.open(dht, {
    ...{ infoHash: HASH, port: () => 7001, random: () => 0.5 },
    onPeers: (peers, name) => found.push(...peers.map((peer) => `${formatAddress(peer)} ${name}`)),
    ...options,
  });
  const times = (method: string): number[] =>
    asked.filter(({ query }) => query.method === method).map(({ at }) => Math.floor(at / 1000));
  return { clock, network, asked, dht, source, found, times };
}

test('peers are told as they are found, and the torrent announced at the end', () => {
  const { clock, found, asked, source } = open({ isSeed: () => true });
  assert.equal(source.status()[0]!.state, 'asking');
  clock.run(100);
  assert.deepEqual(found, ['10.0.0.9:7000 DHT']);
  const announces = asked.filter(({ query }) => query.method === 'announce_peer');
  assert.deepEqual(
    announces.map(({ query }) => [query.port, query.token]),
    [[7001, Uint8Array.of(3)]],
  );
  assert.deepEqual(source.status(), [{ name: 'DHT', state: 'working', peers: 1, nextInMs: 15 * MINUTE - 90 }]);
  assert.equal(source.failures(), undefined);
});

test('it announces every 15 minutes', () => {
  const { clock, times } = open();
  clock.run(46 * MINUTE);
  assert.deepEqual(times('announce_peer'), [0, 900, 1800, 2700]);
});

test('when peers are wanted it searches again, once a minute at most', () => {
  const { clock, source, times } = open();
  for (let second = 0; second < 150; second++) {
    source.requestPeers();
    clock.run(1000);
  }
  assert.deepEqual(times('get_peers'), [0, 60, 120]);
});

test('while nobody is found it searches less and less often', () => {
  const { clock, source, times } = open({}, {}, { answers: true, hasPeers: false });
  for (let second = 0; second < 200; second++) {
    source.requestPeers();
    clock.run(1000);
  }
  assert.deepEqual(times('get_peers'), [0, 5, 15, 35, 75, 135, 195]);
});

test('without a port nothing is announced', () => {
  const { clock, asked } = open({ port: () => 0 });
  clock.run(MINUTE);
  assert.ok(!asked.some(({ query }) => query.method === 'announce_peer'));
});

test('a completed torrent is announced again soon', () => {
  const { clock, source, times } = open();
  clock.run(1000);
  source.completed();
  clock.run(2 * MINUTE);
  assert.deepEqual(times('announce_peer'), [0, 60]);
});

test('when no node answers that is a failure, until one does', () => {
  const { clock, source, network } = open({}, {}, { answers: false, hasPeers: true });
  assert.equal(source.failures(), undefined);
  clock.run(3000);
  assert.deepEqual(source.failures()!.map(String), ['TrackerError: DHT: no node answered']);
  assert.equal(source.status()[0]!.state, 'failed');
  assert.equal(source.status()[0]!.message, 'no node answered');
  network.answers = true;
  clock.run(2 * MINUTE);
  assert.equal(source.failures(), undefined);
  assert.equal(source.status()[0]!.state, 'working');
});

test('a node that a peer tells of is used at once', () => {
  const { clock, dht, found } = open({}, { bootstrap: [] });
  clock.run(1000);
  dht.addNode({ host: '10.0.0.1', port: 6881 });
  clock.run(100);
  assert.equal(found.length, 1);
});

test('a bootstrap host without an address is named', async () => {
  const { clock, source } = open(
    {},
    { bootstrap: [{ host: 'nowhere.test', port: 1 }], resolve: () => Promise.reject(new Error('no')) },
  );
  await new Promise(setImmediate);
  clock.run(100);
  assert.equal(source.failures()![0]!.message, 'DHT: cannot resolve nowhere.test');
});

test('closing ends it at once', async () => {
  const { clock, source, dht, found, times } = open();
  await source[Symbol.asyncDispose]();
  clock.run(20 * MINUTE + 1000);
  assert.deepEqual([found, times('announce_peer')], [[], []]);
  await dht[Symbol.asyncDispose]();
  assert.equal(clock.timers, 0);
});
