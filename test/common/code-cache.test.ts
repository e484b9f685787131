import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, chown, mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
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
  delete process.env['NODE_DISABLE_COMPILE_CACHE']; // whoever runs the tests may have it
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

function keptFile(): string {
  const installation = createHash('sha256').update(script).digest('hex').slice(0, 8);
  return path.join(cache, `${process.version}-${process.arch}-${installation}.code`);
}

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
  await chmod(keptFile(), 0o640); // as a file of a torrent is
  assert.notEqual(await runOnce(), kept);
  assert.equal((await stat(keptFile())).mode & 0o777, 0o600);
});

test('code of another user is not run', { skip: process.getuid?.() !== 0 }, async () => {
  const kept = await runOnce();
  await chown(keptFile(), 65_534, 65_534);
  assert.notEqual(await runOnce(), kept);
  assert.equal((await stat(keptFile())).uid, 0);
});

test('code of versions that are gone is removed after some months', async () => {
  await mkdir(cache);
  const names = ['v1.0.0-x64-12345678.code', 'v1.0.0-x64-12345678.code.77.new', 'dht', 'v1.1.0-x64-12345678.code'];
  const long = new Date(Date.now() - 100 * 86_400_000);
  for (const [n, name] of names.entries()) {
    await writeFile(path.join(cache, name), '');
    if (n < 3) await utimes(path.join(cache, name), long, long);
  }
  await runOnce();
  assert.deepEqual((await readdir(cache)).sort(), ['dht', path.basename(keptFile()), names[3]].sort());
});

test('code of another V8 is refused by ours, and replaced', async () => {
  await runOnce();
  const code = Buffer.from((await readFile(keptFile())).subarray(32));
  code.fill(0xff, 4, 8); // the hash of the version
  const digest = createHash('sha256').update(SCRIPT).update(code).digest();
  script = path.join(cache, 'script.cjs'); // of the one that it knows, this process has the code in memory
  await writeFile(script, SCRIPT);
  await writeFile(keptFile(), Buffer.concat([digest, code]), { mode: 0o600 });
  const { ino } = await stat(keptFile());
  assert.notEqual(await runOnce(), ino);
});

test('a pipe in the place of the code is not waited for', { skip: process.platform === 'win32' }, async () => {
  await mkdir(cache);
  assert.equal(spawnSync('mkfifo', [keptFile()]).status, 0);
  assert.ok(await runOnce());
  assert.ok((await stat(keptFile())).isFile());
});

test('a cache that cannot be written is no error', async () => {
  await writeFile(cache, 'a file, no folder');
  assert.equal(await runOnce(), undefined);
});

test(
  'a folder that takes no other is no error either, and nothing waits for it',
  { skip: process.platform !== 'linux' },
  async () => {
    cache = '/proc/torrent-dl'; // where Node's own `mkdir` never returns
    assert.equal(await runOnce(), undefined);
  },
);

test('NODE_DISABLE_COMPILE_CACHE: nothing is read or kept', async () => {
  process.env['NODE_DISABLE_COMPILE_CACHE'] = '1';
  assert.equal(await runOnce(), undefined);
});
