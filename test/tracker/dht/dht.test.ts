/** Whole nodes: what they answer, what they learn, and that nothing from outside breaks them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { PeerAddress } from '../../../src/common/address.js';
import { encode } from '../../../src/common/bencode.js';
import { Dht, type DhtOptions } from '../../../src/tracker/dht/dht.js';
import {
  encodeQuery,
  encodeReply,
  parseMessage,
  type Message,
  type Query,
  type Question,
  type Reply,
} from '../../../src/tracker/dht/krpc.js';
import { fitsAddress, makeNodeId } from '../../../src/tracker/dht/node-id.js';
import { parseState, serializeState } from '../../../src/tracker/dht/store.js';
import { idOf, random } from './helpers.js';
import { seededRandom, SimulatedClock } from './simulation.js';

const MINUTE = 60_000;
const HASH = idOf(0xab);
const ROUTER = { host: '84.1.1.1', port: 6881 };

/** A node whose neighbours the test plays. */
function open(options: Partial<DhtOptions> = {}) {
  const clock = new SimulatedClock();
  const sent: { readonly message: Message; readonly to: PeerAddress; readonly length: number }[] = [];
  const dht = Dht.open({
    network: { send: (bytes, to) => void sent.push({ message: parseMessage(bytes)!, to, length: bytes.length }) },
    ...{ families: ['ipv4', 'ipv6'], bootstrap: [], clock, random },
    ...options,
  });
  const take = () => sent.splice(0);
  return {
    ...{ dht, clock, sent, take },
    /** Asks as a node would; the answer, if any. */
    ask: (question: Question, from: PeerAddress, { id = random(20), isReadOnly = false } = {}) => {
      take();
      dht.receive(encodeQuery(Uint8Array.of(7, 7), { id, isReadOnly }, question), from);
      return take().find(({ message }) => message.kind !== 'query');
    },
    /** Answers all that the node asks for, as nodes that know `contacts`. */
    answerAll: (answer: (query: Query, to: PeerAddress) => Uint8Array | undefined): void => {
      for (let turn = 0; turn < 200 && sent.length > 0; turn++) {
        for (const { message, to } of take()) {
          const bytes = message.kind === 'query' ? answer(message, to) : undefined;
          if (bytes) dht.receive(bytes, to);
        }
      }
    },
  };
}

const idFor = ({ host }: PeerAddress): Uint8Array =>
  makeNodeId(host, () => Uint8Array.from(Buffer.from(host.padEnd(20))));
const answerAs = (query: Query, to: PeerAddress): Uint8Array =>
  encodeReply(query.transaction, { host: '90.1.1.1', port: 1 }, { id: idFor(to), contacts: { ipv4: [] } });

test('ping, find_node, get_peers and announce_peer are answered', () => {
  const { ask } = open();
  const from = { host: '85.1.1.1', port: 4000 };
  const ping = ask({ method: 'ping' }, from)!.message as Reply;
  assert.equal(ping.id.length, 20);
  assert.equal(ping.seenIp, from.host);
  assert.equal(ask({ method: 'find_node', target: HASH, wants: [] }, from)!.message.kind, 'reply');
  const { token } = ask({ method: 'get_peers', target: HASH, wants: [] }, from)!.message as Reply;
  const announce = { method: 'announce_peer', target: HASH, port: 7000, token: token!, isSeed: false } as const;
  assert.equal(ask(announce, from)!.message.kind, 'reply');
  const { peers } = ask({ method: 'get_peers', target: HASH, wants: [] }, { host: '86.1.1.1', port: 1 })!
    .message as Reply;
  assert.deepEqual(peers, [{ host: from.host, port: 7000 }]);
});

