import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { appendFileSync, chmodSync, unlinkSync, writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import fc from 'fast-check';
import { createTorrent, type CreateOptions } from '../src/create.js';
import { DiskError, UsageError } from '../src/common/errors.js';
import { randomBytes } from './helpers/torrent.js';

/** A folder that is gone after the test, with these files in it. */
async function folderOf(t: TestContext, files: Readonly<Record<string, Uint8Array | string>> = {}): Promise<string> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'torrent-dl-create-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await fill(folder, files);
  return folder;
}

async function fill(folder: string, files: Readonly<Record<string, Uint8Array | string>>): Promise<void> {
  for (const [name, data] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(folder, name)), { recursive: true });
    await writeFile(path.join(folder, name), data);
  }
}

/** SHA-1 of each piece of the joined files. */
function hashes(pieceLength: number, ...files: readonly Uint8Array[]): Buffer {
  const data = Buffer.concat(files);
  const digests: Buffer[] = [];
  for (let at = 0; at < data.length; at += pieceLength) {
    digests.push(
      createHash('sha1')
        .update(data.subarray(at, at + pieceLength))
        .digest(),
    );
  }
  return Buffer.concat(digests);
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

/** What a program prints; undefined, and the test skipped, where it is not installed. */
function outputOf(t: TestContext, program: string, words: readonly string[], cwd: string): string | undefined {
  const { error, status, stdout, stderr } = spawnSync(program, words, { cwd, encoding: 'utf8' });
  if (error) t.skip(`${program} is not installed`);
  else assert.equal(status, 0, stderr);
  return error ? undefined : stdout;
}

test('a single file has the hashes of its pieces, whether they are longer or shorter than what is read at once', async (t) => {
  const data = randomBytes(1, 3_000_001);
  const folder = await folderOf(t, { 'a file.bin': data });
  for (const pieceLength of [16_384, 262_144, 1_048_576]) {
    const { metainfo, bytes, infoHash, warnings } = await createTorrent(path.join(folder, 'a file.bin'), {
      pieceLength,
    });
    assert.deepEqual([metainfo.name, metainfo.isMultiFile, metainfo.totalLength], ['a file.bin', false, data.length]);
    assert.equal(hex(metainfo.pieceHashes), hex(hashes(pieceLength, data)));
    assert.equal(hex(infoHash), hex(metainfo.infoHash));
    assert(!Buffer.from(bytes).includes('creation date'));
    assert.deepEqual(warnings, []);
  }
});

test('a folder has all its files in the order of their bytes, hidden and empty ones too, and no empty folders', async (t) => {
  const names = ['.hidden', 'B', 'a-b', 'a.txt', 'a/.x', 'a/b', 'a/z/1', 'empty', 'ä', '大'];
  const data = Object.fromEntries(names.map((name, n) => [name, name === 'empty' ? '' : randomBytes(n, 7000 * n + 1)]));
  const folder = await folderOf(t, data);
  await mkdir(path.join(folder, 'nothing/inside'), { recursive: true });
  const { metainfo } = await createTorrent(folder, { name: 'root', pieceLength: 16_384 });
  assert.deepEqual(
    metainfo.files.map((file) => file.path),
    names.map((name) => `root/${name}`),
  );
  const all = names.map((name) => Buffer.from(data[name]!));
  assert.equal(hex(metainfo.pieceHashes), hex(hashes(16_384, ...all)));
});

test('the same files make the same bytes, wherever they are and whenever they were made', async (t) => {
  const files = { 'x/one': randomBytes(1, 50_000), 'x/two/three': randomBytes(2, 70_000) };
  const options: CreateOptions = { trackers: [['http://t.example/announce']], comment: 'c', sourceTag: 'S' };
  const [here, there] = [
    await folderOf(t, files),
    await folderOf(t, Object.fromEntries(Object.entries(files).reverse())),
  ];
  await utimes(path.join(there, 'x/one'), 1, 1);
  const one = await createTorrent(path.join(here, 'x'), options);
  const other = await createTorrent(`${path.join(there, 'x')}/`, options);
  assert.equal(hex(one.bytes), hex(other.bytes));
  const tagged = await createTorrent(path.join(here, 'x'), { ...options, sourceTag: 'T' });
  assert.notEqual(hex(tagged.infoHash), hex(one.infoHash));
});

test('mktorrent gives the same info hash, and transmission and libtorrent read the same', async (t) => {
  const folder = await folderOf(t, {
    'album/01.flac': randomBytes(1, 200_000),
    'album/b/дальше.jpg': randomBytes(2, 77_777),
    'album/empty.log': '',
    'notes.txt': randomBytes(3, 40_000),
  });
  const trackers = [['http://a.example/announce', 'udp://b.example:6969/announce'], ['https://c.example/announce']];
  for (const name of ['album', 'notes.txt']) {
    const { bytes, infoHash } = await createTorrent(path.join(folder, name), {
      ...{ trackers, pieceLength: 32_768, isPrivate: true, webSeeds: ['http://w.example/files/'], comment: 'Grüße' },
    });
    await writeFile(path.join(folder, 'ours.torrent'), bytes);
    await rm(path.join(folder, 'theirs.torrent'), { force: true });
    const words = [
      '-p',
      '-l',
      '15',
      '-a',
      trackers[0]!.join(','),
      '-a',
      trackers[1]![0]!,
      '-o',
      'theirs.torrent',
      name,
    ];
    if (outputOf(t, 'mktorrent', words, folder) === undefined) return;
    const theirs = outputOf(t, 'transmission-show', ['theirs.torrent'], folder);
    const ours = outputOf(t, 'transmission-show', ['ours.torrent'], folder);
    if (ours === undefined || theirs === undefined) return;
    assert.equal(/Hash: (\w+)/.exec(theirs)?.[1], hex(infoHash));
    assert.equal(/Hash: (\w+)/.exec(ours)?.[1], hex(infoHash));
    assert.equal(ours.slice(ours.indexOf('FILES')), theirs.slice(theirs.indexOf('FILES')));
    assert.match(ours, /Tier #2\s+https:\/\/c\.example\/announce/);
    assert.match(ours, /Privacy: Private torrent/);
  }
});

const LIBTORRENT = `
import sys, time, libtorrent as lt
info = lt.torrent_info('ours.torrent')
session = lt.session({'enable_dht': False, 'enable_lsd': False, 'listen_interfaces': '127.0.0.1:0'})
torrent = session.add_torrent({'ti': info, 'save_path': '.'})
until = time.monotonic() + 20
while time.monotonic() < until and not torrent.status().is_seeding:
    time.sleep(0.05)
print(info.info_hash(), torrent.status().is_seeding, info.num_files(), info.comment())
`;

test('libtorrent takes the torrent, and finds that the files are the torrent’s', async (t) => {
  const folder = await folderOf(t, {
    'album/01.flac': randomBytes(1, 900_000),
    'album/a-b': randomBytes(4, 10_000),
    'album/a/b': randomBytes(2, 77_777),
    'album/empty.log': '',
  });
  if (spawnSync('/usr/bin/python3', ['-c', 'import libtorrent']).status !== 0) {
    return t.skip('libtorrent is not installed');
  }
  const { bytes, infoHash } = await createTorrent(path.join(folder, 'album'), { comment: 'Grüße' });
  await writeFile(path.join(folder, 'ours.torrent'), bytes);
  const output = outputOf(t, '/usr/bin/python3', ['-c', LIBTORRENT], folder);
  assert.equal(output, `${hex(infoHash)} True 4 Grüße\n`);
});

test('links, pipes and our own state are left out and told of', async (t) => {
  const folder = await folderOf(t, { 'd/a': 'a', 'd/.torrent-dl/x.resume': 'state', other: 'other' });
  await symlink('../other', path.join(folder, 'd/link'));
  assert.equal(spawnSync('mkfifo', [path.join(folder, 'd/pipe')]).status, 0);
  const { metainfo, warnings } = await createTorrent(path.join(folder, 'd'));
  assert.deepEqual(
    metainfo.files.map((file) => file.path),
    ['d/a'],
  );
  const place = path.join(folder, 'd');
  assert.deepEqual([...warnings].sort(), [
    `the pipe, socket or device "${place}/pipe" is left out`,
    `the state of downloads in "${place}/.torrent-dl" is left out`,
    `the symbolic link "${place}/link" is left out`,
  ]);
});

test('with followsLinks, links are what they lead to; those that lead nowhere or around in circles are left out', async (t) => {
  const folder = await folderOf(t, { 'd/sub/a': 'a', 'out/b': 'b', 'out/c/d': 'd' });
  await symlink('../out', path.join(folder, 'd/linked'));
  await symlink('../out/b', path.join(folder, 'd/file'));
  await symlink('..', path.join(folder, 'd/sub/circle'));
  await symlink('nowhere', path.join(folder, 'd/dangling'));
  const { metainfo, warnings } = await createTorrent(path.join(folder, 'd'), { followsLinks: true });
  assert.deepEqual(
    metainfo.files.map((file) => file.path),
    ['d/file', 'd/linked/b', 'd/linked/c/d', 'd/sub/a'],
  );
  assert.equal(hex(metainfo.pieceHashes), hex(hashes(16_384, Buffer.from('bbda'))));
  assert.equal(warnings.length, 2);
  assert.match(warnings.join('\n'), /leads nowhere ".*dangling"[^]*to a folder around it ".*circle"/);
});

test('the path itself may be a link, to a file or to a folder', async (t) => {
  const folder = await folderOf(t, { 'd/a': 'a' });
  await symlink('d', path.join(folder, 'e'));
  await symlink('d/a', path.join(folder, 'f'));
  assert.equal((await createTorrent(path.join(folder, 'e'))).metainfo.files[0]!.path, 'e/a');
  assert.equal((await createTorrent(path.join(folder, 'f'))).metainfo.files[0]!.path, 'f');
});

test('with nothing to share there is no torrent', async (t) => {
  const folder = await folderOf(t, { 'd/empty': '', 'd/also/empty': '' });
  await mkdir(path.join(folder, 'none'));
  for (const name of ['d', 'none', 'd/empty']) {
    await assert.rejects(createTorrent(path.join(folder, name)), { name: 'UsageError', code: 'ERR_NOTHING_TO_SHARE' });
  }
  await assert.rejects(createTorrent(path.join(folder, 'nowhere')), {
    ...{ name: 'DiskError', code: 'ERR_NO_SUCH_FILE' },
    message: `cannot read "${path.join(folder, 'nowhere')}": no such file or folder`,
  });
  await assert.rejects(createTorrent('/dev/null'), { name: 'DiskError', code: 'ERR_IN_THE_WAY' });
});

test('names that others could not have are refused before anything is hashed', async (t) => {
  const table: readonly (readonly [string | Buffer, RegExp])[] = [
    ['new\nline', /cannot share .*new\\x0aline.* others would write it as .*new_line.*; rename it/],
    ['.pad/17', /its name marks padding/],
    ['_____padding_file_1____', /its name marks padding/],
    [Buffer.from('gr\xfcn', 'latin1'), /its name is not UTF-8; rename it/],
  ];
  for (const [name, message] of table) {
    const folder = await folderOf(t, { a: 'a', '.pad/none': '' });
    writeFileSync(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from(name)]), 'data');
    const onProgress = (): void => assert.fail('it hashes');
    await assert.rejects(createTorrent(folder, { name: 'r' }, { onProgress }), (error: Error) => {
      assert(error instanceof UsageError);
      assert.equal(error.code, 'ERR_FILE_NAME');
      assert.match(error.message, message);
      return true;
    });
  }
});

