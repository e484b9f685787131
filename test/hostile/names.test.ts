/** Nothing is written outside of the output folder, whatever a torrent calls its files (THREATS N1–N8). */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, test } from 'node:test';
import { ScriptedPeer } from '../helpers/scripted-peer.js';
import { makeTorrent, randomBytes, type MadeTorrent } from '../helpers/torrent.js';
import { checkNames, hostileNames } from './random-names.js';
import { HOSTILE_NAMES, torrentOf } from './names.js';
import type { Watched } from './watched.js';
import { World } from './world.js';

const skip = process.platform !== 'linux';
const [INVALID, DISK] = [3, 5];

async function fetch(world: World, torrent: MadeTorrent, how: 'file' | 'link'): Promise<Watched> {
  await using seed = await ScriptedPeer.open(torrent, { metadata: 'honest' });
  const link = `magnet:?xt=urn:btih:${torrent.infoHash.toString('hex')}&dn=..%2f..%2fevil%1b[2J`;
  const source = how === 'file' ? await world.give('a.torrent', torrent.bytes) : link;
  const peer = `127.0.0.1:${seed.address.port}`;
  return await world.run([source, '-v', '-o', world.out, '--timeout', '20', '--peer', peer]);
}

describe(
  'all files come whole, each at a place of its own in the output folder, with',
  { skip, concurrency: 2 },
  () => {
    for (const [at, names] of HOSTILE_NAMES.entries()) {
      test(`${names.what} (${names.threat})`, async () => {
        await using world = await World.open();
        const torrent = torrentOf(names, world.top);
        const { code, stderr } = await fetch(world, torrent, at % 2 === 0 ? 'file' : 'link');
        if (code === INVALID) assert.match(stderr, /^torrent-dl: [^\n]+$/m);
        else {
          assert.equal(code, 0, stderr);
          await world.assertContent(torrent);
        }
        const info = await world.run(['info', '--json', await world.give('b.torrent', torrent.bytes)]);
        if (code === 0) assert.equal(typeof JSON.parse(info.stdout), 'object');
      });
    }
  },
);

describe('links lead nowhere', { skip, concurrency: 2 }, () => {
  const data = randomBytes('below', 3000);

  test('a link of the torrent is not made, and a file below it is a file (N3)', async () => {
    await using world = await World.open();
    const files = [
      { length: 0, path: ['up'], attr: 'l', 'symlink path': ['..', '..', '..'] },
      { length: 3000, path: ['up', 'canary'] },
    ];
    const torrent = makeTorrent([{ path: 'up/canary', data }], { info: { files } });
    const { code, stderr } = await fetch(world, torrent, 'file');
    assert.equal(code, 0, stderr);
    await world.assertContent(torrent);
  });

  for (const planted of ['content', 'content/up']) {
    test(`a link that waits at ${planted} is not followed (N3)`, async () => {
      await using world = await World.open();
      const target = path.join(world.top, 'user', 'private');
      await mkdir(target);
      await writeFile(path.join(target, 'canary'), 'sings');
      if (planted.includes('/')) await mkdir(path.join(world.out, 'content'));
      await symlink(target, path.join(world.out, planted));
      const torrent = makeTorrent([{ path: 'up/canary', data }]);
      const { code, stderr } = await fetch(world, torrent, 'file');
      assert.equal(code, DISK, stderr);
      assert.match(stderr, /symbolic link/);
      assert.equal(await readFile(path.join(target, 'canary'), 'utf8'), 'sings');
    });
  }
});

test('of 10,000 torrents with random names, no path leads out of the folder or to another', () => {
  fc.assert(fc.property(hostileNames, checkNames), { numRuns: 10_000 });
});

test('a sample of random names on a real disk harms nothing', { skip }, async () => {
  const sample = fc.sample(hostileNames, 300).filter(({ files }) => files.length > 0);
  for (const { root, files } of sample.slice(0, 8)) {
    await using world = await World.open();
    const torrent = torrentOf({ what: 'random', threat: 'N1', root, paths: () => files }, world.top);
    const { code, stderr } = await fetch(world, torrent, 'file');
    if (code === INVALID) continue;
    assert.equal(code, 0, stderr);
    await world.assertContent(torrent);
  }
});
