import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolveHosts } from '../../src/common/lookup.js';

test('named hosts are resolved, and one that cannot be is told', async () => {
  const hosts = [
    { host: '2001:db8::1', port: 1 },
    { host: 'localhost', port: 2 },
    { host: 'no-such-host.invalid', port: 3 },
  ];
  const lines: string[] = [];
  const found = await resolveHosts(hosts, (line) => lines.push(line));
  assert.deepEqual(found[0], { host: '2001:db8::1', port: 1 });
  assert.ok(found.some(({ host, port }) => port === 2 && ['127.0.0.1', '::1'].includes(host)));
  assert.ok(!found.some(({ port }) => port === 3));
  assert.equal(lines.length, 1);
  assert.match(lines[0]!, /^cannot resolve the peer "no-such-host\.invalid": /);
});

test('look-ups that are taken back are no failures to be told', async () => {
  const lines: string[] = [];
  const hosts = [{ host: 'no-such-host.invalid', port: 1 }];
  assert.deepEqual(await resolveHosts(hosts, (line) => lines.push(line), AbortSignal.abort()), []);
  assert.deepEqual(lines, []);
});
