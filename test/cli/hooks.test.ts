/** Commands for what was downloaded, and the list of digests, through the real executable. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, test } from 'node:test';

import { ScriptedPeer } from '../helpers/scripted-peer.js';
import { makeTorrent, randomBytes } from '../helpers/torrent.js';
import { until } from '../helpers/until.js';
import { execute, EXECUTABLE, tempFolder } from './execute.js';

/** Also what a run finds that is itself started by a command for a file. */
const ENV = { TORRENT_DL_DHT: 'false', TORRENT_DL_LSD: 'false', TORRENT_INDEX: '7' };
/** A name that a shell would take for commands, one that looks like an option, and one that a list of digests has to escape. */
const NAMES = ['$(touch broken); x', '-rf', 'back\\slash', 'empty'];
const torrent = makeTorrent(
  NAMES.map((name, at) => ({ path: name, data: randomBytes(name, at === 3 ? 0 : 40_000) })),
  { name: '-album' },
);
const seed = await ScriptedPeer.open(torrent);
after(() => seed[Symbol.asyncDispose]());
const root = await tempFolder();

async function workFolder(): Promise<string> {
  const folder = await mkdtemp(path.join(root, 'run-'));
  await writeFile(path.join(folder, 'x.torrent'), torrent.bytes);
  return folder;
}

async function runIn(cwd: string, ...args: readonly string[]) {
  return await execute(['x.torrent', '--peer', `127.0.0.1:${seed.address.port}`, ...args], { cwd, env: ENV });
}

/** A command that notes its last argument and its facts, a file for each call, and prints a line. */
const NOTE =
  `sh -c 'printf "%s\\n" "$0" "$TORRENT_PATH" "$TORRENT_NAME" "$TORRENT_INFO_HASH" "$TORRENT_LENGTH" "$TORRENT_INDEX" ` +
  `> "note-\${TORRENT_INDEX:-all}"; echo noted'`;

test('a command for each file and one for all get paths and facts, and no shell sees a name', async () => {
  const cwd = await workFolder();
  const { code, stdout, stderr } = await runIn(cwd, '--on-file', NOTE, '--on-complete', NOTE);
  assert.equal(code, 0, stderr);
  assert.equal(stdout, '');
  assert.equal(stderr.match(/^noted$/gm)?.length, NAMES.length + 1);
  const hash = torrent.infoHash.toString('hex');
  for (const [index, name] of NAMES.entries()) {
    const place = `./-album/${name}`;
    const length = index === 3 ? 0 : 40_000;
    const note = await readFile(path.join(cwd, `note-${index}`), 'utf8');
    assert.equal(note, `${[place, place, '-album', hash, length, index].join('\n')}\n`);
  }
  const all = await readFile(path.join(cwd, 'note-all'), 'utf8');
  assert.equal(all, `${['./-album', './-album', '-album', hash, 120_000, ''].join('\n')}\n`);
  assert.ok(!(await readdir(cwd)).includes('broken'));
});