test('an announce needs a token of its own host and a port', () => {
  const { dht, ask } = open();
  const from = { host: '85.1.1.1', port: 4000 };
  const { token } = ask({ method: 'get_peers', target: HASH, wants: [] }, from)!.message as Reply;
  const announce = { method: 'announce_peer', target: HASH, port: 7000, token: token!, isSeed: false } as const;
  assert.equal(ask(announce, { host: '85.1.1.2', port: 4000 })!.message.kind, 'refusal');
  assert.equal(ask({ ...announce, token: Uint8Array.of(1) }, from)!.message.kind, 'refusal');
  assert.equal(ask({ ...announce, port: 0 }, from)!.message.kind, 'refusal');
  assert.equal(ask({ ...announce, port: 65_536 }, from)!.message.kind, 'refusal');
  assert.equal(dht.status().storedPeers, 0);
});

test('implied_port takes the port that the datagram came from', () => {
  const { dht, ask, take } = open();
  const from = { host: '85.1.1.1', port: 4000 };
  const { token } = ask({ method: 'get_peers', target: HASH, wants: [] }, from)!.message as Reply;
  const values = { id: random(20), info_hash: HASH, port: 9, implied_port: 1, token: token! };
  dht.receive(encode({ t: 'aa', y: 'q', q: 'announce_peer', a: values }), from);
  take();
  const { peers } = ask({ method: 'get_peers', target: HASH, wants: [] }, from)!.message as Reply;
  assert.deepEqual(peers, [from]);
});

test('what is not invented yet is answered with nodes when it has a target, and refused when not', () => {
  const { dht, take } = open();
  const from = { host: '85.1.1.1', port: 4000 };
  dht.receive(encode({ t: 'aa', y: 'q', q: 'new', a: { id: random(20), target: HASH } }), from);
  assert.equal(take().find(({ message }) => message.kind !== 'query')!.message.kind, 'reply');
  dht.receive(encode({ t: 'aa', y: 'q', q: 'new', a: { id: random(20) } }), from);
  assert.equal(take().find(({ message }) => message.kind !== 'query')!.message.kind, 'refusal');
});

test('an answer to one who has not shown his address is short, and fits a datagram in any case', () => {
  const { dht, clock, ask } = open({ families: ['ipv4'] });
  for (let n = 0; n < 250; n++) {
    const from = { host: `85.1.${n}.1`, port: 4000 };
    const { token } = ask({ method: 'get_peers', target: HASH, wants: [] }, from)!.message as Reply;
    ask({ method: 'announce_peer', target: HASH, port: 7000, token: token!, isSeed: false }, from);
    clock.run(100);
  }
  assert.equal(dht.status().storedPeers, 200);
  const from = { host: '86.1.1.1', port: 4000 };
  const stranger = ask({ method: 'get_peers', target: HASH, wants: ['ipv4', 'ipv6'] }, from)!;
  assert.ok(stranger.length <= 720, `${stranger.length}`);
  assert.ok((stranger.message as Reply).peers.length > 20);
});

test('queries are answered at a bounded rate: of one host, and in all', () => {
  const { clock, ask, dht } = open();
  const answered = (host: (n: number) => string, count: number): number =>
    Array.from({ length: count }, (_, n) => ask({ method: 'ping' }, { host: host(n), port: 4000 })).filter(Boolean)
      .length;
  assert.equal(
    answered(() => '85.1.1.1', 100),
    20,
  );
  clock.run(1000);
  assert.equal(
    answered((n) => `86.1.${n >> 8}.${n & 255}`, 1000),
    250,
  );
  clock.run(1000);
  assert.equal(
    answered(() => '85.1.1.1', 300),
    20,
  );
  assert.ok(dht.counters.flooded > 0, 'and a flood is not even parsed');
});

test('pings to nodes that only asked us are few, however many ask', () => {
  const { dht, take } = open();
  take();
  for (let n = 0; n < 200; n++) {
    const from = { host: `86.1.${n}.1`, port: 4000 };
    dht.receive(encodeQuery(Uint8Array.of(1), { id: random(20), isReadOnly: false }, { method: 'ping' }), from);
  }
  assert.equal(take().filter(({ message }) => message.kind === 'query').length, 8);
  assert.equal(dht.status().nodes4, 0, 'nobody is believed before he answers');
});

