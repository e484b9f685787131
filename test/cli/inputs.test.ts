import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withoutSecrets } from '../../src/cli/inputs.js';

const HASH = '0123456789abcdef0123456789abcdef01234567';

test('what a torrent is called in logs holds no passkey, however the user wrote it', () => {
  const shown = {
    ' https://user:s3cret@t.example/s3cret?s3cret': 'https://t.example/…',
    [` magnet:?xt=urn:btih:${HASH}&tr=http://t.example/s3cret`]: `magnet:?xt=urn:btih:${HASH}`,
    [`MAGNET:/?tr=s3cret&amp;xt=urn:btih:${HASH}&dn=s3cret`]: `magnet:?xt=urn:btih:${HASH}`,
    [`magnet:?xt.1=urn%3Abtih%3A${HASH}&xt.2=http://t.example/s3cret`]: `magnet:?xt=urn:btih:${HASH}`,
    'magnet:?tr=http://t.example/s3cret': 'magnet:?',
    './a b.torrent': './a b.torrent',
  };
  for (const [source, expected] of Object.entries(shown)) assert.equal(withoutSecrets(source), expected);
});
