import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { DiskError } from '../../src/common/errors.js';
import { FileLock } from '../../src/file/lock.js';
import { temporaryFolder } from './helpers.js';

/** Another process that asks for the lock when it gets a line, and says how that went. */
async function contender(out: string): Promise<{ child: ChildProcess; ask: () => Promise<string> }> {
  const script = fileURLToPath(new URL('take-lock.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', script, out], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  assert.equal((await lines.next()).value, 'ready');
  return {
    child,
    ask: async () => {
      child.stdin.write('name\n');
      return String((await lines.next()).value);
    },
  };
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  const exit = once(child, 'exit');
  child.kill(signal);
  await exit;
}

function isLocked(words: RegExp) {
  return (error: unknown): boolean =>
    error instanceof DiskError && error.code === 'ERR_LOCKED' && words.test(error.message);
}

test('a second download of this process is refused until the first is over', async (t) => {
  const out = await temporaryFolder(t);
  await mkdir(path.join(out, '.torrent-dl'));
  const lock = await FileLock.acquire(out, ['name']);
  await assert.rejects(
    FileLock.acquire(out, ['name']),
    isLocked(/^another download of this process is writing to ".*\/name"$/),
  );
  await (await FileLock.acquire(out, ['other']))[Symbol.asyncDispose]();
  await lock[Symbol.asyncDispose]();
  await (await FileLock.acquire(out, ['name']))[Symbol.asyncDispose]();
  assert.deepEqual(await readdir(path.join(out, '.torrent-dl')), []);
});

test('of two processes that race for the lock of a killed one, never both win', async (t) => {
  const out = await temporaryFolder(t);
  await mkdir(path.join(out, '.torrent-dl'));
  for (let round = 0; round < 3; round++) {
    const [killed, one, other] = await Promise.all([contender(out), contender(out), contender(out)]);
    assert.equal(await killed.ask(), 'taken');
    const pid = String(killed.child.pid);
    assert.equal(await one.ask(), `another torrent-dl (pid ${pid}) is writing to "${out}/name"`);
    await end(killed.child, 'SIGKILL');
    const answers = await Promise.all([one.ask(), other.ask()]);
    assert.equal(answers.filter((answer) => answer === 'taken').length, 1, answers.join(' / '));
    await Promise.all([end(one.child, 'SIGKILL'), end(other.child, 'SIGKILL')]);
  }
  const lock = await FileLock.acquire(out, ['name']);
  assert.equal((await readdir(path.join(out, '.torrent-dl'))).length, 1, 'what the dead left is tidied up');
  await lock[Symbol.asyncDispose]();
});

test('a lock of a process of the same id, but of another start of it or of the machine, is stale', async (t) => {
  const out = await temporaryFolder(t);
  await mkdir(path.join(out, '.torrent-dl'));
  const lock = await FileLock.acquire(out, ['name']);
  const [own] = await readdir(path.join(out, '.torrent-dl'));
  await lock[Symbol.asyncDispose]();
  const [prefix, pid, start, boot] = own!.split('.');
  for (const stale of [`${prefix}.${pid}.1.${boot}.00.lock`, `${prefix}.${pid}.${start}.ffffffff.00.lock`]) {
    await writeFile(path.join(out, '.torrent-dl', stale), '');
    await (await FileLock.acquire(out, ['name']))[Symbol.asyncDispose]();
  }
  assert.deepEqual(await readdir(path.join(out, '.torrent-dl')), []);
});

test('of several names one that is taken is enough, and nothing is left of the try', async (t) => {
  const out = await temporaryFolder(t);
  await mkdir(path.join(out, '.torrent-dl'));
  const lock = await FileLock.acquire(out, ['a', 'b', '/0123']);
  await assert.rejects(FileLock.acquire(out, ['c', 'b']), isLocked(/ is writing to ".*\/b"$/));
  await assert.rejects(FileLock.acquire(out, ['c', '/0123']), isLocked(/ is writing the same torrent to "[^"]*"$/));
  assert.equal((await readdir(path.join(out, '.torrent-dl'))).length, 1);
  await (await FileLock.acquire(out, ['c', 'd']))[Symbol.asyncDispose]();
  await lock[Symbol.asyncDispose]();
  await (await FileLock.acquire(out, ['c', 'b']))[Symbol.asyncDispose]();
});

test('a lock that cannot be given free says which file stays', async (t) => {
  const out = await temporaryFolder(t);
  await mkdir(path.join(out, '.torrent-dl'));
  const lock = await FileLock.acquire(out, ['name']);
  const [file] = await readdir(path.join(out, '.torrent-dl'));
  const place = path.join(out, '.torrent-dl', file!);
  await rm(place);
  await mkdir(place);
  await assert.rejects(lock[Symbol.asyncDispose](), (error) => {
    return error instanceof DiskError && error.message.startsWith(`cannot remove "${place}"`);
  });
});
