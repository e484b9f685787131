/** Tokens, gates, votes, stored peers, transactions and saved tables: what a node is made of. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ExternalAddress } from '../../../src/tracker/dht/external-address.js';
import { Gate } from '../../../src/tracker/dht/gate.js';
import type { Reply } from '../../../src/tracker/dht/krpc.js';
import { PeerStore } from '../../../src/tracker/dht/peer-store.js';
import { parseState, serializeState } from '../../../src/tracker/dht/store.js';
import { Tokens } from '../../../src/tracker/dht/tokens.js';
import { Transactions } from '../../../src/tracker/dht/transactions.js';
import { contactOf, idOf, random } from './helpers.js';
import { SimulatedClock } from './simulation.js';

const MINUTE = 60_000;

test('a token is good for its host alone, and for five to ten minutes', () => {
  const clock = new SimulatedClock();
  const tokens = new Tokens(clock, random);
  const token = tokens.give('84.1.2.3');
  assert.equal(tokens.accepts(token, '84.1.2.3'), true);
  assert.equal(tokens.accepts(token, '84.1.2.4'), false);
  assert.equal(tokens.accepts(token.subarray(1), '84.1.2.3'), false);
  clock.run(6 * MINUTE);
  assert.equal(tokens.accepts(token, '84.1.2.3'), true);
  clock.run(5 * MINUTE);
  assert.equal(tokens.accepts(token, '84.1.2.3'), false);
  const later = tokens.give('84.1.2.3');
  clock.run(60 * MINUTE);
  assert.equal(tokens.accepts(later, '84.1.2.3'), false, 'though nobody asked meanwhile');
});

test('a gate lets so much a second through, of each source and in all', () => {
  const clock = new SimulatedClock();
  const gate = new Gate(clock, { perSource: 3, total: 5 });
  assert.deepEqual(
    [1, 2, 3, 4].map(() => gate.admits('a')),
    [true, true, true, false],
  );
  assert.deepEqual(
    [1, 2, 3].map(() => gate.admits('b')),
    [true, true, false],
  );
  clock.run(1000);
  assert.equal(gate.admits('a', 4), false);
  assert.equal(gate.admits('a', 3), true);
});

test('our address is what most of at least six networks say', () => {
  const address = new ExternalAddress('ipv4');
  for (let voter = 1; voter <= 5; voter++) assert.equal(address.vote('84.1.2.3', `90.1.${voter}.1`), false);
  for (let voter = 1; voter <= 99; voter++) assert.equal(address.vote('84.1.2.3', `90.1.5.${voter}`), false);
  assert.equal(address.vote('10.0.0.1', '91.1.1.1'), false, 'nobody out there sees a private address');
  assert.equal(address.vote('2001:db8::1', '91.1.1.1'), false);
  assert.equal(address.vote('84.1.2.3', '10.0.0.1'), false, 'who is in our network does not know');
  assert.equal(address.ip, undefined);
  assert.equal(address.vote('84.1.2.3', '90.1.6.1'), true);
  assert.equal(address.ip, '84.1.2.3');
  for (let voter = 1; voter <= 6; voter++)
    assert.equal(address.vote('84.9.9.9', `92.1.${voter}.1`), false, 'no majority');
  assert.equal(address.vote('84.9.9.9', '92.1.7.1'), true);
  assert.equal(address.ip, '84.9.9.9');
});

test('a stored peer is given out for half an hour', () => {
  const clock = new SimulatedClock();
  const store = new PeerStore(clock);
  store.add(idOf(1), { host: '84.1.2.3', port: 6881 });
  clock.run(20 * MINUTE);
  store.add(idOf(1), { host: '84.1.2.4', port: 6881 });
  assert.equal(store.get(idOf(1), 10).length, 2);
  assert.equal(store.get(idOf(1), 1).length, 1);
  assert.deepEqual(store.get(idOf(2), 10), []);
  clock.run(11 * MINUTE);
  assert.deepEqual(store.get(idOf(1), 10), [Uint8Array.of(84, 1, 2, 4, 0x1a, 0xe1)]);
  clock.run(30 * MINUTE);
  store.expire();
  assert.deepEqual([store.size, store.hashes], [0, 0]);
});

test('announcing again keeps a peer once, for longer', () => {
  const clock = new SimulatedClock();
  const store = new PeerStore(clock);
  for (let turn = 0; turn < 5; turn++) {
    store.add(idOf(1), { host: '84.1.2.3', port: 6881 });
    clock.run(20 * MINUTE);
  }
  assert.deepEqual([store.size, store.hashes, store.get(idOf(1), 9).length], [1, 1, 1]);
});

test('stored peers are bounded: of a torrent, of a host, and in all', () => {
  const store = new PeerStore(new SimulatedClock());
  for (let n = 0; n < 300; n++) store.add(idOf(1), { host: `84.1.${n >> 8}.${n & 255}`, port: 6881 });
  assert.equal(store.size, 200);
  let taken = 0;
  for (let n = 0; n < 300; n++) if (store.add(idOf(2, n >> 8, n & 255), { host: '85.1.1.1', port: 6881 })) taken++;
  assert.equal(taken, 64);
  for (let n = 0; n < 20_000; n++) {
    store.add(idOf(3, n >> 8, n & 255), { host: `${90 + (n >> 14)}.${n >> 8}.${n & 255}.1`, port: 6881 });
  }
  assert.equal(store.size, 10_000);
  assert.ok(store.hashes <= 10_000);
});

function transactions() {
  const clock = new SimulatedClock();
  const open = new Transactions(clock, random);
  const seen: string[] = [];
  const to = { host: '84.1.2.3', port: 6881 };
  const begin = (): Uint8Array =>
    open.begin(to, {
      onReply: () => seen.push('reply'),
      onFailure: (reason) => seen.push(reason),
      onSlow: () => seen.push('slow'),
    })!;
  return { clock, open, seen, to, begin };
}

const reply = { kind: 'reply' } as Reply;

test('an answer counts with the right id, from the right address, once', () => {
  const { open, seen, to, begin } = transactions();
  const id = begin();
  assert.equal(open.settle(Uint8Array.of(1, 2, 3, 4), to, reply), false);
  assert.equal(open.settle(id, { ...to, port: 6882 }, reply), false);
  assert.equal(open.settle(id, { ...to, host: '84.1.2.4' }, reply), false);
  assert.equal(open.settle(id, to, reply), true);
  assert.equal(open.settle(id, to, reply), false);
  assert.equal(open.settle(begin(), to, undefined), true);
  assert.deepEqual(seen, ['reply', 'refused']);
  assert.equal(open.size, 0);
});

test('a query is slow after half a second and given up after two; both adapt to the network', () => {
  const { clock, open, seen, to, begin } = transactions();
  begin();
  clock.run(499);
  assert.deepEqual(seen, []);
  clock.run(1);
  assert.deepEqual(seen, ['slow']);
  clock.run(1500);
  assert.deepEqual(seen, ['slow', 'timeout']);
  for (let turn = 0; turn < 20; turn++) {
    const id = begin();
    clock.run(20);
    open.settle(id, to, reply);
  }
  assert.deepEqual([open.slowMs, open.timeoutMs], [100, 1000]);
  for (let turn = 0; turn < 40; turn++) {
    const id = begin();
    clock.run(990);
    open.settle(id, to, reply);
  }
  assert.ok(open.slowMs > 900 && open.slowMs <= 1000);
  assert.ok(open.timeoutMs <= 2000);
});

test('queries that wait are bounded, and closing forgets them', () => {
  const { clock, open, seen, begin } = transactions();
  for (let turn = 0; turn < 600; turn++) begin();
  assert.equal(open.size, 512);
  assert.equal(seen.filter((what) => what === 'too many').length, 88);
  open.close();
  assert.equal(clock.timers, 0);
});

test('a saved table is read as it was written', () => {
  const state = {
    ipv4: { id: random(20), contacts: [contactOf('84.1.2.3'), contactOf('84.1.3.3')] },
    ipv6: { id: random(20), contacts: [contactOf('2001:db8::1')] },
  };
  assert.deepEqual(parseState(serializeState(state)), state);
  assert.deepEqual(parseState(serializeState({ ipv4: state.ipv4 })), { ipv4: state.ipv4 });
});

test('a damaged table gives what is whole of it, or nothing; never an error or much memory', () => {
  const whole = serializeState({ ipv4: { id: idOf(1), contacts: [contactOf('84.1.2.3')] } });
  for (let length = 0; length < whole.length; length++) assert.equal(parseState(whole.subarray(0, length)), undefined);
  assert.equal(parseState(Buffer.alloc(100_000, 0x64)), undefined);
  assert.equal(parseState(Buffer.from('d7:versioni2ee')), undefined);
  assert.deepEqual(parseState(Buffer.from('d3:id41:x7:versioni1ee')), {});
  const many = serializeState({
    ipv4: { id: idOf(1), contacts: Array.from({ length: 999 }, () => contactOf('84.1.2.3')) },
  });
  assert.equal(parseState(many)!.ipv4!.contacts.length, 300);
  fc.assert(
    fc.property(fc.nat(whole.length - 1), fc.nat(255), (at, byte) => {
      const damaged = Uint8Array.from(whole);
      damaged[at] = byte;
      parseState(damaged);
    }),
  );
});
