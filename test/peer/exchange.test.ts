import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PeerAddress } from '../../src/common/address.js';
import { PeerExchange, type ExchangePeer } from '../../src/peer/extension/exchange.js';
import { decodePex, encodePex } from '../../src/peer/extension/pex.js';

interface FakePeer extends ExchangePeer {
  readonly sent: Uint8Array[];
}

function peerAt(host: string, fields: Partial<ExchangePeer> = {}): FakePeer {
  const sent: Uint8Array[] = [];
  return {
    id: 1,
    address: { host, port: 6881 },
    listensAt: undefined,
    extensions: { messageIds: new Map([['ut_pex', 7]]) },
    isOpen: true,
    isSeed: false,
    transport: { isIncoming: false },
    sendExtended: (_, payload) => sent.push(payload),
    sent,
    ...fields,
  };
}

const toldTo = ({ sent }: FakePeer): string[] =>
  sent.flatMap((payload) => decodePex(payload).added.map(({ address }) => `${address.host}:${address.port}`));

test('each peer is told of the others that can be dialled, once, and not before a second', () => {
  let now = 0;
  const exchange = new PeerExchange(
    () => undefined,
    () => now,
  );
  const [one, two] = [peerAt('192.0.2.1'), peerAt('192.0.2.2', { isSeed: true })];
  const hidden = peerAt('192.0.2.3', { transport: { isIncoming: true } });
  const known = peerAt('192.0.2.4', {
    transport: { isIncoming: true },
    listensAt: { host: '192.0.2.4', port: 9 },
    extensions: undefined,
  });
  const peers = new Set([one, two, hidden, known]);
  exchange.tell(peers);
  assert.deepEqual(toldTo(one), []);
  now = 2000;
  exchange.tell(peers);
  exchange.tell(peers);
  assert.deepEqual(toldTo(one), ['192.0.2.2:6881', '192.0.2.4:9']);
  assert.deepEqual(toldTo(hidden), ['192.0.2.1:6881', '192.0.2.2:6881', '192.0.2.4:9']);
  assert.deepEqual(known.sent, [], 'it does not understand');

  peers.delete(two);
  now = 70_000;
  exchange.tell(peers);
  assert.deepEqual(decodePex(one.sent[1]!).dropped, [two.address]);
});

test('what a peer tells is passed on, and a flood of it is an error', () => {
  const told: PeerAddress[] = [];
  const exchange = new PeerExchange(
    (addresses) => told.push(...addresses),
    () => 5,
  );
  const peer = peerAt('192.0.2.1');
  const payload = encodePex([{ address: { host: '198.51.100.1', port: 80 }, flags: 0 }], []);
  exchange.onMessage(peer, payload);
  exchange.onMessage(peer, payload);
  assert.deepEqual(told, [{ host: '198.51.100.1', port: 80 }]);
  assert.throws(
    () => {
      for (let count = 0; count < 20; count++) exchange.onMessage(peer, payload);
    },
    { code: 'ERR_PEX' },
  );
});
