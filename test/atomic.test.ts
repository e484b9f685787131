import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import type { Download, DownloadOptions, FinishedFile } from '../src/api.js';
import { rootOf } from '../src/file/staged-files.js';
import { decodeMetainfo } from '../src/metainfo/decode.js';
import { Session } from '../src/session.js';
import { downloadHere } from './helpers/download.js';
import { ScriptedPeer } from './helpers/scripted-peer.js';
import { contentFiles, makeTorrent, randomBytes, writeContent, type MadeTorrent } from './helpers/torrent.js';
import { until } from './helpers/until.js';

const KIB = 1024;
const RATE = 4 * KIB * KIB;

const single = makeTorrent(randomBytes('single', 2 * KIB * KIB + 7), { pieceLength: 32 * KIB, name: 'one.iso' });
const several = makeTorrent(
  [
    { path: 'a/b/one', data: randomBytes('one', 900 * KIB + 1) },
    { path: 'empty', data: new Uint8Array(0) },
    { path: 'two', data: randomBytes('two', 1100 * KIB) },
  ],
  { pieceLength: 32 * KIB, name: 'several' },
);

async function inTempFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'torrent-dl-'));
  try {
    await run(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function start(torrent: MadeTorrent, out: string, options: DownloadOptions = {}): Download {
  return downloadHere(torrent.bytes, { out, atomic: true, signal: AbortSignal.timeout(30_000), ...options });
}

/** The whole torrent is in place, and nothing beside it but our state. */
async function assertInPlace(torrent: MadeTorrent, out: string): Promise<void> {
  for (const { path: name, data } of contentFiles(torrent)) {
    assert.ok((await readFile(path.join(out, name))).equals(data), `${name} differs`);
  }
  assert.deepEqual((await readdir(out)).sort(), ['.torrent-dl', torrent.name].sort());
  assert.ok(!(await readdir(path.join(out, '.torrent-dl'))).some((name) => name.endsWith('.staged')));
}

for (const torrent of [single, several]) {
  test(`nothing of ${torrent.name} is seen before all of it is there; another run finds it complete`, () =>
    inTempFolder(async (out) => {
      await using seed = await ScriptedPeer.open(torrent, { rate: RATE });
      const running = start(torrent, out, { peers: [seed.address] });
      for (let had = 0; had < torrent.pieceCount - 1; had = running.stats().havePieces) {
        await until(() => running.stats().havePieces > had);
        const isWhole = running.stats().havePieces === torrent.pieceCount;
        if (!isWhole) assert.deepEqual(await readdir(out), ['.torrent-dl']);
      }
      await running.done;
      await running[Symbol.asyncDispose]();
      await assertInPlace(torrent, out);
      for (const atomic of [true, false]) {
        await using again = start(torrent, out, { atomic });
        await again.done;
        assert.equal(again.stats().downloaded, 0);
      }
      await assertInPlace(torrent, out);
    }));

  test(`a stopped download of ${torrent.name} goes on from what was staged`, () =>
    inTempFolder(async (out) => {
      const half = Math.floor(torrent.pieceCount / 2);
      await using seed = await ScriptedPeer.open(torrent);
      await using partial = await ScriptedPeer.open(torrent, { pieces: Array.from({ length: half }, (_, n) => n) });
      let first = 0;
      {
        await using running = start(torrent, out, { peers: [partial.address] });
        await until(() => running.stats().havePieces === half);
        await running[Symbol.asyncDispose]();
        first = running.stats().haveLength;
      }
      assert.deepEqual(await readdir(out), ['.torrent-dl']);
      await using again = start(torrent, out, { peers: [seed.address] });
      await again.done;
      assert.ok(again.stats().downloaded <= torrent.totalLength - first);
      await assertInPlace(torrent, out);
    }));

  test(`${torrent.name} goes on being seeded from its place`, () =>
    inTempFolder(async (folder) => {
      await using seed = await ScriptedPeer.open(torrent);
      const [out, other] = [path.join(folder, 'out'), path.join(folder, 'other')];
      await using running = start(torrent, out, { peers: [seed.address], seed: true, pex: false });
      const address = (): { host: string; port: number } => ({ host: '127.0.0.1', port: running.stats().port });
      await until(() => running.stats().port > 0);
      await using taker = start(torrent, other, { peers: [address()], pex: false });
      await Promise.all([running.done, taker.done]);
      await assertInPlace(torrent, out);
      await assertInPlace(torrent, other);
      assert.ok(running.stats().uploaded >= torrent.totalLength);
    }));
}

test('a piece that is the last and comes from the disk after the stop moves nothing: that is for the next run', (t) =>
  inTempFolder(async (out) => {
    await using seed = await ScriptedPeer.open(single);
    await using session = await Session.open();
    const write = session.threads.write.bind(session.threads);
    let writeLast: (() => void) | undefined;
    const hold = (id: number, slot: number, index: number): void => {
      if (index === single.pieceCount - 1) writeLast = () => write(id, slot, index);
      else write(id, slot, index);
    };
    const { mock } = t.mock.method(session.threads, 'write', hold);
    const told: number[] = [];
    const onFile = ({ index }: FinishedFile): void => void told.push(index);
    const running = start(single, out, { session, peers: [seed.address], onFile });
    await until(() => writeLast !== undefined && running.stats().havePieces === single.pieceCount - 1);
    const closed = running[Symbol.asyncDispose]();
    writeLast!();
    await closed;
    mock.restore();
    await using again = start(single, out, { session });
    await again.done;
    await assertInPlace(single, out);
    assert.deepEqual(told, []);
  }));

test('whatever is in the way stays as it is, and nobody is dialled', () =>
  inTempFolder(async (folder) => {
    const ways: readonly [MadeTorrent, (place: string) => Promise<unknown>][] = [
      [single, (place) => writeFile(place, 'mine')],
      [single, (place) => mkdir(place)],
      [single, (place) => symlink('nowhere', place)],
      [several, (place) => writeFile(place, 'mine')],
      [several, (place) => mkdir(place)],
      [single, (place) => writeFile(place, Buffer.alloc(single.totalLength))], // as long, and something else
    ];
    for (const [number, [torrent, put]] of ways.entries()) {
      const out = path.join(folder, String(number));
      const place = path.join(out, torrent.name);
      await mkdir(out);
      await put(place);
      await using seed = await ScriptedPeer.open(torrent);
      await using running = start(torrent, out, { peers: [seed.address] });
      await assert.rejects(running.done, { name: 'DiskError', code: /^ERR_(?:IN_THE_WAY)$/ }, `way ${number}`);
      await running.ended.catch(() => undefined);
      assert.equal(seed.connections, 0);
      assert.deepEqual((await readdir(out)).sort(), ['.torrent-dl', torrent.name].sort());
    }
    assert.equal(await readFile(path.join(folder, '0', single.name), 'utf8'), 'mine');
    assert.deepEqual(await readdir(path.join(folder, '4', several.name)), []);
  }));

test('what comes into the way while it runs is not replaced, and what was staged is kept', () =>
  inTempFolder(async (out) => {
    await using seed = await ScriptedPeer.open(single, { rate: RATE });
    {
      await using running = start(single, out, { peers: [seed.address] });
      await until(() => running.stats().havePieces > 4);
      await writeFile(path.join(out, single.name), 'mine');
      await assert.rejects(running.done, { code: 'ERR_IN_THE_WAY' });
    }
    assert.equal(await readFile(path.join(out, single.name), 'utf8'), 'mine');
    await rm(path.join(out, single.name));
    await using again = start(single, out);
    await again.done;
    await assertInPlace(single, out);
  }));

test('the whole torrent in place is done, whoever put it there', () =>
  inTempFolder(async (out) => {
    await writeContent(several, out);
    await using running = start(several, out);
    await running.done;
    assert.equal(running.stats().downloaded, 0);
    await assertInPlace(several, out);
  }));

test('files are told of once they are in place', () =>
  inTempFolder(async (out) => {
    await using seed = await ScriptedPeer.open(several);
    for (const peers of [[seed.address], []]) {
      const told: string[] = [];
      const onFile = ({ path: name }: { readonly path: string }): void => {
        assert.ok(existsSync(path.join(out, name)), name);
        told.push(name);
      };
      await using running = start(several, out, { peers, onFile });
      await running.done;
      assert.deepEqual(told.sort(), ['several/a/b/one', 'several/empty', 'several/two']);
    }
  }));

test('a run is kept off a place that another one is about to fill', () =>
  inTempFolder(async (out) => {
    await using seed = await ScriptedPeer.open(single, { behaviour: 'stall' });
    await using running = start(single, out, { peers: [seed.address] });
    await until(() => running.stats().phase === 'downloading');
    for (const atomic of [true, false]) {
      await using other = start(single, out, { atomic });
      await assert.rejects(other.done, { code: 'ERR_LOCKED' });
    }
  }));

test('a link in place of the hidden folder leads nowhere', () =>
  inTempFolder(async (folder) => {
    const out = path.join(folder, 'out');
    await mkdir(path.join(out, '.torrent-dl'), { recursive: true });
    await mkdir(path.join(folder, 'elsewhere'));
    await symlink('../../elsewhere', path.join(out, '.torrent-dl', `${single.infoHash.toString('hex')}.staged`));
    await using running = start(single, out);
    await assert.rejects(running.done, { code: 'ERR_SYMLINK' });
    assert.deepEqual(await readdir(path.join(folder, 'elsewhere')), []);
  }));

test('files without a folder in common cannot be put in place at once', () => {
  const metainfo = decodeMetainfo(several.bytes);
  assert.equal(rootOf(metainfo), 'several');
  const files = metainfo.files.map((file) => ({ ...file, path: file.path.split('/').at(-1)! }));
  assert.throws(() => rootOf({ ...metainfo, files }), { name: 'UsageError', code: 'ERR_ATOMIC_ROOTS' });
});

test('who goes on without it is told of what is staged', () =>
  inTempFolder(async (out) => {
    const torrent = makeTorrent(randomBytes('plain', 100_000), { name: 'plain.iso' });
    const notices: string[] = [];
    const onNotice = ({ text }: { text: string }): void => void notices.push(text);
    for (const atomic of [false, true, false]) {
      await using running = start(torrent, out, { atomic, onNotice });
      await until(() => running.stats().phase === 'downloading');
      if (atomic) await rm(path.join(out, 'plain.iso'), { force: true });
    }
    assert.deepEqual(notices, ['an unfinished download with --atomic is left alone, and waits there']);
  }));
