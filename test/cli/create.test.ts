import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';

import { checkTarget } from '../../src/cli/torrent-file.js';
import { date, byteCount } from '../../src/cli/values.js';
import { decodeMetainfo } from '../../src/index.js';
import { randomBytes } from '../helpers/torrent.js';
import { execute, tempFolder } from './execute.js';

const folder = await tempFolder();
await mkdir(path.join(folder, 'data/sub'), { recursive: true });
await writeFile(path.join(folder, 'data/a.txt'), randomBytes('a', 100_000));
await writeFile(path.join(folder, 'data/sub/b'), randomBytes('b', 100));

const create = (words: readonly string[], env?: Record<string, string>) =>
  execute(['create', ...words], { cwd: folder, ...(env && { env }) });

test('a folder becomes NAME.torrent, and stderr tells info hash and magnet link', async () => {
  const { code, stdout, stderr } = await create(['data']);
  assert.deepEqual([code, stdout], [0, '']);
  const metainfo = decodeMetainfo(await readFile(path.join(folder, 'data.torrent')));
  assert.deepEqual(
    metainfo.files.map((file) => file.path),
    ['data/a.txt', 'data/sub/b'],
  );
  assert.deepEqual([metainfo.createdBy, metainfo.creationDate, metainfo.comment], [undefined, undefined, undefined]);
  const infoHash = Buffer.from(metainfo.infoHash).toString('hex');
  assert.match(
    stderr,
    new RegExp(
      `^wrote data\\.torrent: 2 files, 7 pieces of 16\\.0 KiB\nhashed 97\\.8 KiB in .*\ninfo hash: ${infoHash}\nmagnet: magnet:\\?xt=urn:btih:${infoHash}&dn=data\n$`,
    ),
  );
});

test('what was made is downloaded, listed and verified by ourselves', async () => {
  const made = await create(['-q', '-o', '-', 'data/']);
  assert.deepEqual([made.code, made.stderr], [0, '']);
  const checked = await execute(['verify', '-', '-o', folder], { input: made.output });
  assert.equal(checked.code, 0, checked.stdout);
  const listed = await execute(['--list', '-'], { input: made.output });
  assert.equal(listed.stdout, '0\t100000\tdata/a.txt\n1\t100\tdata/sub/b\n');
});

test('the same input gives the same bytes, and every option is in them', async () => {
  const words = [
    ...['--tracker', 'http://one.example/announce', '--tracker', 'udp://two.example:1'],
    ...[
      '--web-seed',
      'http://seed.example/',
      '--private',
      '--comment',
      '- a word',
      '--created-by',
      'us',
      '--name',
      'other',
    ],
    ...['--source', 'SRC', '--piece-length', '32K', '-o', '-', 'data'],
  ];
  const one = await create(words, { SOURCE_DATE_EPOCH: '1700000000' });
  const other = await create(['--creation-date', '2023-11-14T22:13:20Z', ...words], { SOURCE_DATE_EPOCH: '5' });
  assert.equal(one.code, 0, one.stderr);
  assert.ok(one.output.equals(other.output));
  const metainfo = decodeMetainfo(one.output);
  assert.deepEqual(metainfo.trackers, [['http://one.example/announce'], ['udp://two.example:1']]);
  assert.deepEqual([metainfo.name, metainfo.isPrivate, metainfo.pieceLength], ['other', true, 32_768]);
  assert.deepEqual([metainfo.comment, metainfo.createdBy, metainfo.creationDate], ['- a word', 'us', 1_700_000_000]);
  assert.deepEqual(metainfo.webSeeds, ['http://seed.example/']);
  assert.match(one.output.toString('latin1'), /6:source3:SRC/);
});

test('a file that is there is left alone without --force', async () => {
  const file = path.join(folder, 'there.torrent');
  await writeFile(file, 'mine');
  const { code, stderr } = await create(['-o', 'there.torrent', 'data']);
  assert.equal(code, 2);
  assert.equal(stderr, 'torrent-dl: "there.torrent" is there already; --force writes over it\n');
  assert.equal(await readFile(file, 'utf8'), 'mine');
  assert.equal((await create(['--force', '-o', 'there.torrent', 'data'])).code, 0);
  decodeMetainfo(await readFile(file));
  assert.deepEqual(
    (await readdir(folder)).filter((name) => name.endsWith('.new')),
    [],
  );
});

test('the old torrent that is replaced is no part of the new one', async () => {
  const { code, stderr: first } = await create(['-o', 'data/sub/inner.torrent', 'data']);
  assert.equal(code, 0);
  assert.doesNotMatch(first, /warning/);
  for (const [out, extra] of [
    ['data/sub/inner.torrent'],
    ['data/../data/sub/inner.torrent', '--follow-links'],
  ] as const) {
    const words = ['--force', '-o', out, 'data', ...(extra ? [extra] : [])];
    if (extra) await symlink('sub/inner.torrent', path.join(folder, 'data/link'));
    const { stderr } = await create(words);
    assert.match(
      stderr,
      /^torrent-dl: warning: .*the file of the torrent itself "data\/sub\/inner\.torrent" is left out$/m,
    );
    if (extra) assert.match(stderr, /the symbolic link to the file of the torrent "data\/link" is left out/);
    const verified = await execute(['verify', 'data/sub/inner.torrent', '-o', '.'], { cwd: folder });
    assert.equal(verified.code, 0, verified.stdout);
  }
  await rm(path.join(folder, 'data/link'));
  await rm(path.join(folder, 'data/sub/inner.torrent'));
});

