import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { readTorrentFile } from '../../src/metainfo/torrent-file.js';

async function folderOf(t: TestContext): Promise<string> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'torrent-dl-read-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A pipe with a name, or undefined where there is none. */
function makePipe(t: TestContext, folder: string): string | undefined {
  const pipe = path.join(folder, 'pipe');
  if (spawnSync('mkfifo', [pipe]).status === 0) return pipe;
  t.skip('no mkfifo here');
  return undefined;
}

test('a file is read whole, and what cannot be read is told', async (t) => {
  const folder = await folderOf(t);
  const file = path.join(folder, 'x.torrent');
  await writeFile(file, 'd4:spam3:abce');
  assert.equal(String(await readTorrentFile(file)), 'd4:spam3:abce');
  await assert.rejects(readTorrentFile(path.join(folder, 'none')), /: no such file$/);
  await assert.rejects(readTorrentFile(folder), /: it is a folder$/);
});

test('a pipe is read whole, even when its writer comes late and pauses', async (t) => {
  const pipe = makePipe(t, await folderOf(t));
  if (pipe === undefined) return;
  const reading = readTorrentFile(pipe, AbortSignal.timeout(10_000));
  const writer = spawn('sh', ['-c', `exec > '${pipe}'; printf one; sleep 0.2; printf two`]);
  const exited = once(writer, 'exit');
  assert.equal(String(await reading), 'onetwo');
  await exited;
});

test('a pipe that nobody writes to can be given up', async (t) => {
  const pipe = makePipe(t, await folderOf(t));
  if (pipe === undefined) return;
  const reason = new Error('enough');
  const controller = new AbortController();
  const reading = readTorrentFile(pipe, controller.signal);
  setImmediate(() => controller.abort(reason));
  await assert.rejects(reading, (error) => error === reason || (error as Error).name === 'AbortError');
});

test('a source without end is no torrent', { skip: process.platform === 'win32' }, async () => {
  await assert.rejects(readTorrentFile('/dev/zero'), { code: 'ERR_NO_TORRENT', message: /longer than any \.torrent/ });
});
