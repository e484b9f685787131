import assert from 'node:assert/strict';
import os from 'node:os';
import { test } from 'node:test';
import { resolveName } from '../../src/common/names.js';

test('a name gives the addresses of the families asked for', async () => {
  assert.ok((await resolveName('localhost')).includes('127.0.0.1'));
  assert.deepEqual(await resolveName('localhost', { family: 4 }), ['127.0.0.1']);
});

test('what the DNS does not have is asked of the system', async (t) => {
  const own = os.hostname(); // in /etc/hosts, mostly
  const known = await resolveName(own).catch(() => undefined);
  if (!known) t.skip(`this machine does not know its own name ${own}`);
  else assert.ok(known.length > 0);
  await assert.rejects(resolveName('no-such-host.invalid'));
});

test('a look-up is taken back', async () => {
  await assert.rejects(resolveName('host.example', { signal: AbortSignal.abort() }), { code: 'ECANCELLED' });
});
