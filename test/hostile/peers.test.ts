/** One honest peer is enough, whoever else is there (THREATS P1–P10). */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ScriptedPeer } from '../helpers/scripted-peer.js';
import { makeTorrent, randomBytes } from '../helpers/torrent.js';
import { HOSTILE_PEERS } from './peers.js';
import { WildPeer } from './wild-peer.js';
import { World } from './world.js';

const KIB = 1024;
const skip = process.platform !== 'linux';

/** 20 pieces, and 4 spare bits. */
const torrent = makeTorrent(
  [
    { path: 'folder/one.bin', data: randomBytes('one', 400 * KIB + 17) },
    { path: 'two.bin', data: randomBytes('two', 240 * KIB - 17) },
  ],
  { pieceLength: 32 * KIB },
);
const BLOCKS = torrent.totalLength / (16 * KIB);
/** Slow enough for the others to do their worst. */
const SEED = { rate: 900 * KIB } as const;

describe('beside an honest seed the data comes whole, though another peer', { skip, concurrency: 2 }, () => {
  for (const { name, threat, script, isDropped } of HOSTILE_PEERS) {
    test(`${name} (${threat})`, async () => {
      await using world = await World.open();
      await using seed = await ScriptedPeer.open(torrent, SEED);
      let blocksBefore = Infinity;
      const onLost = (): void => void (blocksBefore = Math.min(blocksBefore, seed.blocks));
      await using peer = await WildPeer.open(torrent, script, { onLost });
      const file = await world.give('a.torrent', torrent.bytes);
      const peers = [peer.port, seed.address.port].flatMap((port) => ['--peer', `127.0.0.1:${port}`]);
      const { code, stderr } = await world.run([file, '-o', world.out, '--timeout', '20', ...peers]);
      assert.equal(code, 0, stderr);
      await world.assertContent(torrent);
      assert.ok(peer.connections > 0, 'it was never asked');
      assert.ok(peer.connections <= 3, `it was dialled ${peer.connections} times`);
      assert.ok(seed.sent < 2 * torrent.totalLength, 'the seed had to send it twice');
      if (isDropped) assert.ok(blocksBefore < BLOCKS, 'it was not dropped');
    });
  }
});
