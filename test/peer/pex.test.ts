import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatAddress, type PeerAddress } from '../../src/common/address.js';
import { ProtocolError } from '../../src/common/errors.js';
import {
  decodePex,
  encodePex,
  PEX_FLAG,
  PexGossip,
  PexInbox,
  type ConnectedPeer,
  type PexMessage,
} from '../../src/peer/extension/pex.js';

const STRANGER = { address: { host: '198.51.100.77', port: 50_000 } };

const at = (host: string, port = 6881): PeerAddress => ({ host, port });
const decodeText = (text: string): PexMessage => decodePex(Buffer.from(text, 'latin1'));
const hostsOf = (message: PexMessage): string[] => message.added.map(({ address }) => address.host);

/** So many public peers, keyed by address. */
function swarm(count: number, from = 0): Map<string, ConnectedPeer> {
  const peers = Array.from({ length: count }, (_, index) => {
    const number = from + index;
    return { address: at(`203.0.${number >> 8}.${number & 0xff}`, 1000 + number), isSeed: false };
  });
  return new Map(peers.map((peer) => [formatAddress(peer.address), peer]));
}

/** A message that adds so many IPv4 peers, without flags. */
function adding(count: number, from = 0): Uint8Array {
  return encodePex(
    [...swarm(count, from).values()].map(({ address }) => ({ address, flags: 0 })),
    [],
  );
}

test('what is encoded is decoded again, both families with their flags', () => {
  const host = fc.oneof(
    fc.constantFrom('192.0.2.1', '198.51.100.255', '10.0.0.1'),
    fc.constantFrom('2001:db8::1', 'fe80::2', '2001:db8:1:2:3:4:5:6'),
  );
  const address = fc.tuple(host, fc.integer({ min: 1, max: 65_535 })).map(([ip, port]) => at(ip, port));
  const added = fc.array(
    fc.tuple(address, fc.nat(255)).map(([peer, flags]) => ({ address: peer, flags })),
    { maxLength: 25 },
  );
  fc.assert(
    fc.property(added, fc.array(address, { maxLength: 25 }), (peers, dropped) => {
      const family = ({ host: ip }: PeerAddress): number => (ip.includes(':') ? 1 : 0);
      assert.deepEqual(decodePex(encodePex(peers, dropped)), {
        added: peers.toSorted((a, b) => family(a.address) - family(b.address)),
        dropped: dropped.toSorted((a, b) => family(a) - family(b)),
      });
    }),
  );
});

test('the bytes are those of BEP 11', () => {
  const bytes = encodePex(
    [
      { address: at('1.2.3.4', 0x1234), flags: PEX_FLAG.isSeed | PEX_FLAG.isReachable },
      { address: at('2001:db8::1', 0x5678), flags: PEX_FLAG.supportsUtp },
    ],
    [at('5.6.7.8', 9)],
  );
  const ipv6 = '\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x56\x78';
  assert.equal(
    Buffer.from(bytes).toString('latin1'),
    `d5:added6:\x01\x02\x03\x04\x12\x347:added.f1:\x126:added618:${ipv6}8:added6.f1:\x047:dropped6:\x05\x06\x07\x08\0\t8:dropped60:e`,
  );
});

test('lists and flags may be missing, and flags may be too few', () => {
  assert.deepEqual(decodeText('de'), { added: [], dropped: [] });
  assert.deepEqual(decodeText('d5:added12:\x01\x02\x03\x04\x1a\xe1\x05\x06\x07\x08\x1a\xe17:added.f1:\x02e').added, [
    { address: at('1.2.3.4'), flags: 2 },
    { address: at('5.6.7.8'), flags: 0 },
  ]);
  assert.deepEqual(decodeText('d7:dropped6:\x01\x02\x03\x04\x1a\xe1e').dropped, [at('1.2.3.4')]);
});

test('addresses that nobody can have are left out, and flags stay with their peers', () => {
  const message = decodeText(
    'd5:added24:\x01\x02\x03\x04\0\0' + // port 0
      '\xef\xc0\x98\x8f\x1a\xe1' + // multicast
      '\0\0\0\0\x1a\xe1' + // unspecified
      '\x01\x02\x03\x05\x1a\xe17:added.f4:abcde',
  );
  assert.deepEqual(message.added, [{ address: at('1.2.3.5'), flags: 0x64 }]);
});

