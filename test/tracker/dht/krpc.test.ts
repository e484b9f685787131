import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encode } from '../../../src/common/bencode.js';
import { compactAddress } from '../../../src/tracker/dht/contact.js';
import {
  claimsDatagram,
  encodeQuery,
  encodeRefusal,
  encodeReply,
  parseMessage,
  type Query,
  type Reply,
} from '../../../src/tracker/dht/krpc.js';
import { contactOf, idOf, text } from './helpers.js';

const ID = Buffer.from('abcdefghij0123456789');
const TARGET = Buffer.from('mnopqrstuvwxyz123456');
const query = (bytes: string): Query => parseMessage(Buffer.from(bytes, 'latin1')) as Query;
const reply = (bytes: string): Reply => parseMessage(Buffer.from(bytes, 'latin1')) as Reply;

test('the examples of BEP 5 are understood', () => {
  const ping = query('d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe');
  assert.deepEqual([ping.method, text(ping.id), text(ping.transaction)], ['ping', String(ID), 'aa']);
  const find = query('d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz123456e1:q9:find_node1:t2:aa1:y1:qe');
  assert.deepEqual([find.method, text(find.target!)], ['find_node', String(TARGET)]);
  const get = query('d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz123456e1:q9:get_peers1:t2:aa1:y1:qe');
  assert.deepEqual(
    [get.method, text(get.target!), get.wants, get.isReadOnly],
    ['get_peers', String(TARGET), [], false],
  );
  const announce = query(
    'd1:ad2:id20:abcdefghij012345678912:implied_porti1e9:info_hash20:mnopqrstuvwxyz1234564:porti6881e5:token8:aoeusnthe' +
      '1:q13:announce_peer1:t2:aa1:y1:qe',
  );
  assert.deepEqual([announce.port, announce.isPortImplied, text(announce.token!)], [6881, true, 'aoeusnth']);
  const peers = reply('d1:rd2:id20:abcdefghij01234567895:token8:aoeusnth6:valuesl6:axje.u6:idhtnmee1:t2:aa1:y1:re');
  assert.deepEqual(peers.peers, [
    { host: '97.120.106.101', port: 11893 },
    { host: '105.100.104.116', port: 28269 },
  ]);
  assert.equal(parseMessage(Buffer.from('d1:eli201e23:A Generic Error Ocurrede1:t2:aa1:y1:ee'))!.kind, 'refusal');
});

test('what we ask is what the other side reads', () => {
  const sender = { id: ID, isReadOnly: true };
  const transaction = Uint8Array.of(1, 2, 3, 4);
  const find = parseMessage(
    encodeQuery(transaction, sender, { method: 'find_node', target: TARGET, wants: ['ipv4', 'ipv6'] }),
  ) as Query;
  assert.deepEqual(find.wants, ['ipv4', 'ipv6']);
  assert.equal(find.isReadOnly, true);
  assert.deepEqual(find.target, Uint8Array.from(TARGET));
  const announce = parseMessage(
    encodeQuery(
      transaction,
      { ...sender, isReadOnly: false },
      { method: 'announce_peer', target: TARGET, port: 51413, token: Uint8Array.of(9), isSeed: true },
    ),
  ) as Query;
  assert.deepEqual(
    [announce.port, announce.isPortImplied, announce.token, announce.isReadOnly],
    [51413, false, Uint8Array.of(9), false],
  );
  assert.match(text(encodeQuery(transaction, sender, { method: 'ping' })), /^d1:ad2:id20:.{20}e1:q4:ping2:roi1e1:t4:/s);
});

test('what we answer is what the other side reads, IPv6 included', () => {
  const ipv4 = [contactOf('84.1.2.3'), contactOf('85.1.2.3')];
  const ipv6 = [contactOf('2001:db8::7')];
  const to = { host: '2001:db8::9', port: 4000 };
  const peers = [compactAddress({ host: '86.1.2.3', port: 99 })!, compactAddress({ host: '2001:db8::5', port: 98 })!];
  const bytes = encodeReply(Uint8Array.of(5), to, { id: ID, contacts: { ipv4, ipv6 }, peers, token: Uint8Array.of(8) });
  const { contacts, seenIp, token, peers: read } = parseMessage(bytes) as Reply;
  assert.deepEqual(contacts, [...ipv4, ...ipv6]);
  assert.deepEqual([seenIp, token], ['2001:db8::9', Uint8Array.of(8)]);
  assert.deepEqual(read, [
    { host: '86.1.2.3', port: 99 },
    { host: '2001:db8::5', port: 98 },
  ]);
  assert.equal(parseMessage(encodeRefusal(Uint8Array.of(5), 203, 'no'))!.kind, 'refusal');
});

test('what is odd beside the point is left out, and the rest is read', () => {
  const odd = parseMessage(
    encode({
      t: 'aa',
      y: 'r',
      ip: 'odd',
      r: {
        id: ID,
        token: Buffer.alloc(65),
        values: 'no list',
        nodes: Buffer.alloc(26 + 25, 1),
        nodes6: Buffer.alloc(38),
      },
    }),
  ) as Reply;
  assert.deepEqual([odd.peers, odd.token, odd.seenIp], [[], undefined, undefined]);
  assert.equal(odd.contacts.length, 1); // no half node, no unspecified address
  const many = parseMessage(encode({ t: 'a', y: 'r', r: { id: ID, nodes: Buffer.alloc(26 * 100, 65) } })) as Reply;
  assert.equal(many.contacts.length, 16);
});

test('malformed messages are refused', () => {
  const good = { t: 'aa', y: 'q', q: 'ping', a: { id: ID } };
  assert.ok(parseMessage(encode(good)));
  for (const [what, bytes] of [
    ['nothing', Buffer.alloc(0)],
    ['no dictionary', Buffer.from('le')],
    ['six bytes that hang other clients', Buffer.from('l-3:e')],
    ['the same inside', Buffer.from('d1:al-3:eee')],
    ['cut off', encode(good).subarray(0, -1)],
    ['more behind it', Buffer.concat([encode(good), Buffer.from('x')])],
    ['no transaction', encode({ ...good, t: undefined })],
    ['an empty transaction', encode({ ...good, t: '' })],
    ['a long transaction', encode({ ...good, t: Buffer.alloc(33) })],
    ['a short id', encode({ ...good, a: { id: idOf().subarray(1) } })],
    ['no arguments', encode({ ...good, a: undefined })],
    ['arguments of another type', encode({ ...good, a: 'x' })],
    ['no method', encode({ ...good, q: undefined })],
    ['an unknown type', encode({ ...good, y: 'x' })],
    ['a port that is a string', encode({ ...good, a: { id: ID, port: 'x' } })],
    ['an answer without an id', encode({ t: 'aa', y: 'r', r: {} })],
    ['an answer without anything', encode({ t: 'aa', y: 'r' })],
    ['too long', encode({ ...good, v: Buffer.alloc(5000) })],
  ] as const) {
    assert.equal(parseMessage(bytes), undefined, what);
  }
});

test('uTP and tracker datagrams are not claimed', () => {
  assert.equal(claimsDatagram(Uint8Array.of(0x01, 0)), false);
  assert.equal(claimsDatagram(Uint8Array.of(0, 0, 0, 1)), false);
  assert.equal(claimsDatagram(new Uint8Array()), false);
  assert.equal(claimsDatagram(Buffer.from('d1:t2:aae')), true);
});

test('random bytes give a message or nothing', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => void parseMessage(Uint8Array.of(0x64, ...bytes))),
  );
});
