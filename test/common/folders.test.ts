import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { makeFolders } from '../../src/common/folders.js';

test('missing folders are made with their mode, and what is no folder is told', async () => {
  const top = await mkdtemp(path.join(os.tmpdir(), 'torrent-dl-folders-'));
  try {
    makeFolders(path.join(top, 'a/b/c'), 0o700);
    makeFolders(path.join(top, 'a/b/c'));
    for (const name of ['a', 'a/b', 'a/b/c']) assert.equal((await stat(path.join(top, name))).mode & 0o777, 0o700);
    await writeFile(path.join(top, 'file'), '');
    assert.throws(() => makeFolders(path.join(top, 'file')), { code: 'EEXIST' });
    assert.throws(() => makeFolders(path.join(top, 'file/x')), { code: 'ENOTDIR' });
  } finally {
    await rm(top, { recursive: true });
  }
});

test('programs that make the same folders at once do not stop one another', async () => {
  const top = await mkdtemp(path.join(os.tmpdir(), 'torrent-dl-folders-'));
  try {
    const module = JSON.stringify(new URL('../../src/common/folders.ts', import.meta.url).href);
    const script = `const { makeFolders } = await import(${module});
      for (let n = 0; n < 2000; n++) makeFolders(${JSON.stringify(top)} + '/' + n + '/b/c');`;
    const words = ['--import', import.meta.resolve('tsx'), '--input-type=module', '-e', script];
    const run = promisify(execFile);
    await Promise.all([1, 2, 3].map(() => run(process.execPath, words, { timeout: 30_000 })));
  } finally {
    await rm(top, { recursive: true });
  }
});
