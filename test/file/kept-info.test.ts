import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { keepInfo, readKeptInfo } from '../../src/file/kept-info.js';

const INFO = Buffer.from('d4:name1:xe');
const HASH = createHash('sha1').update(INFO).digest();

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'torrent-dl-info-'));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

test('a kept info dictionary is found by its info hash, and by no other', async (t) => {
  const out = await temporaryFolder(t);
  assert.equal(await readKeptInfo(out, HASH), undefined);
  await keepInfo(out, HASH, INFO);
  await keepInfo(out, HASH, INFO);
  assert.deepEqual(await readKeptInfo(out, HASH), INFO);
  assert.equal(await readKeptInfo(out, Buffer.alloc(20)), undefined);
  assert.deepEqual(await readdir(path.join(out, '.torrent-dl')), [`${HASH.toString('hex')}.info`]);
});

test('a damaged one, or a link in its place, is as good as none', async (t) => {
  const out = await temporaryFolder(t);
  await keepInfo(out, HASH, INFO);
  const place = path.join(out, '.torrent-dl', `${HASH.toString('hex')}.info`);
  await writeFile(place, 'd4:name1:ye');
  assert.equal(await readKeptInfo(out, HASH), undefined);
  await rm(place);
  await writeFile(path.join(out, 'elsewhere'), INFO);
  await symlink(path.join(out, 'elsewhere'), place);
  assert.equal(await readKeptInfo(out, HASH), undefined);
});

test('where it cannot be kept the error names the place', async (t) => {
  const out = await temporaryFolder(t);
  await writeFile(path.join(out, '.torrent-dl'), 'a file');
  await assert.rejects(keepInfo(out, HASH, INFO), /cannot write to ".*\.torrent-dl": it is not a folder/);
  await rm(path.join(out, '.torrent-dl'));
  await mkdir(path.join(out, 'target'));
  await symlink(path.join(out, 'target'), path.join(out, '.torrent-dl'));
  await assert.rejects(keepInfo(out, HASH, INFO), /cannot write/);
  assert.deepEqual(await readdir(path.join(out, 'target')), []);
});
