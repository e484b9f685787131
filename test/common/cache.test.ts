import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { cacheFolder, readCache, writeCache } from '../../src/common/cache.js';

test('the cache is where XDG says, and an empty or relative value says nothing', () => {
  const home = path.join(os.homedir(), '.cache', 'torrent-dl');
  assert.equal(cacheFolder({ XDG_CACHE_HOME: '/var/tmp/x' }, 'linux'), '/var/tmp/x/torrent-dl');
  assert.equal(cacheFolder({ XDG_CACHE_HOME: '' }, 'linux'), home);
  assert.equal(cacheFolder({ XDG_CACHE_HOME: 'x' }, 'linux'), home);
  assert.equal(cacheFolder({}, 'linux'), home);
});

test('what was written is read again, and no draft stays', async () => {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'torrent-dl-cache-'));
  try {
    const file = path.join(folder, 'deep', 'state');
    assert.equal(await readCache(file, 100), undefined);
    await writeCache(file, Buffer.from('one'));
    await writeCache(file, Buffer.from('two'));
    assert.equal(String(await readCache(file, 100)), 'two');
    assert.equal(await readCache(file, 2), undefined, 'too long');
    assert.deepEqual(await readdir(path.dirname(file)), ['state']);
    await writeFile(path.join(folder, 'file'), '');
    await assert.rejects(writeCache(path.join(folder, 'file', 'state'), Buffer.from('x')), { code: 'EEXIST' });
    if (process.platform === 'linux')
      await assert.rejects(writeCache('/proc/x/state', Buffer.from('x')), { code: 'ENOENT' });
  } finally {
    await rm(folder, { recursive: true });
  }
});
