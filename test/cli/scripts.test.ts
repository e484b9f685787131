/** The scripts that are there to be copied. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { bash, muteTorrent, PHOTOS, withoutPrograms, workFolder } from './shell.js';

const folder = fileURLToPath(new URL('scripts/', import.meta.url));
const scripts = await readdir(folder);
const script = (name: string): string => path.join(folder, name);

test('each script stops at the first fault, and says how it is used', async () => {
  for (const name of scripts) {
    const text = await readFile(script(name), 'utf8');
    assert.match(text, /^#!\/bin\/bash\n# [^]*\n# usage: [\w.-]+\.sh [^\n]+\nset -euo pipefail\n/, name);
    assert.ok(text.includes(`# usage: ${name} `), name);
  }
});

test('a linter of shell scripts finds nothing', { skip: withoutPrograms('shellcheck', 'shellcheck') }, () => {
  const { status, stdout } = spawnSync('shellcheck', scripts.map(script), { encoding: 'utf8' });
  assert.equal(status, 0, stdout);
});

test('fetch-with-retries.sh fetches, and gives up after so many tries', async () => {
  const cwd = await workFolder();
  const good = await bash([script('fetch-with-retries.sh'), 'photos.torrent', 'out'], cwd);
  assert.deepEqual([good.code, good.stderr], [0, '']);
  await assertPhotos(path.join(cwd, 'out/photos'));
  await writeFile(path.join(cwd, 'mute.torrent'), muteTorrent);
  const run = `STALL_TIMEOUT=1s bash ${script('fetch-with-retries.sh')} mute.torrent out 2 0`;
  const bad = await bash(['-c', run], cwd);
  assert.equal(bad.code, 7);
  assert.equal(bad.stderr.match(/^torrent-dl: nothing received for 1 s/gm)?.length, 2);
});

test('mirror.sh has all of a list, or says what is missing', { skip: withoutPrograms('jq', 'jq') }, async () => {
  const cwd = await workFolder();
  await writeFile(path.join(cwd, 'list'), 'photos.torrent\ndata.tar.torrent\n');
  const good = await bash([script('mirror.sh'), 'list', 'out'], cwd);
  assert.deepEqual([good.code, good.stdout, good.stderr], [0, '', '']);
  await assertPhotos(path.join(cwd, 'out/photos'));
  await writeFile(path.join(cwd, 'list'), 'nowhere.torrent\nphotos.torrent\n');
  const bad = await bash([script('mirror.sh'), 'list', 'out'], cwd);
  assert.deepEqual([bad.code, bad.stderr], [3, '']);
  assert.match(bad.stdout, /^nowhere\.torrent: .*no such file\n$/);
});

test('work-as-they-come.sh packs each file, whatever it is called', async () => {
  const cwd = await workFolder();
  const { code, stdout, stderr } = await bash([script('work-as-they-come.sh'), 'photos.torrent', 'out'], cwd);
  assert.deepEqual([code, stderr], [0, '']);
  assert.equal(stdout.match(/^packed /gm)?.length, PHOTOS.size);
  for (const name of PHOTOS.keys()) await readFile(path.join(cwd, 'out/photos', `${name}.gz`));
});

test('unpack-all-or-nothing.sh leaves all, or nothing', async () => {
  const cwd = await workFolder();
  const good = await bash([script('unpack-all-or-nothing.sh'), 'photos.torrent', 'out'], cwd);
  assert.deepEqual([good.code, good.stderr], [0, '']);
  await assertPhotos(path.join(cwd, 'out/photos'));
  await writeFile(path.join(cwd, 'mute.torrent'), muteTorrent);
  const before = await readdir(cwd);
  const run = `STALL_TIMEOUT=1s bash ${script('unpack-all-or-nothing.sh')} mute.torrent other`;
  assert.equal((await bash(['-c', run], cwd)).code, 7);
  assert.deepEqual(await readdir(cwd), before);
});

async function assertPhotos(place: string): Promise<void> {
  for (const [name, bytes] of PHOTOS) assert.deepEqual(await readFile(path.join(place, name)), bytes);
}
