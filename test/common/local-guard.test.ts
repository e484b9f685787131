import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HttpError } from '../../src/common/http.js';
import { LocalGuard } from '../../src/common/local-guard.js';

const HOSTS: Record<string, string[]> = {
  'public.example': ['192.0.2.1'],
  'other.example': ['192.0.2.2', '2001:db8::2'],
  'router.example': ['192.168.1.1'],
  'mixed.example': ['192.0.2.3', '::ffff:10.0.0.1'],
};

const resolve = (host: string): Promise<string[]> => Promise.resolve(HOSTS[host]!);

/** Follows a chain of hosts; gives the error's message, or `fine`. */
const follow = (...hosts: string[]): Promise<string> => followBy(new LocalGuard({ resolve }), hosts);

async function followBy(guard: LocalGuard, hosts: readonly string[]): Promise<string> {
  try {
    for (const host of hosts) {
      guard.check(new URL(`http://${host}/`));
      if (host in HOSTS) await lookUp(guard, host);
    }
    return 'fine';
  } catch (error) {
    assert.ok(error instanceof HttpError);
    return error.message;
  }
}

function lookUp(guard: LocalGuard, host: string): Promise<string[]> {
  return new Promise((done, failed) => {
    guard.lookup(host, {}, (error, addresses) => (error ? failed(error) : done(addresses)));
  });
}

test('public hosts may redirect to public hosts', async () => {
  assert.equal(await follow('public.example', 'other.example', '192.0.2.9', '[2001:db8::9]'), 'fine');
});

test('public hosts may not redirect into the local network, by address or by name', async () => {
  const local = ['127.0.0.1', '0x7f.1', '10.0.0.1', '169.254.169.254', '[::1]', '[::ffff:127.0.0.1]', '[fe80::1]'];
  for (const host of [...local, 'localhost', 'router.example']) {
    assert.equal(await follow('public.example', host), 'redirects into the local network', host);
    assert.equal(await follow('192.0.2.1', 'public.example', host), 'redirects into the local network', host);
  }
});

test('a local tracker may redirect where it likes, but nothing comes back from outside', async () => {
  assert.equal(await follow('127.0.0.1', '10.0.0.1'), 'fine');
  assert.equal(await follow('router.example', 'localhost', 'public.example'), 'fine');
  assert.equal(await follow('router.example', 'public.example', '192.168.1.2'), 'redirects into the local network');
});

test('a name with addresses inside and outside leads outside only, and opens no way in', async () => {
  const guard = new LocalGuard({ resolve });
  guard.check(new URL('http://mixed.example/'));
  assert.deepEqual(await lookUp(guard, 'mixed.example'), ['192.0.2.3']);
  for (const host of ['127.0.0.1', 'router.example']) {
    assert.equal(await follow('mixed.example', host), 'redirects into the local network');
  }
});

test('where the first host may not be local it is not, by address or by name', async () => {
  for (const host of ['127.0.0.1', 'localhost', '169.254.169.254', 'router.example']) {
    const guard = new LocalGuard({ resolve, mayBeginLocal: false });
    assert.match(await followBy(guard, [host]), /^not asked: it is in the local network/, host);
  }
  assert.equal(await followBy(new LocalGuard({ resolve, mayBeginLocal: false }), ['public.example']), 'fine');
});

test('looking up a proxy says nothing about the tracker behind it', async () => {
  const guard = new LocalGuard({ resolve });
  guard.check(new URL('http://tracker.example/'));
  assert.deepEqual(await lookUp(guard, 'router.example'), ['192.168.1.1']);
  assert.throws(() => guard.check(new URL('http://127.0.0.1/')), HttpError);
});
