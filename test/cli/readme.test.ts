/** The examples of the README's section on pipelines, as they stand there. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';

import { bash, DATA, PHOTOS, withoutPrograms, workFolder, type Outcome } from './shell.js';

/** What an example leaves behind, beside exit code 0 and nothing on stderr. */
type Check = (folder: string, outcome: Outcome) => Promise<void>;

/** By a word that only the one example has. */
const CHECKS: Readonly<Record<string, Check>> = {
  'tar -x -C copy': async (folder) => {
    assert.deepEqual(await readFile(path.join(folder, 'data.bin')), DATA);
    await assertPhotos(path.join(folder, 'copy/photos'));
    assert.equal((await readFile(path.join(folder, 'start'))).length, 2 ** 20);
  },
  'xargs -0': async (folder) => {
    await assertPhotos(path.join(folder, 'photos'));
    for (const name of PHOTOS.keys()) await readFile(path.join(folder, 'photos', `${name}.gz`));
  },
  '--flatten': async (folder, { stdout }) => {
    assert.match(stdout, /^1\tphotos\/hills\/a b\.jpg$/m);
    assert.deepEqual((await readdir(path.join(folder, 'pictures'))).sort(), ['.torrent-dl', 'a b.jpg', 'sea.jpg']);
  },
  'select(.type == "file")': async (folder, { stdout }) => {
    assert.equal(stdout.split('\n').filter((line) => line.startsWith('photos/')).length, PHOTOS.size);
    assert.match(stdout, new RegExp(`^${[...PHOTOS.values()].reduce((sum, { length }) => sum + length, 0)}$`, 'm'));
    assert.equal(await readFile(path.join(folder, 'log'), 'utf8'), '');
  },
  '--input-file': async (folder) => {
    await assertPhotos(path.join(folder, 'here/photos'));
    await assertPhotos(path.join(folder, 'all/photos'));
    assert.ok((await readdir(path.join(folder, 'all'))).includes('data.tar'));
  },
  'case $status': async (folder, { stdout }) => {
    assert.equal(stdout, 'complete\n');
    await assertPhotos(path.join(folder, 'photos'));
  },
  '--dry-run': async (folder) => {
    assert.match(await readFile(path.join(folder, 'report'), 'utf8'), /photos/);
    await assertPhotos(path.join(folder, 'photos'));
  },
  sha256sum: async (folder) => {
    assert.equal(
      (await readFile(path.join(folder, 'photos.sha256'), 'utf8')).trimEnd().split('\n').length,
      PHOTOS.size,
    );
  },
  '--on-complete': async (folder) => {
    const { stdout } = await bash(['-c', 'tar -tzf photos.tgz'], folder);
    for (const name of PHOTOS.keys()) assert.ok(stdout.includes(`photos/${name}\n`), name);
  },
};

async function assertPhotos(folder: string): Promise<void> {
  for (const [name, bytes] of PHOTOS) assert.deepEqual(await readFile(path.join(folder, name)), bytes);
}

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
const [, section = ''] = /^### In pipelines and scripts\n(.*?)^### /ms.exec(readme) ?? [];
const blocks = [...section.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, code]) => code!);

test('each example is looked at by a check of its own', () => {
  assert.equal(blocks.length, Object.keys(CHECKS).length);
});

for (const code of blocks) {
  const [word, check] = Object.entries(CHECKS).find(([word]) => code.includes(word)) ?? [code, undefined];
  test(`the README's example with ${word}`, { skip: withoutPrograms(code, 'jq') }, async () => {
    const folder = await workFolder();
    const outcome = await bash(['-e', '-o', 'pipefail', '-c', code], folder);
    assert.deepEqual([outcome.code, outcome.stderr], [0, '']);
    assert.ok(check);
    await check(folder, outcome);
  });
}