test('no more is read than a message may hold, and neither family crowds out the other', () => {
  const peers = (count: number, host: (index: number) => string) =>
    Array.from({ length: count }, (_, index) => ({ address: at(host(index)), flags: 0 }));
  const ipv4 = peers(80, (index) => `203.0.113.${index}`);
  const ipv6 = peers(80, (index) => `2001:db8::${(index + 1).toString(16)}`);
  const addresses = [...ipv4, ...ipv6].map(({ address }) => address);
  const both = decodePex(encodePex([...ipv4, ...ipv6], addresses));
  assert.equal(both.added.length, 50);
  assert.equal(both.dropped.length, 50);
  assert.equal(hostsOf(both).filter((host) => host.includes(':')).length, 25);
  assert.equal(decodePex(encodePex([...ipv4.slice(0, 10), ...ipv6], [])).added.length, 50);
  assert.equal(decodePex(encodePex([...ipv4, ...ipv6], []), 200).added.length, 160);
});

test('a malformed message is a ProtocolError', () => {
  const broken = ['', 'd', 'i1e', 'le', 'd5:added5:12345e', 'd5:addedi1ee', 'd6:added66:123456e', 'd7:droppedlee'];
  for (const text of broken) {
    assert.throws(() => decodeText(text), { name: 'ProtocolError', code: 'ERR_PEX' }, text);
  }
  const long = `d5:added60000:${'x'.repeat(60_000)}e`;
  assert.throws(() => decodeText(long), /a peer exchange message has 60015 bytes/);
});

test('whatever the bytes are, a message or a ProtocolError comes out', () => {
  const valid = encodePex(
    ['192.0.2.1', '2001:db8::1', '192.0.2.2'].map((host) => ({ address: at(host), flags: 3 })),
    [at('192.0.2.3'), at('2001:db8::2')],
  );
  const mutated = fc.array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 });
  const bytes = fc.oneof(
    fc.uint8Array(),
    mutated.map((changes) => {
      const copy = Uint8Array.from(valid);
      for (const [offset, byte] of changes) copy[offset] = byte;
      return copy;
    }),
  );
  fc.assert(
    fc.property(bytes, (payload) => {
      try {
        const { added, dropped } = decodePex(payload);
        assert.ok(added.length <= 50 && dropped.length <= 50);
      } catch (error) {
        assert.ok(error instanceof ProtocolError, String(error));
      }
    }),
    { numRuns: 5000 },
  );
});

// ── What we tell ──────────────────────────────────────────────────────────────────────────────────────────────────

/** Decodes with the eyes of a peer. */
function toldBy(gossip: PexGossip, current: Map<string, ConnectedPeer>, nowMs: number): PexMessage | undefined {
  const payload = gossip.diff(current, nowMs, STRANGER);
  return payload && decodePex(payload);
}

test('a peer is told once of each other one, a moment after the handshake and then once a minute', () => {
  const gossip = new PexGossip(5000);
  assert.equal(toldBy(gossip, swarm(3), 5999), undefined, 'too early');
  assert.ok(!gossip.isDue(5999));
  assert.equal(toldBy(gossip, swarm(3), 6000)?.added.length, 3);
  assert.equal(toldBy(gossip, swarm(5), 65_999), undefined, 'too early again');
  assert.deepEqual(hostsOf(toldBy(gossip, swarm(5), 66_000)!), ['203.0.0.3', '203.0.0.4']);
  assert.equal(toldBy(gossip, swarm(5), 126_000), undefined, 'no news');
});

test('without news nothing is sent, and the first news is not kept back for long', () => {
  const gossip = new PexGossip(0);
  assert.equal(toldBy(gossip, swarm(0), 1000), undefined);
  assert.equal(toldBy(gossip, swarm(1), 1500), undefined, 'looked a moment ago');
  assert.equal(toldBy(gossip, swarm(1), 2000)?.added.length, 1);
});

test('who has gone is told as dropped, once, and may come back', () => {
  const gossip = new PexGossip(0);
  toldBy(gossip, swarm(2), 1000);
  const { added, dropped } = toldBy(gossip, swarm(1), 61_000)!;
  assert.deepEqual([added, dropped], [[], [at('203.0.0.1', 1001)]]);
  assert.equal(toldBy(gossip, swarm(1), 121_000), undefined);
  assert.deepEqual(hostsOf(toldBy(gossip, swarm(2), 181_000)!), ['203.0.0.1']);
});

test('many peers are told of in several messages of 50', () => {
  const gossip = new PexGossip(0);
  const counts = [0, 1, 2, 3].map((minute) => toldBy(gossip, swarm(120), 1000 + minute * 60_000)?.added.length);
  assert.deepEqual(counts, [50, 50, 20, undefined]);
  const dropped = [4, 5, 6, 7].map((minute) => toldBy(gossip, swarm(0), 1000 + minute * 60_000)?.dropped.length);
  assert.deepEqual(dropped, [50, 50, 20, undefined]);
});