test('a node that asks and answers is taken in; one that is read-only is not', () => {
  const { dht, ask, answerAll } = open();
  const from = { host: '85.1.1.1', port: 4000 };
  dht.receive(encodeQuery(Uint8Array.of(1), { id: idFor(from), isReadOnly: true }, { method: 'ping' }), from);
  answerAll(answerAs);
  assert.equal(dht.status().nodes4, 0);
  dht.receive(encodeQuery(Uint8Array.of(1), { id: idFor(from), isReadOnly: false }, { method: 'ping' }), from);
  answerAll(answerAs);
  assert.deepEqual([dht.status().nodes4, dht.status().goodNodes], [1, 1]);
  const { contacts } = ask({ method: 'find_node', target: HASH, wants: [] }, { host: '86.1.1.1', port: 1 })!
    .message as Reply;
  assert.deepEqual(contacts, [{ id: idFor(from), address: from }]);
});

test('a node that cannot be reached says so, and answers nobody', () => {
  const { dht, ask, sent } = open({ isReachable: () => false, bootstrap: [ROUTER] });
  assert.equal((sent[0]!.message as Query).isReadOnly, true);
  assert.equal(ask({ method: 'ping' }, { host: '85.1.1.1', port: 4000 }), undefined);
  assert.equal(dht.status().isReadOnly, true);
});

test('a node that a peer tells of is asked before it is believed', () => {
  const { dht, sent, answerAll, take } = open();
  dht.addNode({ host: '::ffff:85.1.1.1', port: 4000 });
  assert.deepEqual(
    sent.map(({ to }) => to),
    [{ host: '85.1.1.1', port: 4000 }],
  );
  assert.equal(dht.status().nodes4, 0);
  answerAll(answerAs);
  assert.equal(dht.status().nodes4, 1);
  dht.addNode({ host: '2001:db8::5', port: 4000 });
  assert.equal(take()[0]!.to.host, '2001:db8::5');
  for (const host of ['255.255.255.255', 'fe80::1%eth0', 'no address', '0.0.0.0']) dht.addNode({ host, port: 4000 });
  dht.addNode({ host: '85.1.1.2', port: 0 });
  assert.equal(take().length, 0);
});

test('the tables come back in the next run, and are asked at once, all in parallel', () => {
  const contacts = Array.from({ length: 8 }, (_, n) => {
    const address = { host: `85.1.${n}.1`, port: 4000 };
    return { id: idFor(address), address };
  });
  const state = serializeState({ ipv4: { id: idOf(5), contacts } });
  const notices: string[] = [];
  const { dht, sent } = open({ state, bootstrap: [ROUTER], onNotice: (text) => notices.push(text) });
  assert.equal(dht.status().nodes4, 8);
  const hosts = sent.map(({ to }) => to.host);
  assert.equal(hosts.filter((host) => host.startsWith('85.')).length, 8);
  assert.ok(!hosts.includes(ROUTER.host), 'no need to trouble the routers');
  assert.deepEqual(parseState(dht.save())!.ipv4!.id, idOf(5));
  open({ state: Buffer.from('rubbish'), onNotice: (text) => notices.push(text) });
  assert.deepEqual(notices, ['ignoring the saved DHT table: it is damaged']);
});

test('when the saved nodes are gone the bootstrap hosts are asked after half a second', () => {
  const address = { host: '85.1.1.1', port: 4000 };
  const state = serializeState({ ipv4: { id: idOf(5), contacts: [{ id: idFor(address), address }] } });
  const { clock, sent } = open({ state, families: ['ipv4'], bootstrap: [ROUTER] });
  clock.run(499);
  assert.ok(!sent.some(({ to }) => to.host === ROUTER.host));
  clock.run(2);
  assert.ok(sent.some(({ to }) => to.host === ROUTER.host));
});

