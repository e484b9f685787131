import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import { UsageError } from '../../src/common/errors.js';
import { PeerListener, type IncomingPeer } from '../../src/peer/listener.js';

const INFO_HASH = Buffer.alloc(20, 7);

function hello(infoHash: Uint8Array): Buffer {
  return Buffer.concat([
    Buffer.from('\x13BitTorrent protocol', 'latin1'),
    Buffer.alloc(8),
    infoHash,
    Buffer.alloc(20, 1),
  ]);
}

async function dial(port: number): Promise<net.Socket> {
  const socket = net.connect({ port, host: '127.0.0.1' });
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

test('a peer goes to the download whose info hash it names, with all its bytes, however they are cut', async () => {
  await using listener = await PeerListener.open(0);
  const taken = new Promise<IncomingPeer>((resolve) => listener.serve(INFO_HASH, resolve));
  const socket = await dial(listener.port);
  const bytes = hello(INFO_HASH);
  socket.write(bytes.subarray(0, 10));
  await new Promise((resolve) => setTimeout(resolve, 20));
  socket.write(bytes.subarray(10, 50));
  const peer = await taken;
  assert.ok(Buffer.from(peer.received).equals(bytes.subarray(0, peer.received.length)));
  assert.ok(peer.received.length >= 48);
  const rest = once(peer.socket, 'data');
  peer.socket.resume();
  socket.write(bytes.subarray(50));
  assert.ok(((await rest)[0] as Buffer).length > 0);
  peer.socket.destroy();
  socket.destroy();
});

for (const [what, bytes] of [
  ['asks for another torrent', hello(Buffer.alloc(20, 8))],
  ['does not speak BitTorrent', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
] as const) {
  test(`a peer that ${what} is hung up on`, async () => {
    await using listener = await PeerListener.open(0);
    listener.serve(INFO_HASH, () => assert.fail());
    const socket = await dial(listener.port);
    socket.write(bytes);
    await once(socket, 'close');
  });
}

test('a port that is in use is a usage error when asked for, and passed over when not', async () => {
  await using first = await PeerListener.open();
  await assert.rejects(PeerListener.open(first.port), (error: unknown) => {
    assert.ok(error instanceof UsageError);
    assert.match(error.message, /in use/);
    return true;
  });
  await using second = await PeerListener.open();
  assert.notEqual(second.port, first.port);
});

test('whoever took the peers of a torrent before cannot stop the one who takes them now', async () => {
  await using listener = await PeerListener.open(0);
  const stopFirst = listener.serve(INFO_HASH, () => assert.fail('the first one got it'));
  const taken = new Promise<IncomingPeer>((resolve) => listener.serve(INFO_HASH, resolve));
  stopFirst();
  const socket = await dial(listener.port);
  socket.write(hello(INFO_HASH));
  (await taken).socket.destroy();
  socket.destroy();
});

test('who drips his handshake has ten seconds for all of it', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  await using listener = await PeerListener.open(0);
  const slow = await dial(listener.port);
  const closed = once(slow, 'close');
  slow.write(hello(INFO_HASH).subarray(0, 1));
  await greet(listener);
  t.mock.timers.tick(9000);
  slow.write(hello(INFO_HASH).subarray(1, 2));
  await greet(listener);
  t.mock.timers.tick(1000);
  await closed;
});

test('a crowd that says nothing does not keep out who does', async () => {
  await using listener = await PeerListener.open(0);
  const crowd = await Promise.all(Array.from({ length: 250 }, () => dial(listener.port)));
  await greet(listener);
  for (const socket of crowd) socket.destroy();
});

/** A peer that says what it wants, and is heard. */
async function greet(listener: PeerListener): Promise<void> {
  const taken = new Promise<IncomingPeer>((resolve) => listener.serve(INFO_HASH, resolve));
  const socket = await dial(listener.port);
  socket.write(hello(INFO_HASH));
  (await taken).socket.destroy();
  socket.destroy();
}