test('commands run for what was complete already, so that a second run makes up for a crash', async () => {
  const cwd = await workFolder();
  assert.equal((await runIn(cwd)).code, 0);
  const { code, stderr } = await runIn(cwd, '--on-file', 'echo file', '--on-complete', 'echo all');
  assert.equal(code, 0);
  assert.equal(stderr.match(/^file \.\/-album\//gm)?.length, NAMES.length);
  assert.match(stderr, /^all \.\/-album$/m);
});

test('a command that fails, is missing or is killed gives 8, and the others are run', async () => {
  const cwd = await workFolder();
  for (const [command, why] of [
    ['false', /^torrent-dl: false for \.\/-album: it ended with 1$/m],
    ['/nonexistent/program', /^torrent-dl: \/nonexistent\/program for \.\/-album: there is no such program$/m],
    [`sh -c 'kill -9 $$'`, /^torrent-dl: sh for \.\/-album: it was ended by SIGKILL$/m],
  ] as const) {
    const { code, stderr } = await runIn(cwd, '--on-complete', command, '--on-file', 'echo ok');
    assert.equal(code, 8, stderr);
    assert.match(stderr, why);
    assert.equal(stderr.match(/^ok /gm)?.length, NAMES.length);
  }
  const failing = await runIn(cwd, '--on-file', 'false', '--on-complete', 'echo all');
  assert.equal(failing.code, 8);
  assert.match(failing.stderr, /^all /m);
});

test('a command that makes no sense is a usage error', async () => {
  for (const command of ['', "sh 'x"]) {
    const { code, stderr } = await execute(['x.torrent', `--on-complete=${command}`]);
    assert.equal(code, 2);
    assert.match(stderr, /--on-complete <command>/);
  }
  assert.equal((await execute(['x.torrent', '-o', '-', '--on-file', 'true'])).code, 2);
});

test('what a command leaves running in the background is not waited for', async () => {
  const cwd = await workFolder();
  const { code, stderr } = await runIn(cwd, '--on-complete', `sh -c 'sleep 30 & echo $! >pid'`);
  process.kill(Number(await readFile(path.join(cwd, 'pid'), 'utf8')));
  assert.equal(code, 0, stderr);
});

test('a signal ends commands that run, within three seconds', async () => {
  const cwd = await workFolder();
  const args = [
    'x.torrent',
    '--peer',
    `127.0.0.1:${seed.address.port}`,
    '--on-complete',
    `sh -c 'echo $$ >pid; exec sleep 60'`,
  ];
  const child = spawn(process.execPath, [EXECUTABLE, ...args], {
    cwd,
    env: { ...process.env, ...ENV, XDG_CONFIG_HOME: '/nonexistent' },
    stdio: 'ignore',
    timeout: 30_000,
  });
  const readPid = (): number => {
    const file = path.join(cwd, 'pid');
    return existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0;
  };
  await until(() => readPid() > 0);
  child.kill('SIGINT');
  const [code] = (await once(child, 'close')) as [number];
  assert.equal(code, 130);
  const pid = readPid();
  await until(() => !isAlive(pid));
});

test('commands that failed are told of and give 8 when a signal ends the seeding after them', async () => {
  const cwd = await workFolder();
  const args = ['x.torrent', '--peer', `127.0.0.1:${seed.address.port}`, '--seed', '--on-file', 'false'];
  const child = spawn(process.execPath, [EXECUTABLE, ...args], {
    cwd,
    env: { ...process.env, ...ENV, XDG_CONFIG_HOME: '/nonexistent' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const failures = (): number => stderr.match(/^torrent-dl: false for .*: it ended with 1$/gm)?.length ?? 0;
  await until(() => failures() === NAMES.length - 1 && /^seeding /m.test(stderr)); // the first is told of at the end
  child.kill('SIGINT');
  const [code] = (await once(child, 'close')) as [number];
  assert.equal(failures(), NAMES.length, stderr);
  assert.equal(code, 8);
});

test('the list of digests is what sha256sum checks, and is there before the command for all', async () => {
  const cwd = await workFolder();
  const check = `sh -c 'cd out && sha256sum --strict -c ./-album.sha256'`;
  const { code, stderr } = await runIn(cwd, '-o', 'out', '--manifest', 'sha256', '--on-complete', check);
  assert.equal(code, 0, stderr);
  assert.equal(stderr.match(/: OK$/gm)?.length, NAMES.length);
  assert.deepEqual((await readdir(path.join(cwd, 'out'))).sort(), ['-album', '-album.sha256', '.torrent-dl']);
  await writeFile(path.join(cwd, 'out/-album/-rf'), 'changed');
  assert.equal(spawnSync('sha256sum', ['-c', './-album.sha256'], { cwd: path.join(cwd, 'out') }).status, 1);
});

test('a list of chosen files has those only, and other digests have their own', async () => {
  const cwd = await workFolder();
  const { code } = await runIn(cwd, '--select', '1', '--manifest', 'sha512');
  assert.equal(code, 0);
  const list = await readFile(path.join(cwd, '-album.sha512'), 'utf8');
  assert.match(list, /^[0-9a-f]{128} {2}-album\/-rf\n$/);
});

test('a list takes the place of an earlier one, and of nothing else: that is told before anything is fetched', async () => {
  const cwd = await workFolder();
  const list = path.join(cwd, 'out/-album.sha256');
  const words = ['-o', 'out', '--manifest', 'sha256'];
  const other = `${'0'.repeat(64)}  a file of the publisher\n`;
  await mkdir(path.dirname(list));
  for (const text of ['signed by the publisher\n', other]) {
    await writeFile(list, text);
    for (const more of [['--dry-run'], [], ['--atomic']]) {
      const { code, stderr } = await runIn(cwd, ...words, ...more);
      assert.deepEqual([code, await readFile(list, 'utf8')], [5, text]);
      assert.match(stderr, /^torrent-dl: cannot write "out\/-album\.sha256": what is there is .*; move it away$/m);
      assert.ok(!(await readdir(path.dirname(list))).includes('-album'));
    }
  }
  await rm(list);
  for (let times = 0; times < 2; times++) assert.equal((await runIn(cwd, ...words)).code, 0);
  const right = await readFile(list, 'utf8');
  await writeFile(list, right.replace(/[0-9a-f]{64}/, '0'.repeat(64)));
  const { code, stderr } = await runIn(cwd, ...words);
  assert.equal(code, 5);
  assert.match(stderr, /has other digests of the same files; move it away$/m);
});

test('a list that cannot be written is a disk error', async () => {
  const cwd = await workFolder();
  assert.equal((await runIn(cwd)).code, 0);
  spawnSync('mkdir', ['-p', './-album.sha256/x'], { cwd });
  const { code, stderr } = await runIn(cwd, '--manifest', 'sha256');
  assert.equal(code, 5);
  assert.match(stderr, /^torrent-dl: cannot write "-album\.sha256": /m);
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
