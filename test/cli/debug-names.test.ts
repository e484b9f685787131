import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ownNames } from '../../src/cli/debug-names.js';

test('of DEBUG only our own names are left, for libraries log passwords', () => {
  assert.equal(ownNames('*'), 'torrent-dl:*');
  assert.equal(ownNames('torrent-dl:peer,-torrent-dl:tracker'), 'torrent-dl:peer,-torrent-dl:tracker');
  assert.equal(ownNames('*tracker -*peer express:*'), 'torrent-dl:*tracker,-torrent-dl:*peer');
  assert.equal(ownNames('https-proxy-agent, http*'), '');
});
