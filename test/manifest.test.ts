import assert from 'node:assert/strict';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';

import { writeManifest } from '../src/index.js';

const LONGEST_NAME = 255;
const EMPTY = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
const root = await mkdtemp(path.join(tmpdir(), 'torrent-dl-manifest-'));
after(() => rm(root, { recursive: true }));

test('a list may have as long a name as the disk takes, and nothing else is left beside it', async () => {
  const out = await mkdtemp(path.join(root, 'out-'));
  await writeFile(path.join(out, 'a'), '');
  const suffix = '.sha256';
  const name = `${'漢'.repeat(82)}xx`;
  assert.equal(Buffer.byteLength(name + suffix), LONGEST_NAME);
  const list = await writeManifest(['a'], { out, name });
  assert.equal(list, path.join(out, name + suffix));
  assert.equal(await readFile(list, 'utf8'), `${EMPTY}  a\n`);
  assert.deepEqual((await readdir(out)).sort(), ['a', name + suffix]);
});

test('a list whose name is too long is a disk error', async () => {
  const out = await mkdtemp(path.join(root, 'out-'));
  await assert.rejects(writeManifest([], { out, name: '漢'.repeat(85) }), { name: 'DiskError' });
  assert.deepEqual(await readdir(out), []);
});
