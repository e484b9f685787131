/** A machine that is short of everything, and what else stands in the way of a run (THREATS N11, S4, S6). */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, test } from 'node:test';
import { ScriptedPeer } from '../helpers/scripted-peer.js';
import { makeTorrent, randomBytes } from '../helpers/torrent.js';
import { hang, openTracker } from '../helpers/tracker.js';
import { World } from './world.js';

const KIB = 1024;
const skip = process.platform !== 'linux';
const DISK = 5;
/** File descriptors without which Node itself does not start; then it is Node that prints a stack trace. */
const LEAST = Number.parseInt(process.versions.node) < 22 ? 20 : 24;
const torrent = makeTorrent(
  Array.from({ length: 40 }, (_, at) => ({ path: `${at}.bin`, data: randomBytes(at, 16 * KIB + at) })),
  { pieceLength: 32 * KIB },
);

describe('where the machine is short of something', { skip, concurrency: 2 }, () => {
  for (const most of [20, 24, 28, 32, 40].filter((most) => most >= LEAST)) {
    test(`with ${most} file descriptors it completes, or one line says what is missing (N11)`, async () => {
      await using world = await World.open();
      await using seed = await ScriptedPeer.open(torrent);
      const file = await world.give('a.torrent', torrent.bytes);
      const words = [file, '-q', '-o', world.out, '--stall-timeout', '4', '--peer', `127.0.0.1:${seed.address.port}`];
      // notes on coverage would need descriptors of their own
      const { code, stderr } = await world.run(words, { before: `unset NODE_V8_COVERAGE; ulimit -n ${most}` });
      if (code === 0) await world.assertContent(torrent);
      else {
        assert.equal(code, DISK, stderr);
        assert.match(stderr, /^torrent-dl: [^\n]*too many open files[^\n]*\n$/);
      }
    });
  }

  test('a full disk behind standard output is told (S6)', async () => {
    await using world = await World.open();
    for (const words of ['--version', '--help']) {
      const { code, stderr } = await world.run([words], { before: 'exec >/dev/full' });
      assert.equal(code, DISK);
      assert.equal(stderr, 'torrent-dl: cannot write to standard output: no space left on device\n');
    }
  });

  test('standard streams that are closed change nothing (S6)', async () => {
    for (const before of ['exec >&-', 'exec 2>&-', 'exec <&- >&- 2>&-']) {
      await using world = await World.open();
      await using seed = await ScriptedPeer.open(torrent);
      const file = await world.give('a.torrent', torrent.bytes);
      const words = [file, '-o', world.out, '--peer', `127.0.0.1:${seed.address.port}`];
      const { code, stderr } = await world.run(words, { before });
      assert.equal(code, 0, stderr);
      await world.assertContent(torrent);
    }
  });

  test('of two runs at once one works, and the other says so (S6)', async () => {
    await using world = await World.open();
    await using seed = await ScriptedPeer.open(torrent, { rate: 900 * KIB });
    const file = await world.give('a.torrent', torrent.bytes);
    const words = [file, '-q', '-o', world.out, '--peer', `127.0.0.1:${seed.address.port}`];
    const ended = await Promise.all([world.run(words), world.run(words)]);
    const [one, other] = ended.sort((a, b) => Number(a.code) - Number(b.code));
    assert.equal(one.code, 0, one.stderr);
    assert.equal(other.code, DISK);
    assert.match(other.stderr, /^torrent-dl: [^\n]+\n$/);
    await world.assertContent(torrent);
  });
});

describe('while a download runs', { skip, concurrency: 3 }, () => {
  for (const [signal, expected] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    test(`${signal} ends it within 3 s, though the tracker hangs and the peer stalls (S4)`, async () => {
      await using world = await World.open();
      await using tracker = await openTracker({ misbehave: ({ event }) => (event === 'stopped' ? hang : undefined) });
      await using peer = await ScriptedPeer.open(torrent, { behaviour: 'stall' });
      const file = await world.give('a.torrent', torrent.bytes);
      let [pid, signalledAt] = [0, 0];
      const words = [file, '-o', world.out, '--tracker', tracker.url, '--peer', `127.0.0.1:${peer.address.port}`];
      const ending = world.run(words, { onStart: (started) => (pid = started) });
      await tracker.heard(({ event }) => event === 'started');
      while (peer.requests === 0) await sleep(20);
      process.kill(pid, signal);
      signalledAt = performance.now();
      const { code, stderr } = await ending;
      assert.equal(code, expected, stderr);
      assert.ok(performance.now() - signalledAt < 3500, 'it took too long');
    });
  }
});
