import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatAddress } from '../../src/common/address.js';
import { Lsd, type LsdSource } from '../../src/tracker/lsd.js';
import { formatLsdSearch, parseLsdSearch } from '../../src/tracker/lsd-message.js';
import type { OnDatagram, OpenMulticast } from '../../src/tracker/multicast.js';
import { FakeClock } from './fakes.js';

const INFO_HASH = Uint8Array.from({ length: 20 }, (_, index) => index);
const HASH = Buffer.from(INFO_HASH).toString('hex');
const MINUTE = 60_000;

/** Networks of the test's own. */
class FakeNetworks {
  readonly clock = new FakeClock();
  /** `GROUP:PORT at MS`, for each datagram that was sent. */
  readonly sent: { readonly group: string; readonly atMs: number; readonly datagram: Uint8Array }[] = [];
  readonly listeners = new Map<string, OnDatagram>();
  /** On how many networks a datagram gets out. */
  reach = 1;

  readonly open: OpenMulticast = (address, port, onDatagram) => {
    const group = `${address} ${port}`;
    this.listeners.set(group, onDatagram);
    return Promise.resolve({
      send: (datagram) => {
        this.sent.push({ group, atMs: this.clock.now(), datagram });
        return Promise.resolve(this.reach);
      },
      [Symbol.asyncDispose]: () => {
        this.listeners.delete(group);
        return Promise.resolve();
      },
    });
  };

  /** Somebody announces. */
  hear(host: string, port: number, { infoHashes = [HASH], cookie = 'theirs' } = {}): void {
    const datagram = formatLsdSearch('group', { port, infoHashes, cookie });
    this.listeners.get(host.includes(':') ? 'ff15::efc0:988f 6771' : '239.192.152.143 6771')?.(datagram, host);
  }
}

async function openLsd(port = 7000) {
  const networks = new FakeNetworks();
  const lsd = await Lsd.open({ clock: networks.clock, open: networks.open, cookie: 'ours' });
  const found: string[] = [];
  const find = (): LsdSource =>
    lsd.find({
      infoHash: INFO_HASH,
      port: () => port,
      onPeers: (addresses, source) => found.push(...addresses.map((address) => `${formatAddress(address)} ${source}`)),
    });
  return { networks, clock: networks.clock, lsd, find, found };
}

test('a torrent is announced to both groups at once and every five minutes', async () => {
  const { networks, clock, lsd, find } = await openLsd();
  find();
  assert.deepEqual(
    networks.sent.map(({ group }) => group),
    ['239.192.152.143 6771', 'ff15::efc0:988f 6771'],
  );
  for (const { datagram } of networks.sent) {
    assert.deepEqual(parseLsdSearch(datagram), { port: 7000, infoHashes: [HASH], cookie: 'ours' });
  }
  assert.match(Buffer.from(networks.sent[1]!.datagram).toString(), /^Host: \[ff15::efc0:988f\]:6771\r$/m);
  await clock.advance(16 * MINUTE);
  assert.deepEqual(
    networks.sent.filter(({ group }) => group.startsWith('ff15')).map(({ atMs }) => (atMs - 1000) / MINUTE),
    [0, 5, 10, 15],
  );
  await lsd[Symbol.asyncDispose]();
  assert.equal(clock.timers, 0);
});

test('when peers are wanted it is announced again, but once a minute at most', async () => {
  const { networks, clock, find } = await openLsd();
  await using source = find();
  for (let second = 0; second < 130; second++) {
    source.requestPeers();
    await clock.advance(1000);
  }
  const times = networks.sent.filter(({ group }) => group.startsWith('239')).map(({ atMs }) => (atMs - 1000) / 1000);
  assert.deepEqual(times, [0, 60, 120]);
});

test('who announces the torrent is told of, over IPv4 and IPv6', async () => {
  const { networks, find, found } = await openLsd();
  find();
  networks.hear('10.0.0.2', 1234);
  networks.hear('2001:db8::2', 1234, { infoHashes: ['0'.repeat(40), HASH] });
  assert.deepEqual(found, ['10.0.0.2:1234 local network', '[2001:db8::2]:1234 local network']);
});

