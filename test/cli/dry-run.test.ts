import assert from 'node:assert/strict';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';

import { ScriptedPeer } from '../helpers/scripted-peer.js';
import { makeTorrent, randomBytes } from '../helpers/torrent.js';
import { execute, tempFolder, type Ended } from './execute.js';

const torrent = makeTorrent(randomBytes('dry', 300_000), { name: 'data.bin' });

async function dryRun(out: string, ...args: readonly string[]): Promise<Ended> {
  return await execute(['--dry-run', '-o', out, '--no-dht', '--no-lsd', ...args, '-'], { input: torrent.bytes });
}

test('a run that would begin is reported and ends with 0; nothing was made', async () => {
  const folder = await tempFolder();
  const out = path.join(folder, 'out');
  await using seed = await ScriptedPeer.open(torrent);
  const { code, stdout, stderr } = await dryRun(out, '--peer', `127.0.0.1:${seed.address.port}`);
  assert.equal(stderr, '');
  assert.match(stdout, /^name {4}data\.bin$/m);
  assert.match(stdout, /^size {4}293 KiB in 1 file$/m);
  assert.match(stdout, /^there {3}0 B proven, 0 B to be checked first$/m);
  assert.match(stdout, /^space {3}29\d KiB needed, .* free$/m);
  assert.match(stdout, /^peers {3}1 of 1 answered, 1 with everything; 100% of what is missing$/m);
  assert.match(stdout, /^result {2}would begin$/m);
  assert.equal(code, 0);
  assert.deepEqual(await readdir(folder), []);
});

test('with --json it is one object', async () => {
  const out = await tempFolder();
  await mkdir(path.join(out, 'data.bin'));
  const { code, stdout } = await dryRun(out, '--json');
  const [line, rest] = stdout.split('\n');
  const facts = JSON.parse(line!) as Record<string, unknown>;
  assert.equal(rest, '');
  assert.deepEqual(
    [facts['type'], facts['version'], facts['name'], facts['totalLength'], facts['exitCode'], facts['wouldBegin']],
    ['dry-run', 1, 'data.bin', 300_000, 5, false],
  );
  assert.equal((facts['clashes'] as { code: string }[])[0]?.code, 'ERR_IN_THE_WAY');
  assert.equal(code, 5);
});

test('it ends with the code that the run would begin with', async () => {
  const out = await tempFolder();
  const nobody = await dryRun(out);
  assert.equal(nobody.code, 4);
  assert.match(nobody.stdout, /^result {2}would not begin$/m);
  assert.match(nobody.stderr, /^torrent-dl: nobody to download from: there is nobody to ask for peers\n$/);
  await mkdir(path.join(out, 'data.bin'));
  const blocked = await dryRun(out);
  assert.equal(blocked.code, 5);
  assert.match(blocked.stdout, /^clash {3}cannot write ".*data\.bin": a folder is in the way$/m);
  const wrong = path.join(out, 'wrong.torrent');
  await writeFile(wrong, 'd4:infoi1ee');
  assert.equal((await execute(['--dry-run', '-o', out, wrong])).code, 3);
  assert.equal((await execute(['--dry-run', '-o', '-', wrong])).code, 2);
  assert.equal((await execute(['--atomic', '-o', '-', wrong])).code, 2);
});
