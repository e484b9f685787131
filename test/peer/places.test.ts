import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasPlaceFor } from '../../src/peer/places.js';

function connections(incoming: readonly string[], dialled = 0) {
  const hosts = [...incoming, ...Array.from({ length: dialled }, (_, at) => `192.0.2.${at}`)];
  return new Set(
    hosts.map((host, at) => ({ transport: { address: { host, port: at + 1 }, isIncoming: at < incoming.length } })),
  );
}

const manyHosts = (count: number): string[] => Array.from({ length: count }, (_, at) => `198.51.100.${at}`);

test('a household has four places, and this machine as many as there are', () => {
  const places = { maxPeers: 10, mayDial: false };
  assert.equal(hasPlaceFor('203.0.113.1', connections(Array(3).fill('203.0.113.1')), places), true);
  assert.equal(hasPlaceFor('203.0.113.1', connections(Array(4).fill('203.0.113.1')), places), false);
  assert.equal(hasPlaceFor('203.0.113.2', connections(Array(4).fill('203.0.113.1')), places), true);
  assert.equal(hasPlaceFor('127.0.0.1', connections(Array(9).fill('127.0.0.1')), places), true);
});

test('while there is somebody to dial, three places of ten are kept for that', () => {
  for (const [incoming, dialled, mayDial, expected] of [
    [6, 0, true, true],
    [7, 0, true, false],
    [7, 0, false, true],
    [10, 0, false, false],
    [6, 4, true, false],
  ] as const) {
    const found = hasPlaceFor('203.0.113.1', connections(manyHosts(incoming), dialled), { maxPeers: 10, mayDial });
    assert.equal(found, expected, `${incoming} dialled us, we ${dialled}`);
  }
});