test('our own datagrams, other torrents, nonsense and undialable senders mean nothing', async () => {
  const { networks, find, found } = await openLsd();
  find();
  networks.hear('10.0.0.2', 7000, { cookie: 'ours' });
  networks.hear('10.0.0.2', 7000, { infoHashes: ['0'.repeat(40)] });
  networks.hear('fe80::1%eth0', 7000);
  networks.hear('0.0.0.0', 7000);
  for (const listener of networks.listeners.values()) listener(Buffer.from('M-SEARCH * HTTP/1.1'), '10.0.0.2');
  assert.deepEqual(found, []);
});

test('a flood is not read: neither from one host, nor from very many', async () => {
  const { networks, clock, find, found } = await openLsd();
  find();
  for (let count = 0; count < 1000; count++) networks.hear('10.0.0.2', 7000);
  assert.equal(found.length, 20);
  for (let count = 0; count < 1000; count++) networks.hear(`10.0.${1 + (count >> 8)}.${count & 0xff}`, 7000);
  assert.equal(found.length, 200);
  await clock.advance(1000);
  networks.hear('10.0.0.2', 7000);
  assert.equal(found.length, 201, 'a second later all is well');
});

test('one host has a few ports, and the network so many peers', async () => {
  const { networks, clock, find, found } = await openLsd();
  await using source = find();
  for (let port = 1; port <= 100; port++) {
    networks.hear('10.0.0.2', port);
    await clock.advance(100);
  }
  assert.equal(found.length, 16);
  for (let host = 0; host < 1200; host++) {
    networks.hear(`10.1.${host >> 8}.${host & 0xff}`, 7000);
    await clock.advance(10);
  }
  assert.equal(found.length, 1000);
  assert.equal(source.status()[0]!.peers, 1000);
});

test('nobody answering can be told: after ten seconds there is an error, an answer takes it back', async () => {
  const { networks, clock, find } = await openLsd();
  await using source = find();
  assert.equal(source.failures(), undefined);
  assert.equal(source.status()[0]!.state, 'asking');
  await clock.advance(10_000);
  assert.deepEqual(
    source.failures()?.map(({ message }) => message),
    ['local network: nobody else shares the torrent there'],
  );
  assert.deepEqual(source.status(), [
    { name: 'local network', state: 'failed', message: 'nobody else shares the torrent there', nextInMs: 290_000 },
  ]);
  networks.hear('10.0.0.2', 7000);
  assert.equal(source.failures(), undefined);
  assert.deepEqual(source.status(), [{ name: 'local network', state: 'working', peers: 1, nextInMs: 290_000 }]);
  await clock.advance(11 * MINUTE);
  assert.equal(source.failures()?.length, 1, 'who is silent for two rounds has gone');
});

test('a machine without multicast is no error, but nobody to ask', async () => {
  const clock = new FakeClock();
  await using lsd = await Lsd.open({ clock, open: () => Promise.resolve(undefined) });
  const source = lsd.find({ infoHash: INFO_HASH, port: () => 1, onPeers: () => undefined });
  await clock.advance(0);
  assert.equal(source.failures()?.[0]?.message, 'local network: no network here takes multicast');
  assert.equal(source.status()[0]!.state, 'failed');
});

test('who cannot be reached announces nothing, but listens', async () => {
  const { networks, find, found } = await openLsd(0);
  find();
  networks.hear('10.0.0.2', 7000);
  assert.deepEqual([networks.sent.length, found.length], [0, 1]);
});

test('closing a torrent ends its announces, and the other torrents of the session go on', async () => {
  const { networks, clock, lsd, find, found } = await openLsd();
  const [source] = [find(), find()];
  await source[Symbol.asyncDispose]();
  source.completed();
  source.requestPeers();
  networks.sent.length = 0;
  await clock.advance(5 * MINUTE);
  assert.equal(networks.sent.length, 2, 'of the other one');
  networks.hear('10.0.0.2', 7000);
  assert.equal(found.length, 1);
  await lsd[Symbol.asyncDispose]();
  assert.deepEqual([networks.listeners.size, clock.timers], [0, 0]);
});
