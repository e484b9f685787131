import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import type { PeerAddress } from '../../src/common/address.js';
import { UsageError } from '../../src/common/errors.js';
import { UdpPort } from '../../src/common/udp.js';
import { until } from '../helpers/until.js';

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const hex = (data: Uint8Array): string => Buffer.from(data).toString('hex');

/** A datagram handler that keeps what comes. */
function collector(): { got: string[]; take: (data: Uint8Array, from: PeerAddress) => void } {
  const got: string[] = [];
  return { got, take: (data, { host, port }) => got.push(`${hex(data)} ${host} ${port}`) };
}

for (const host of ['127.0.0.1', '::1']) {
  test(`datagrams go to and fro over ${host}`, async (t) => {
    await using one = await UdpPort.open();
    await using other = await UdpPort.open();
    if (host === '::1' && !one.hasIpv6) return t.skip('no IPv6 here');
    const { got, take } = collector();
    one.handle(() => true, take);
    other.handle(
      () => true,
      (data, from) =>
        other.send(
          data.map((byte) => byte + 1),
          from,
        ),
    );
    one.send(bytes(1, 2), { host, port: other.port });
    await until(() => got.length === 1);
    assert.deepEqual(got, [`0203 ${host} ${other.port}`]);
  });
}

test('both families share a port', async (t) => {
  await using port = await UdpPort.open();
  if (!port.hasIpv6) return t.skip('no IPv6 here');
  await using sender = await UdpPort.open();
  const { got, take } = collector();
  port.handle(() => true, take);
  sender.send(bytes(4), { host: '127.0.0.1', port: port.port });
  sender.send(bytes(6), { host: '::1', port: port.port });
  await until(() => got.length === 2);
  assert.deepEqual(got.sort(), [`04 127.0.0.1 ${sender.port}`, `06 ::1 ${sender.port}`]);
});

test('a datagram goes to the first handler that claims it, and to none once that has ended', async () => {
  await using port = await UdpPort.open();
  const [queries, rest, late] = [collector(), collector(), collector()];
  const end = port.handle((data) => data[0] === 0x64, queries.take);
  port.handle((data) => data[0] !== 0xff, rest.take);
  port.handle(() => true, late.take);
  const send = (...values: number[]): void => port.send(bytes(...values), { host: '127.0.0.1', port: port.port });
  const all = (): number => queries.got.length + rest.got.length + late.got.length;
  send(0x64);
  send(0x21);
  send();
  send(0xff);
  await until(() => all() === 4);
  assert.deepEqual([queries.got.length, rest.got.length, late.got.length], [1, 2, 1]);
  end();
  end();
  send(0x64);
  await until(() => all() === 5);
  assert.deepEqual([queries.got.length, rest.got.length, late.got.length], [1, 3, 1]);
});

test('a fixed port that is taken is an error that says so; another falls back to a free port', async () => {
  const taken = createSocket('udp4').bind(0);
  await once(taken, 'listening');
  const { port } = taken.address();
  await assert.rejects(UdpPort.open({ port, isPortFixed: true }), (error) => {
    assert.ok(error instanceof UsageError);
    assert.equal(error.message, `cannot use UDP port ${port}: it is in use`);
    return true;
  });
  await using other = await UdpPort.open({ port });
  assert.notEqual(other.port, port);
  taken.close();
  await once(taken, 'close');
  await using own = await UdpPort.open({ port, isPortFixed: true });
  assert.equal(own.port, port);
});

test('a port taken on IPv6 alone is not ours either', async (t) => {
  const taken = createSocket({ type: 'udp6', ipv6Only: true }).bind(0);
  if (!(await once(taken, 'listening').catch(() => undefined))) return t.skip('no IPv6 here');
  const { port } = taken.address();
  await assert.rejects(UdpPort.open({ port, isPortFixed: true }), UsageError);
  await using other = await UdpPort.open({ port });
  assert.notEqual(other.port, port);
  taken.close();
  await once(taken, 'close');
});

test('what cannot be sent is counted and does no harm', async () => {
  const port = await UdpPort.open();
  const { got, take } = collector();
  port.handle(() => true, take);
  const bad: [Uint8Array, PeerAddress][] = [
    [new Uint8Array(70_000), { host: '127.0.0.1', port: 9 }], // EMSGSIZE
    [bytes(1), { host: '127.0.0.1', port: 0 }],
    [bytes(1), { host: 'not-an-address', port: 9 }],
    [bytes(1), { host: 'a:b', port: 9 }],
    [bytes(1), { host: '255.255.255.255', port: 9 }], // EACCES without broadcast permission
  ];
  for (const [data, to] of bad) port.send(data, to);
  await until(() => port.dropped === bad.length);
  for (let refused = 0; refused < 20; refused++) port.send(bytes(1), { host: '127.0.0.1', port: 1 });
  port.send(bytes(7), { host: '127.0.0.1', port: port.port });
  await until(() => got.length === 1);
  await port[Symbol.asyncDispose]();
  await port[Symbol.asyncDispose]();
  port.send(bytes(1), { host: '127.0.0.1', port: 9 });
  assert.equal(port.dropped, bad.length + 1);
});
