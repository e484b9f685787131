/** A process that is killed, stopped for a while, or told nonsense by the clock. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Scene } from './executable.js';
import { killAgainAndAgain, MOST_AGAIN } from './kill.js';
import { jumpingClock, whyNoShim } from './mount.js';

const MIB = 2 ** 20;
const KILLS = 5;
/** A minute in the long run (test/soak); what matters, that the other end goes on meanwhile, shows sooner. */
const STOPPED_MS = 3000;

test(
  `a download killed at ${KILLS} random moments completes and loses little`,
  { timeout: 60_000 },
  async (context) => {
    const kills = await killAgainAndAgain({ kills: KILLS, perRun: 1.5 * MIB });
    const most = Math.max(...kills.map(({ again }) => again));
    context.diagnostic(`at most ${Math.round(most / 1024)} KiB fetched again`);
    assert.ok(most <= MOST_AGAIN);
  },
);

test('a process that is stopped for a while goes on where it was', async () => {
  await using scene = await Scene.open({ length: 4 * MIB, peer: { rate: 4 * MIB } });
  const run = scene.start(['--quiet', '--stall-timeout', '10s']);
  await scene.sends(MIB);
  run.child.kill('SIGSTOP');
  await sleep(STOPPED_MS);
  run.child.kill('SIGCONT');
  await run.ends(0);
  await scene.assertContent();
});

test('a process that is stopped while its peers hang up goes on where it was', async () => {
  await using scene = await Scene.open({ length: 4 * MIB, peer: { rate: 4 * MIB } });
  const run = scene.start(['--quiet']);
  await scene.sends(MIB);
  run.child.kill('SIGSTOP');
  scene.seed.hangUp();
  await sleep(500);
  run.child.kill('SIGCONT');
  await run.ends(0);
  await scene.assertContent();
});

test('a wall clock that jumps by days changes nothing', { skip: whyNoShim() }, async () => {
  await using scene = await Scene.open({ length: 4 * MIB, peer: { rate: 4 * MIB } });
  const env = await jumpingClock(scene.folder);
  const run = scene.start(['--stall-timeout', '20s', '--timeout', '50s'], { env });
  await run.ends(0, /^done: content, 4\.00 MiB in \d+\.\d s/m);
  await scene.assertContent();
  const { sent } = scene.seed;
  await scene.start(['--quiet'], { env }).ends(0);
  assert.equal(scene.seed.sent, sent, 'the resume state holds');
});
