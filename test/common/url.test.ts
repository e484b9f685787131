import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { escapeControl } from '../../src/common/text.js';
import { hideLogin, hidePasskeys, hideSecrets, hideSecretsOf, hostOf, isLoopback } from '../../src/common/url.js';

test('a URL in a message shows scheme, host and port only', () => {
  assert.equal(hideSecrets('https://t.example:8443/s3cret/announce?passkey=s3cret#s3cret'), 'https://t.example:8443/…');
  assert.equal(hideSecrets('http://user:s3cret@t.example/'), 'http://t.example/…');
  assert.equal(hideSecrets('http://t.example?s3cret'), 'http://t.example/…');
  assert.equal(hideSecrets('http://t.example:99999/s3cret'), 'http://t.example:99999/…');
  assert.equal(hideSecrets('UDP://[2001:db8::1]:80/s3cret'), 'udp://[2001:db8::1]:80/…');
  assert.equal(hideSecrets('http:\\\\t.example\\s3cret'), '(not a URL)');
  assert.equal(hideSecrets('http://t.example\\s3cret\\x@y/'), 'http://t.example/…');
  assert.equal(hideSecrets('http://user:s3cret/word@t.example/'), 'http://…');
  assert.equal(hideSecrets('s3cret'), '(not a URL)');
});

test('secrets stay hidden wherever they stand behind the host', () => {
  const part = fc.string({ maxLength: 8 }).map((text) => encodeURIComponent(text));
  fc.assert(
    fc.property(part, part, fc.constantFrom('/', '?', '#', '/?'), (before, after, mark) => {
      assert.equal(hideSecrets(`http://t.example${mark}${before}s3cret${after}`), 'http://t.example/…');
    }),
  );
});

test('announce URLs to be shown to others are whole but for what may be a passkey', () => {
  const open = [
    'udp://tracker.example:1337/announce',
    'http://t.example/announce.php?x=1',
    'https://t.example/tracker/announce',
    'http://t.example/ann?uk=',
    'http://[2001:db8::1]:80',
  ];
  for (const url of open) assert.equal(hidePasskeys(url), url);
  const closed = {
    'https://t.example/s3cret/announce': 'https://t.example/…/announce',
    'https://t.example/announce/s3cret': 'https://t.example/announce/…',
    'http://t.example\\s3cret\\announce': 'http://t.example\\…\\announce',
    'http://t.example/announce?passkey=s3cret&id=5': 'http://t.example/announce?passkey=…&id=5',
    'http://t.example/announce?s3cret&s3crets3cret=1': 'http://t.example/announce?…&…=1',
    'http://user:s3cret@t.example/announce#s3cret': 'http://…@t.example/announce#…',
    s3cret: '(not a URL)',
  };
  for (const [url, shown] of Object.entries(closed)) assert.equal(hidePasskeys(url), shown);
});

test('of the URL of a web seed the path is for all to see', () => {
  assert.equal(hideLogin('http://w.example/pub/debian.iso'), 'http://w.example/pub/debian.iso');
  assert.equal(hideLogin('http://u:s3cret@w.example/a.iso?token=s3cret'), 'http://…@w.example/a.iso?token=…');
});

test('loopback hosts are known by name and address', () => {
  const yes = ['http://localhost/', 'http://LOCALHOST./', 'http://a.localhost/', 'http://127.1/', 'http://[::1]/'];
  for (const url of yes) assert.ok(isLoopback(hostOf(new URL(url))), url);
  for (const url of ['http://localhost.example/', 'http://127.example/', 'http://128.0.0.1/', 'http://[::2]/']) {
    assert.ok(!isLoopback(hostOf(new URL(url))), url);
  }
});

test('what a server repeats of a URL is hidden, and nothing else', () => {
  const url = new URL('http://t.example/pa55key%21/announce.php?uk=s3cret&n=50&x=%zz');
  assert.equal(hideSecretsOf(url, 'unknown pa55key! (s3cret), announce.php 50'), 'unknown … (…), announce.php 50');
  assert.equal(hideSecretsOf(new URL('http://t.example/%zz%zz/announce'), 'no %zz%zz'), 'no …');
  assert.equal(hideSecretsOf(new URL('http://t.example/announce?S3CRET'), 'no s3cret'), 'no …');
});

test('a secret is hidden in every spelling, and at the end of a text that was cut', () => {
  const url = new URL(
    'http://us%C3%A4r11:pa%24%24wd@t.example/a%2Fb%20c+d/announce?uid=1%2B2+3(4)&k=%00%1b%00%1b%00%1b',
  );
  for (const text of ['usär11', 'us%C3%A4r11', 'pa$$wd', 'a/b c+d', 'A%2fB%20C+D', '1%2B2+3(4)', '1+2 3(4)']) {
    assert.equal(hideSecretsOf(url, `<${text}>`), '<…>');
  }
  assert.equal(hideSecretsOf(url, `<${escapeControl('\0\x1b\0\x1b\0\x1b')}>`), '<…>');
  assert.equal(hideSecretsOf(url, 'no such a/b c'), 'no such …');
  assert.equal(hideSecretsOf(url, 'no such 1+2 '), 'no such …');
});
