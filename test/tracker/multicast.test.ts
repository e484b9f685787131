/** What needs no network of its own; `lsd-peers.test.ts` has the rest. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openMulticast } from '../../src/tracker/multicast.js';

test('an address that this machine does not have cannot be opened', async () => {
  for (const address of ['192.0.2.1', '2001:db8::1']) {
    assert.equal(await openMulticast(address, 0, () => undefined), undefined, address);
  }
});

test('what is no multicast group is joined nowhere and reaches nobody', async () => {
  const group = await openMulticast('127.0.0.1', 0, () => assert.fail('nobody was to be reached'));
  assert.equal(await group!.send(Buffer.from('hello')), 0);
  await group![Symbol.asyncDispose]();
  await group![Symbol.asyncDispose]();
  assert.equal(await group!.send(Buffer.from('too late')), 0);
});