test('a torrent does not take the place of what it shares', async () => {
  await writeFile(path.join(folder, 'mine'), 'mine');
  const { code, stderr } = await create(['--force', '-o', './mine', 'mine']);
  assert.deepEqual(
    [code, stderr],
    [2, 'torrent-dl: the torrent would replace what it shares, "mine"; name another file\n'],
  );
  assert.equal(await readFile(path.join(folder, 'mine'), 'utf8'), 'mine');
});

test('a terminal is no place for a torrent', async (t) => {
  const isTTY = Object.getOwnPropertyDescriptor(process.stdout, 'isTTY');
  Object.defineProperty(process.stdout, 'isTTY', { value: true, configurable: true });
  t.after(() => Object.defineProperty(process.stdout, 'isTTY', isTTY ?? { value: undefined, configurable: true }));
  await assert.rejects(checkTarget('-', true), { code: 'ERR_STDOUT_IS_TERMINAL' });
  Object.defineProperty(process.stdout, 'isTTY', { value: undefined, configurable: true });
  await checkTarget('-', false);
});

test('settings of downloads are none of a new torrent', async () => {
  const env = { TORRENT_DL_OUT: 'elsewhere', TORRENT_DL_TRACKER: 'http://t.example/', TORRENT_DL_TIMEOUT: '5m' };
  const { code, stdout } = await create(['-o', '-', 'data'], env);
  assert.equal(code, 0);
  assert.doesNotMatch(stdout, /t\.example|comment/);
  assert.ok(!(await readdir(folder)).includes('elsewhere'));
});

test('what cannot be made says why, with its exit code', async () => {
  await writeFile(path.join(folder, 'empty'), '');
  const cases: [number, string[], Record<string, string>?][] = [
    [5, ['none']],
    [2, ['empty']],
    [2, ['--piece-length', '20K', 'data', '-o', 'p']],
    [2, ['--piece-length', '1X', 'data']],
    [2, ['--tracker', 'ftp://x', 'data']],
    [2, ['data', '-o', 'p'], { SOURCE_DATE_EPOCH: 'yesterday' }],
    [5, ['data', '-o', 'no/such/x.torrent']],
  ];
  for (const [expected, words, env] of cases) {
    const { code, stderr } = await create(words, env);
    assert.equal(code, expected, `${words.join(' ')}: ${stderr}`);
    assert.match(stderr, /^(?:wrote.*)?torrent-dl: [^\n]+\n$/);
  }
});

test('a date that does not exist is refused by its name, and so is one that nobody could read', async () => {
  const cases: [string, string[], Record<string, string>?][] = [
    ['2026-02-30', ['--creation-date', '2026-02-30']],
    ['99999999999999', ['--creation-date', '99999999999999']],
    ['-1', ['--creation-date', '-1']],
    ['99999999999999', [], { SOURCE_DATE_EPOCH: '99999999999999' }],
    ['-1', [], { SOURCE_DATE_EPOCH: '-1' }],
  ];
  for (const [value, words, env] of cases) {
    const { code, stdout, stderr } = await create([...words, '-o', '-', 'data'], env);
    assert.deepEqual([code, stdout], [2, ''], stderr);
    assert.match(
      stderr,
      new RegExp(`^torrent-dl: .*(?:--creation-date|SOURCE_DATE_EPOCH).*['"]${value}['"][^\\n]*\\n$`),
    );
  }
});

test('dates and sizes are read as they are written', () => {
  assert.deepEqual(
    ['0', '2023-11-14', '2023-11-14T22:13:20Z', '2023-11-14T23:13+01:00'].map(date),
    [0, 1_699_920_000, 1_700_000_000, 1_699_999_980],
  );
  for (const text of ['', '-1', '14.11.2023', 'yesterday']) assert.throws(() => date(text), /not seconds/);
  for (const text of ['2023-13-01', '2026-02-30T12:00Z', '2025-02-29', '1969-12-31', '8640000000001', '0050-02-30'])
    assert.throws(() => date(text), /no such date/);
  assert.deepEqual(['2024-02-29', '8640000000000'].map(date), [1_709_164_800, 8.64e12]);
  assert.ok(Math.abs(date('now') - Date.now() / 1000) < 5);
  assert.deepEqual(['16384', '16K', '4M', '4MiB', '1g'].map(byteCount), [
    16_384,
    16_384,
    4_194_304,
    4_194_304,
    2 ** 30,
  ]);
  for (const text of ['0', '', '1.5K', 'K', '1X', '999999999999999G'])
    assert.throws(() => byteCount(text), /not a number/);
});