test('options that make no sense are a UsageError', async (t) => {
  const folder = await folderOf(t, { a: 'a' });
  const table: readonly (readonly [CreateOptions, string])[] = [
    [{ name: '' }, 'ERR_FILE_NAME'],
    [{ name: 'a/b' }, 'ERR_FILE_NAME'],
    [{ name: '.torrent-dl' }, 'ERR_FILE_NAME'],
    [{ pieceLength: 1000 }, 'ERR_PIECE_LENGTH'],
    [{ trackers: [['http://ok.example/announce'], ['ok.example']] }, 'ERR_URL'],
    [{ webSeeds: ['udp://w.example/'] }, 'ERR_URL'],
    [{ creationDate: -1 }, 'ERR_CREATION_DATE'],
    [{ creationDate: 1.5 }, 'ERR_CREATION_DATE'],
    [{ creationDate: 8.64e12 + 1 }, 'ERR_CREATION_DATE'],
  ];
  for (const [options, code] of table) {
    await assert.rejects(createTorrent(folder, options), { name: 'UsageError', code }, JSON.stringify(options));
  }
  const secret = createTorrent(folder, { trackers: [['gopher://t.example/passkey']] });
  await assert.rejects(secret, { message: 'gopher://t.example/… is no URL that a tracker can have' });
});