test('nobody is told of himself, where he dialled from or where he listens', () => {
  const current = swarm(3);
  const [first, second] = [...current.values()].map(({ address }) => address);
  const told = (to: Parameters<PexGossip['diff']>[2]): string[] =>
    hostsOf(decodePex(new PexGossip(0).diff(current, 1000, to)!));
  assert.deepEqual(told({ address: first! }), ['203.0.0.1', '203.0.0.2']);
  assert.deepEqual(told({ address: at(second!.host, 49_000), listensAt: second }), ['203.0.0.0', '203.0.0.2']);
});

test('only peers of the local network are told of its addresses, and of loopback only loopback', () => {
  const hosts = ['127.0.0.2', '192.168.1.2', 'fd00::2', '203.0.113.2', '2001:db8::2'];
  const current = new Map(hosts.map((host) => [host, { address: at(host), isSeed: false }]));
  const toldTo = (host: string): string[] =>
    hostsOf(decodePex(new PexGossip(0).diff(current, 1000, { address: at(host, 50_000) })!)).sort();
  assert.deepEqual(toldTo('127.0.0.9'), hosts.toSorted());
  assert.deepEqual(toldTo('::ffff:10.0.0.9'), hosts.slice(1).sort());
  assert.deepEqual(toldTo('198.51.100.9'), hosts.slice(3).sort());
});

test('flags tell of seeds, uTP, encryption and who can be reached', () => {
  const flagsOf = (peer: Omit<ConnectedPeer, 'address'>): number =>
    toldBy(new PexGossip(0), new Map([['a', { address: at('203.0.113.1'), ...peer }]]), 1000)!.added[0]!.flags;
  assert.equal(flagsOf({ isSeed: false }), 0);
  assert.equal(flagsOf({ isSeed: true }), 0x02);
  assert.equal(flagsOf({ isSeed: true, supportsUtp: true, prefersEncryption: true, isReachable: true }), 0x17);
});

// ── What we are told ──────────────────────────────────────────────────────────────────────────────────────────────

test('the first message may be long, later ones are cut', () => {
  const inbox = new PexInbox('198.51.100.1');
  assert.equal(inbox.receive(adding(250), 0).length, 200);
  assert.equal(inbox.receive(adding(60), 60_000).length, 50);
});

test('a message that comes too soon is ignored, and a flood of them ends the connection', () => {
  const inbox = new PexInbox('198.51.100.1');
  assert.equal(inbox.receive(adding(1), 0).length, 1);
  assert.equal(inbox.receive(Buffer.from('not looked at'), 44_999).length, 0);
  assert.equal(inbox.receive(adding(1), 45_000).length, 1, 'what was ignored does not count');
  for (let count = 0; count < 10; count++) assert.equal(inbox.receive(adding(1), 46_000).length, 0);
  assert.throws(() => inbox.receive(adding(1), 46_000), { name: 'ProtocolError', message: /flood/ });
});

test('one peer brings a thousand addresses and no more', () => {
  const inbox = new PexInbox('198.51.100.1');
  let total = 0;
  for (let minute = 0; minute < 60; minute++) total += inbox.receive(adding(50, minute * 50), minute * 60_000).length;
  assert.equal(total, 1000);
});

test('addresses of our own networks are taken from peers there only', () => {
  const hosts = ['127.0.0.1', '10.0.0.1', '169.254.169.254', '::1', '203.0.113.1'];
  const payload = encodePex(
    hosts.map((host) => ({ address: at(host), flags: 0 })),
    [],
  );
  const takenFrom = (host: string): string[] =>
    new PexInbox(host).receive(payload, 0).map(({ address }) => address.host);
  assert.deepEqual(takenFrom('198.51.100.1'), ['203.0.113.1']);
  assert.deepEqual(takenFrom('192.168.0.7'), ['10.0.0.1', '169.254.169.254', '203.0.113.1']);
  assert.deepEqual(takenFrom('::1').length, 5);
});

test('a message that libtorrent 2.0.8 sent is understood', () => {
  const captured =
    '64353a616464656431323a7f0000021bbe7f0000031bbf373a61646465642e66323a0000363a616464656436303a' +
    '383a6164646564362e66303a373a64726f70706564303a383a64726f7070656436303a65';
  assert.deepEqual(decodePex(Buffer.from(captured, 'hex')), {
    added: [
      { address: at('127.0.0.2', 7102), flags: 0 },
      { address: at('127.0.0.3', 7103), flags: 0 },
    ],
    dropped: [],
  });
});
