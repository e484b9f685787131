import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Download, DownloadOptions } from '../src/api.js';
import { downloadHere } from './helpers/download.js';
import { ScriptedPeer } from './helpers/scripted-peer.js';
import { openSmallDisk, type SmallDisk } from './helpers/small-disk.js';
import { makeTorrent, randomBytes, type MadeTorrent } from './helpers/torrent.js';
import { until } from './helpers/until.js';

const MIB = 1024 * 1024;
const torrent = makeTorrent(randomBytes('full', 4 * MIB), { pieceLength: 64 * 1024, name: 'data' });

/** Runs on a disk of so many bytes. */
async function onSmallDisk(t: TestContext, length: number, run: (disk: SmallDisk) => Promise<void>): Promise<void> {
  const opened = await openSmallDisk(length);
  if (!opened) {
    t.skip('no file system may be mounted here');
    return;
  }
  await using disk = opened;
  await run(disk);
}

function start(disk: SmallDisk, seed: ScriptedPeer, options: DownloadOptions = {}): Download {
  const signal = AbortSignal.timeout(30_000);
  return downloadHere(torrent.bytes, { out: disk.folder, peers: [seed.address], signal, ...options });
}

async function assertContent({ content }: MadeTorrent, disk: SmallDisk): Promise<void> {
  assert.ok((await readFile(path.join(disk.folder, 'data'))).equals(content as Buffer), 'the bytes differ');
}

test('a disk that is too small is refused before anybody is dialled', (t) =>
  onSmallDisk(t, MIB, async (disk) => {
    await using seed = await ScriptedPeer.open(torrent);
    await using running = start(disk, seed);
    await assert.rejects(running.done, {
      code: 'ERR_NO_SPACE',
      message: /^cannot write below ".*": 4\.00 MiB needed, [\d.]+ [KM]iB free$/,
    });
    await assert.rejects(running.ended);
    assert.equal(seed.connections, 0);
  }));

test('a disk that fills up ends the download; with room the next run goes on', (t) =>
  onSmallDisk(t, 6 * MIB, async (disk) => {
    await using seed = await ScriptedPeer.open(torrent, { rate: 4 * MIB });
    {
      await using running = start(disk, seed);
      await until(() => running.stats().havePieces > 4);
      disk.fill();
      await assert.rejects(running.done, {
        code: 'ERR_DISK_FULL',
        message: /no space left on device \(\d.* more needed\)$/,
      });
    }
    await disk.empty();
    await using again = start(disk, seed);
    await again.done;
    assert.ok(again.stats().downloaded < torrent.totalLength);
    await assertContent(torrent, disk);
  }));

test('with `wait` a disk that fills up is waited for: every block is fetched once, and no stall is seen', (t) =>
  onSmallDisk(t, 6 * MIB, async (disk) => {
    await using seed = await ScriptedPeer.open(torrent, { rate: 4 * MIB });
    const notices: string[] = [];
    await using running = start(disk, seed, {
      onDiskFull: 'wait',
      stallTimeoutMs: 1000,
      onNotice: ({ text }) => notices.push(text),
    });
    await until(() => running.stats().havePieces > 4);
    disk.fill();
    await until(() => notices.length > 0);
    assert.match(notices[0]!, /no space left on device \(\d.* more needed\); waiting until there is room$/);
    const have = running.stats().havePieces;
    await sleep(2500); // longer than the stall time limit, and than it takes until the disk is tried again
    assert.equal(running.stats().havePieces, have);
    await disk.empty();
    await running.done;
    assert.match(notices[1]!, /there is room/);
    assert.equal(notices.length, 2);
    assert.equal(seed.sent, torrent.totalLength);
    assert.equal(running.stats().wasted, 0);
    await assertContent(torrent, disk);
  }));

test('with `wait` a disk that is full from the start is waited for', (t) =>
  onSmallDisk(t, 6 * MIB, async (disk) => {
    await using seed = await ScriptedPeer.open(torrent);
    const notices: string[] = [];
    disk.fill();
    await using running = start(disk, seed, { onDiskFull: 'wait', onNotice: ({ text }) => notices.push(text) });
    await until(() => notices.length > 0);
    assert.match(notices[0]!, /waiting until there is room$/);
    assert.equal(seed.connections, 0);
    await disk.empty();
    await running.done;
    await assertContent(torrent, disk);
  }));

for (const when of ['from the start', 'in the middle'] as const) {
  test(`a download that waits for room ${when} is stopped at once, and its time limit counts`, (t) =>
    onSmallDisk(t, 6 * MIB, async (disk) => {
      await using seed = await ScriptedPeer.open(torrent, { rate: 4 * MIB });
      for (const limit of ['signal', 'timeout'] as const) {
        if (when === 'from the start') disk.fill();
        const stop = new AbortController();
        let isWaiting = false;
        await using running = start(disk, seed, {
          onDiskFull: 'wait',
          onNotice: ({ text }) => (isWaiting ||= text.endsWith('waiting until there is room')),
          ...(limit === 'signal' ? { signal: stop.signal } : { timeoutMs: 2500 }),
        });
        if (when === 'in the middle') {
          await until(() => running.stats().havePieces > 4);
          disk.fill();
        }
        await until(() => isWaiting);
        const stoppedAt = performance.now();
        stop.abort();
        await assert.rejects(running.done, limit === 'signal' ? { name: 'AbortError' } : { code: 'ERR_TIMEOUT' });
        await running.ended.catch(() => undefined);
        if (limit === 'signal') assert.ok(performance.now() - stoppedAt < 2000);
        await disk.empty();
      }
    }));
}