test('a file that changes while it is read is a DiskError', async (t) => {
  const changes: readonly ((file: string) => void)[] = [
    (file) => appendFileSync(file, 'more'),
    (file) => writeFileSync(file, 'less'),
    (file) => writeFileSync(file, randomBytes(2, 100_000)),
  ];
  for (const change of changes) {
    const folder = await folderOf(t, { a: randomBytes(1, 100_000) });
    await utimes(path.join(folder, 'a'), 1, 1);
    const onProgress = (done: number): void => {
      if (done === 0) change(path.join(folder, 'a'));
    };
    await assert.rejects(createTorrent(folder, {}, { onProgress }), {
      ...{ name: 'DiskError', code: 'ERR_FILE_CHANGED' },
      message: `cannot share "${path.join(folder, 'a')}": it changed while it was read`,
    });
  }
});

test('a file that may not be read is a DiskError before anything is hashed', async (t) => {
  if (process.getuid?.() === 0) return t.skip('the super-user may read everything');
  const folder = await folderOf(t, { a: 'a', b: 'b' });
  chmodSync(path.join(folder, 'b'), 0);
  const onProgress = (): void => assert.fail('it hashes');
  await assert.rejects(createTorrent(folder, {}, { onProgress }), {
    ...{ name: 'DiskError', code: 'ERR_PERMISSION' },
    message: `cannot read "${path.join(folder, 'b')}": permission denied`,
  });
});

