import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { loadScript } from '../../src/common/code-cache.js';

const SCRIPT = 'exports.double = (n) => 2 * n; exports.where = __dirname; exports.sep = require("path").sep;';

let folder: string;
let script: string;
let cache: string;

beforeEach(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'torrent-dl-code-'));
  script = path.join(folder, 'script.cjs');
  cache = path.join(folder, 'cache');
  await writeFile(script, SCRIPT);
});
afterEach(() => rm(folder, { recursive: true }));

/** Runs the script once and lets it keep its code. Gives what tells one kept file from the next, if there is one. */
async function runOnce(expected = 42): Promise<number | undefined> {
  const { exports, keepCode } = loadScript(script, cache);
  const { double, where, sep } = exports as { double: (n: number) => number; where: string; sep: string };
  assert.equal(double(21), expected);
  assert.equal(where, path.dirname(script));
  assert.equal(sep, path.sep);
  await keepCode();
  await keepCode();
  return (await stat(keptFile()).catch(() => undefined))?.ino;
}

const keptFile = (): string => path.join(cache, `script-${process.version}-${process.arch}.code`);

test('code is kept by the first run and taken by the next', async () => {
  const kept = await runOnce();
  assert.ok(kept !== undefined);
  assert.equal(await runOnce(), kept);
  assert.equal((await readdir(cache)).length, 1);
});

test('a script of the same length is not run by the code of the old one', async () => {
  const kept = await runOnce();
  await writeFile(script, SCRIPT.replace('2 * n', '3 * n'));
  assert.notEqual(await runOnce(63), kept);
});

test('damaged or short code is not run, and replaced', async () => {
  let kept = await runOnce();
  const whole = await readFile(keptFile());
  for (const at of [0, 31, 40, whole.length >> 1, whole.length - 1]) {
    const damaged = Buffer.from(whole);
    damaged[at]! ^= 1;
    await writeFile(keptFile(), damaged);
    const next = await runOnce();
    assert.notEqual(next, kept, `byte ${at}`);
    kept = next;
  }
  for (const length of [0, 10, 32, whole.length - 1]) {
    await writeFile(keptFile(), whole.subarray(0, length));
    const next = await runOnce();
    assert.notEqual(next, kept, `${length} bytes`);
    kept = next;
  }
});

test('code that others may have written is not run', { skip: process.platform === 'win32' }, async () => {
  const kept = await runOnce();
  await chmod(keptFile(), 0o620);
  assert.notEqual(await runOnce(), kept);
  assert.equal((await stat(keptFile())).mode & 0o777, 0o600);
});

test('code of another V8 is refused by ours, and replaced', async () => {
  const kept = await runOnce();
  const code = Buffer.from((await readFile(keptFile())).subarray(32));
  code.fill(0xff, 4, 8); // the hash of the version
  const source = await readFile(script);
  const digest = createHash('sha256').update(source).update(code).digest();
  await writeFile(keptFile(), Buffer.concat([digest, code]));
  script = path.join(cache, 'script.cjs'); // of the one that it knows, this process has the code in memory
  await writeFile(script, SCRIPT);
  assert.notEqual(await runOnce(), kept);
});

test('a cache that cannot be written is no error', async () => {
  await writeFile(cache, 'a file, no folder');
  assert.equal(await runOnce(), undefined);
});

test('NODE_DISABLE_COMPILE_CACHE: nothing is read or kept', async () => {
  process.env['NODE_DISABLE_COMPILE_CACHE'] = '1';
  try {
    assert.equal(await runOnce(), undefined);
  } finally {
    delete process.env['NODE_DISABLE_COMPILE_CACHE'];
  }
});
