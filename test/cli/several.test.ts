/** Several torrents in one run, through the real executable. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, test } from 'node:test';

import { ScriptedPeer, type Behaviour } from '../helpers/scripted-peer.js';
import { makeTorrent, randomBytes, type MadeTorrent } from '../helpers/torrent.js';
import { openTracker, type TestTracker } from '../helpers/tracker.js';
import { execute, EXECUTABLE, tempFolder } from './execute.js';

const ENV = { TORRENT_DL_DHT: 'false', TORRENT_DL_LSD: 'false' };

interface Shared {
  readonly torrent: MadeTorrent;
  readonly tracker: TestTracker;
}

/** A torrent with a tracker that knows one peer. */
async function share(name: string, behaviour: Behaviour = 'honest'): Promise<Shared> {
  const content = randomBytes(name, 300_000);
  const peer = await ScriptedPeer.open(makeTorrent(content, { name }), { behaviour });
  const tracker = await openTracker({ peers: [peer.address] });
  after(async () => {
    await peer[Symbol.asyncDispose]();
    await tracker[Symbol.asyncDispose]();
  });
  return { torrent: makeTorrent(content, { name, trackers: [[tracker.url]] }), tracker };
}

const [one, two, three, mute] = await Promise.all([
  ...['one.bin', 'two.bin', 'three.bin'].map((name) => share(name)),
  share('mute.bin', 'stall'),
]);
const all = [one, two!, three!, mute!];
const root = await tempFolder();

/** A folder with a `.torrent` for each. */
async function workFolder(): Promise<string> {
  const folder = await mkdtemp(path.join(root, 'run-'));
  for (const { torrent } of all) await writeFile(path.join(folder, `${torrent.name}.torrent`), torrent.bytes);
  return folder;
}

async function assertComplete(folder: string, shared: readonly Shared[]): Promise<void> {
  for (const { torrent } of shared) {
    assert.deepEqual(await readFile(path.join(folder, torrent.name)), Buffer.from(torrent.content as Uint8Array));
  }
}

test('all are tried, and the exit code is that of the first that failed', async () => {
  const cwd = await workFolder();
  await writeFile(path.join(cwd, 'broken.torrent'), 'nonsense');
  const torrents = ['one.bin.torrent', 'mute.bin.torrent', 'broken.torrent', 'two.bin.torrent', 'three.bin.torrent'];
  const { code, stderr } = await execute([...torrents, '--stall-timeout', '1s'], { cwd, env: ENV });
  assert.equal(code, 7, stderr);
  await assertComplete(cwd, [one, two!, three!]);
  assert.match(stderr, /^done: three\.bin, /m);
  assert.match(stderr, /^torrent-dl: mute\.bin: nothing received for 1 s/m);
  assert.match(stderr, /^torrent-dl: broken\.torrent: /m);
});

test('a list names torrents, from a file and on standard input', async () => {
  const cwd = await workFolder();
  await writeFile(path.join(cwd, 'list'), '\ufeff# mine\n\n  one.bin.torrent  \r\ntwo.bin.torrent\n');
  const from = await execute(['--input-file', 'list', '-o', 'a'], { cwd, env: ENV });
  assert.equal(from.code, 0, from.stderr);
  await assertComplete(path.join(cwd, 'a'), [one, two!]);
  const input = 'two.bin.torrent\n';
  const piped = await execute(['three.bin.torrent', '--input-file', '-', '-o', 'b'], { cwd, input, env: ENV });
  assert.equal(piped.code, 0, piped.stderr);
  await assertComplete(path.join(cwd, 'b'), [two!, three!]);
});

test('a list that cannot be read or names nothing is a usage error', async () => {
  const cwd = await workFolder();
  await writeFile(path.join(cwd, 'empty'), '# nothing\n');
  for (const [list, why] of [
    ['nowhere', /cannot read the list "nowhere": no such file/],
    ['.', /cannot read the list "\.": it is a folder/],
    ['empty', /the list "empty" names no torrent/],
  ] as const) {
    const { code, stderr } = await execute(['--input-file', list], { cwd, env: ENV });
    assert.equal(code, 2);
    assert.match(stderr, why);
  }
});

test('no more than --parallel are fetched at once, all on one port', async () => {
  const cwd = await workFolder();
  const before = all.map(({ tracker }) => tracker.announces.length);
  const torrents = ['mute.bin.torrent', 'one.bin.torrent', 'two.bin.torrent'];
  const { code } = await execute([...torrents, '--parallel', '1', '--stall-timeout', '1s'], { cwd, env: ENV });
  assert.equal(code, 7);
  const [first, second, , last] = all.map(({ tracker }, n) => tracker.announces.slice(before[n]));
  const stopped = last!.find(({ event }) => event === 'stopped');
  assert.ok(first![0]!.atMs >= stopped!.atMs, 'the second began before the first was over');
  assert.ok(second![0]!.atMs >= first!.at(-1)!.atMs);
  assert.equal(new Set([first, second, last].map((announces) => announces![0]!.port)).size, 1);
});

test('the same torrent twice is fetched once', async () => {
  const cwd = await workFolder();
  await writeFile(path.join(cwd, 'copy.torrent'), one.torrent.bytes);
  const { code, stderr } = await execute(['one.bin.torrent', 'copy.torrent', '--parallel', '2'], { cwd, env: ENV });
  assert.equal(code, 0, stderr);
  await assertComplete(cwd, [one]);
  assert.match(stderr, /^torrent-dl: warning: .*: the same torrent is being downloaded already: left out$/m);
});

test('what seeds gives its place to the next, and a signal ends all with 0 when all are complete', async () => {
  const cwd = await workFolder();
  const args = ['one.bin.torrent', 'two.bin.torrent', '--parallel', '1', '--seed', '--json'];
  const { code, lines } = await interrupt(args, cwd, (text) => text.split('"phase":"seeding"').length > 2);
  assert.equal(code, 0);
  await assertComplete(cwd, [one, two!]);
  const summaries = lines.filter(({ type }) => type === 'summary');
  assert.deepEqual(summaries.map(({ source, exitCode }) => [source ?? 'all', exitCode]).sort(), [
    ['all', 0],
    ['one.bin.torrent', 0],
    ['two.bin.torrent', 0],
  ]);
  assert.equal(lines.at(-1)!.type, 'summary');
});

test('a signal is the exit code while something is missing', async () => {
  const cwd = await workFolder();
  const args = ['one.bin.torrent', 'mute.bin.torrent', 'two.bin.torrent', '--parallel', '2', '--json'];
  const { code } = await interrupt(args, cwd, (text) => text.includes('"two.bin.torrent"') && text.includes('"file"'));
  assert.equal(code, 130);
});

interface Line {
  readonly type: string;
  readonly source?: string;
  readonly exitCode?: number;
}

/** Sends SIGINT once what was printed `isDue`. */
async function interrupt(
  args: readonly string[],
  cwd: string,
  isDue: (text: string) => boolean,
): Promise<{ code: number; lines: Line[] }> {
  const env = { ...process.env, ...ENV, XDG_CONFIG_HOME: '/nonexistent' };
  const child = spawn(process.execPath, [EXECUTABLE, ...args], {
    cwd,
    env,
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: 30_000,
  });
  let text = '';
  let isSent = false;
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString();
    if (!isSent && isDue(text)) isSent = child.kill('SIGINT');
  });
  const [code] = (await once(child, 'close')) as [number];
  return {
    code,
    lines: text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Line),
  };
}