test('a file that goes away before it is read is a DiskError', async (t) => {
  const folder = await folderOf(t, { a: randomBytes(1, 100_000), b: 'b' });
  const onProgress = (done: number): void => {
    if (done === 0) unlinkSync(path.join(folder, 'a'));
  };
  await assert.rejects(createTorrent(folder, {}, { onProgress }), (error) => {
    assert(error instanceof DiskError);
    assert.match(error.message, /^cannot read ".*\/a": it is gone$/);
    return true;
  });
});

test('progress counts bytes up to all of them, and an abort ends the work with its reason', async (t) => {
  const folder = await folderOf(t, { a: randomBytes(1, 20_000_000) });
  const seen: number[] = [];
  await createTorrent(folder, {}, { onProgress: (done, total) => seen.push(done, total) });
  const done = seen.filter((_, index) => index % 2 === 0);
  assert.deepEqual(
    done,
    [...done].sort((a, b) => a - b),
  );
  assert.deepEqual([done[0], done.at(-1), seen[1]], [0, 20_000_000, 20_000_000]);
  assert(done.length > 8, `${done.length} reports`);

  const stop = new AbortController();
  const reason = new Error('stopped');
  const onProgress = (): void => stop.abort(reason);
  await assert.rejects(createTorrent(folder, {}, { signal: stop.signal, onProgress }), reason);
  await assert.rejects(createTorrent(folder, {}, { signal: AbortSignal.abort(reason) }), reason);
});

test('whatever the files, the torrent has them all, in order, with the right hashes', async (t) => {
  const component = fc.stringMatching(/^[a-zA-Z0-9 _äß-]{1,6}$/);
  const name = fc.array(component, { minLength: 1, maxLength: 3 }).map((names) => names.join('/'));
  const files = fc.uniqueArray(fc.record({ name, length: fc.integer({ min: 0, max: 70_000 }) }), {
    minLength: 1,
    maxLength: 6,
    selector: (file) => file.name.split('/')[0]!,
  });
  const base = await folderOf(t);
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(files, async (list) => {
      const folder = path.join(base, String(runs++));
      const sorted = list
        .map((file, n) => ({ path: `r/${file.name}`, data: randomBytes(n, file.length + 1) }))
        .sort((one, other) => Buffer.compare(Buffer.from(one.path), Buffer.from(other.path)));
      await fill(folder, Object.fromEntries(sorted.map((file) => [file.path.slice(2), file.data])));
      const { metainfo } = await createTorrent(folder, { name: 'r' });
      assert.deepEqual(
        metainfo.files.map((file) => [file.path, file.length]),
        sorted.map((file) => [file.path, file.data.length]),
      );
      assert.equal(hex(metainfo.pieceHashes), hex(hashes(16_384, ...sorted.map((file) => file.data))));
      assert.equal((await readdir(folder)).includes('.torrent-dl'), false);
    }),
    { numRuns: 12 },
  );
});