test('bootstrap hosts are looked up when needed, and a slow name holds the others up no longer than 200 ms', async () => {
  const { clock, sent, dht } = open({
    families: ['ipv4', 'ipv6'],
    bootstrap: ['good.test', 'slow.test', 'bad.test'].map((host) => ({ host, port: 6881 })),
    resolve: (host) =>
      host === 'good.test'
        ? Promise.resolve(['84.9.9.9', '2001:db8::9'])
        : host === 'slow.test'
          ? new Promise<string[]>(() => undefined)
          : Promise.reject(new Error('no such host')),
  });
  assert.equal(sent.length, 0);
  await new Promise(setImmediate);
  clock.run(200);
  assert.deepEqual([...new Set(sent.map(({ to }) => to.host))].sort(), ['2001:db8::9', '84.9.9.9']);
  assert.deepEqual(dht.unresolved, ['slow.test', 'bad.test']);
});

test('once enough nodes tell us our address, our id fits it', () => {
  const { dht, clock, answerAll } = open({ families: ['ipv4'] });
  for (let n = 0; n < 8; n++) {
    dht.addNode({ host: `85.${n}.1.1`, port: 4000 });
    clock.run(1000);
    answerAll(answerAs);
  }
  assert.deepEqual(dht.status().externalIps, ['90.1.1.1']);
  const { id, contacts } = parseState(dht.save())!.ipv4!;
  assert.equal(fitsAddress(id, '90.1.1.1'), true);
  assert.equal(contacts.length, 8, 'the table moved along');
});

test('an answer under another id than the node is known by puts it out', () => {
  const { dht, clock, answerAll } = open({ families: ['ipv4'] });
  dht.addNode({ host: '85.1.1.1', port: 4000 });
  answerAll(answerAs);
  assert.equal(dht.status().nodes4, 1);
  clock.run(MINUTE + 100);
  answerAll((query, to) => encodeReply(query.transaction, to, { id: idOf(1, 2, 3) }));
  assert.equal(dht.status().nodes4, 0);
  assert.ok(dht.counters.impostors > 0);
});

test('closing leaves no timer, and nothing happens after it', async () => {
  const { dht, clock, sent, take } = open({ bootstrap: [ROUTER] });
  dht.search({ infoHash: HASH, announce: () => undefined, onPeers: () => assert.fail(), onEnd: () => assert.fail() });
  take();
  await dht[Symbol.asyncDispose]();
  assert.equal(clock.timers, 0);
  dht.receive(encodeQuery(Uint8Array.of(1), { id: idOf(1), isReadOnly: false }, { method: 'ping' }), ROUTER);
  dht.addNode(ROUTER);
  assert.deepEqual(sent, []);
});

test('random and mutated datagrams throw nothing and leave nothing behind', () => {
  const { dht, clock, sent } = open();
  const next = seededRandom(3);
  const seeds = [
    encodeQuery(Uint8Array.of(1, 2), { id: idOf(1), isReadOnly: false }, { method: 'ping' }),
    encodeQuery(
      Uint8Array.of(1, 2),
      { id: idOf(1), isReadOnly: false },
      { method: 'get_peers', target: HASH, wants: ['ipv4'] },
    ),
    encodeReply(Uint8Array.of(1, 2), ROUTER, {
      id: idOf(1),
      token: idOf(2),
      contacts: { ipv4: [{ id: idOf(3), address: ROUTER }] },
    }),
  ];
  for (let turn = 0; turn < 20_000; turn++) {
    const bytes = Uint8Array.from(seeds[turn % seeds.length]!);
    for (let change = 0; change < 1 + (turn & 3); change++) bytes[Math.floor(next() * bytes.length)] = next() * 256;
    dht.receive(bytes, { host: `87.${turn & 255}.${(turn >> 8) & 255}.1`, port: 1 + (turn & 0xff) });
    clock.run(1);
    sent.length = 0;
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      dht.receive(Uint8Array.of(0x64, ...bytes), ROUTER);
    }),
  );
  assert.ok(dht.counters.malformed > 1000);
  clock.run(5000);
  const { nodes4, nodes6, pending, storedPeers } = dht.status();
  assert.ok(pending < 32, `${pending}`);
  assert.deepEqual([nodes4, nodes6, storedPeers], [0, 0, 0]);
});
