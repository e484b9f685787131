/** Where the data cannot be had it ends by its limit with the right code, and never spins (THREATS P5, P6, P10, T3). */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ScriptedPeer, type Behaviour } from '../helpers/scripted-peer.js';
import { makeTorrent, randomBytes } from '../helpers/torrent.js';
import { openTracker, fail, hang, type Answer } from '../helpers/tracker.js';
import { HOSTILE_PEERS } from './peers.js';
import type { Watched } from './watched.js';
import { WildPeer } from './wild-peer.js';
import { World } from './world.js';

const KIB = 1024;
const skip = process.platform !== 'linux';
/** Long enough that the start, a fifth of a second of CPU time, counts for little. */
const LIMIT_SECONDS = 8;
const MOST_CPU = 0.2;
const [NOBODY, TIME_LIMIT] = [4, 7];
/** What a peer that sends nothing of use is asked in that time: some hundred after each dial. */
const MOST_REQUESTS = 350;
const MOST_DIALS = 3;

const torrent = makeTorrent(randomBytes('hopeless', 640 * KIB), { pieceLength: 32 * KIB });

async function run(world: World, args: readonly string[], source?: string): Promise<Watched> {
  const operand = source ?? (await world.give('a.torrent', torrent.bytes));
  return await world.run([operand, '-o', world.out, '--stall-timeout', String(LIMIT_SECONDS), ...args]);
}

function assertEnded({ code, stderr, lifeMs, cpuShare }: Watched, codes: readonly number[]): void {
  assert.ok(codes.includes(code ?? -1), `exit code ${code}: ${stderr}`);
  assert.match(stderr, /^torrent-dl: [^\n]+$/m);
  assert.ok(lifeMs > LIMIT_SECONDS * 1000 - 100, `it gave up after ${lifeMs.toFixed()} ms`);
  assert.ok(lifeMs < LIMIT_SECONDS * 1000 + 6000, `it took ${lifeMs.toFixed()} ms`);
  assert.ok(cpuShare < MOST_CPU, `it took ${(100 * cpuShare).toFixed()} % of a core`);
}

describe('a lone peer does not keep it busy that', { skip, concurrency: 6 }, () => {
  const behaviours: readonly Behaviour[] = ['never-unchoke', 'stall', 'stall-in-block', 'trickle', 'reject', 'corrupt'];
  for (const behaviour of behaviours) {
    test(`is "${behaviour}"`, async () => {
      await using world = await World.open();
      await using peer = await ScriptedPeer.open(torrent, { behaviour, ...(behaviour === 'trickle' && { rate: 0 }) });
      const result = await run(world, ['--peer', `127.0.0.1:${peer.address.port}`]);
      assertEnded(result, /corrupt|in-block/.test(behaviour) ? [NOBODY, TIME_LIMIT] : [TIME_LIMIT]);
      assert.ok(peer.requests <= MOST_REQUESTS, `${peer.requests} requests`);
      assert.ok(peer.connections <= MOST_DIALS, `${peer.connections} connections`);
    });
  }
  // Of those that are dropped, these stand for all.
  const dropped = /resets|hangs up after|another bitfield|handshakes without end|4 GiB of message 7/;
  for (const { name, script } of HOSTILE_PEERS.filter((peer) => !peer.isDropped || dropped.test(peer.name))) {
    test(name, async () => {
      await using world = await World.open();
      await using peer = await WildPeer.open(torrent, script);
      assertEnded(await run(world, ['--peer', `127.0.0.1:${peer.port}`]), [NOBODY, TIME_LIMIT]);
      assert.ok(peer.requests <= MOST_REQUESTS, `${peer.requests} requests`);
      assert.ok(peer.connections <= MOST_DIALS, `${peer.connections} connections`);
    });
  }
});

describe('a tracker does not keep it busy that', { skip, concurrency: 6 }, () => {
  const trackers: Readonly<Record<string, Answer>> = { hangs: hang, 'is broken': fail(500), refuses: fail(200, 'no') };
  for (const [name, answer] of Object.entries(trackers)) {
    test(name, async () => {
      await using world = await World.open();
      await using tracker = await openTracker({ misbehave: () => answer });
      assertEnded(await run(world, ['--tracker', tracker.url]), [NOBODY]);
      assert.ok(tracker.announces.length <= 5, `${tracker.announces.length} announces`);
    });
  }
  for (const interval of [0, -1, 2 ** 53]) {
    test(`wants to hear from us every ${interval} s, and names 200 addresses where nobody is`, async () => {
      const peers = Array.from({ length: 200 }, (_, at) => ({ host: `127.1.1.${at + 1}`, port: 9 }));
      await using world = await World.open();
      await using tracker = await openTracker({ interval, minInterval: interval, peers });
      assertEnded(await run(world, ['--tracker', tracker.url]), [NOBODY]);
      assert.ok(tracker.announces.length <= 3, `${tracker.announces.length} announces`);
    });
  }
});

describe('the metadata of a magnet link is not waited for longer', { skip, concurrency: 6 }, () => {
  const link = `magnet:?xt=urn:btih:${torrent.infoHash.toString('hex')}`;
  for (const metadata of ['lie', 'refuse', 'stall', 'huge-size', 'short', 'none'] as const) {
    test(`where the only peer answers with "${metadata}"`, async () => {
      await using world = await World.open();
      await using peer = await ScriptedPeer.open(torrent, { metadata });
      assertEnded(await run(world, ['--peer', `127.0.0.1:${peer.address.port}`], link), [NOBODY]);
      assert.ok(peer.metadataRequests <= MOST_REQUESTS, `${peer.metadataRequests} requests`);
      assert.ok(peer.connections <= MOST_DIALS, `${peer.connections} connections`);
    });
  }
});
