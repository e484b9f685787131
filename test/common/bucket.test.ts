import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Bucket, type Waiter } from '../../src/common/bucket.js';
import { FakeClock } from '../tracker/fakes.js';

const BLOCK = 16_384;

/** Takes blocks as fast as it may, in turns of whole ones, as a connection does. */
class Taker implements Waiter {
  readonly takenAt: number[] = [];
  #isOn = true;

  constructor(
    readonly bucket: Bucket,
    readonly clock: FakeClock,
  ) {
    this.#take(bucket.ask(this));
  }

  onTurn(bytes: number): void {
    this.#take(bytes);
    if (this.#isOn) this.bucket.wait(this);
  }

  stop(): void {
    this.#isOn = false;
    this.bucket.leave(this);
  }

  #take(bytes: number): void {
    for (let blocks = Math.ceil(bytes / BLOCK); blocks > 0; blocks--) {
      this.bucket.take(BLOCK);
      this.takenAt.push(this.clock.now());
    }
  }
}

/** Blocks that were taken from `from` on, before `to`. */
function blocksBetween(takers: readonly Taker[], from: number, to: number): number {
  return takers.flatMap(({ takenAt }) => takenAt).filter((at) => at >= from && at < to).length;
}

for (const perSecond of [1024, BLOCK, 500 * 1024, 2 * 2 ** 20, 100 * 2 ** 20]) {
  for (const count of [1, 8]) {
    test(`${count} that share ${perSecond} bytes per second get that, each second, and the same each`, async () => {
      const clock = new FakeClock();
      const bucket = new Bucket(perSecond, clock);
      const start = clock.now();
      const takers = Array.from({ length: count }, () => new Taker(bucket, clock));
      const seconds = perSecond === 1024 ? 160 : 10;
      await clock.advance(seconds * 1000);
      const bytes = blocksBetween(takers, start, Infinity) * BLOCK;
      assert.ok(Math.abs(bytes - perSecond * seconds) <= Math.max(2 * BLOCK, 0.02 * perSecond * seconds), `${bytes}`);
      for (let second = 0; second < seconds; second++) {
        const inIt = blocksBetween(takers, start + second * 1000, start + (second + 1) * 1000) * BLOCK;
        assert.ok(inIt <= perSecond * 1.1 + BLOCK, `${inIt} bytes in second ${second}`);
      }
      const each = takers.map(({ takenAt }) => takenAt.length);
      assert.ok(Math.max(...each) - Math.min(...each) <= Math.max(1, 0.1 * Math.max(...each)), each.join(' '));
      for (const taker of takers) taker.stop();
      assert.equal(clock.timers, 0, 'nobody waits, and no timer runs');
    });
  }
}

test('idle time ends in no burst', async () => {
  const clock = new FakeClock();
  const bucket = new Bucket(1_000_000, clock);
  await clock.advance(60_000);
  assert.equal(bucket.ask({ onTurn: () => undefined }), 100_000);
});

for (const [lateMs, share] of [
  [200, 1],
  [300, 0.75],
] as const) {
  test(`of timers that are ${lateMs} ms late ${share * 100} % are made up for`, async () => {
    const clock = new FakeClock();
    const late = { now: () => clock.now(), after: (ms: number, call: () => void) => clock.after(ms + lateMs, call) };
    const taker = new Taker(new Bucket(1_000_000, late), clock);
    await clock.advance(10_000);
    const bytes = taker.takenAt.length * BLOCK;
    assert.ok(bytes < 10_000_000 + BLOCK && bytes > share * 9_700_000, `${bytes}`);
  });
}

test('one long pause is made up for over time, and never by more than a bit', async () => {
  const clock = new FakeClock();
  const perSecond = 1_000_000;
  let pauseMs = 900;
  const after = (ms: number, call: () => void): (() => void) => clock.after(ms + pauseMs, call);
  const start = clock.now();
  const taker = new Taker(new Bucket(perSecond, { now: () => clock.now(), after }), clock);
  pauseMs = 0;
  await clock.advance(30_000);
  for (let second = 0; second < 30; second++) {
    const inIt = blocksBetween([taker], start + second * 1000, start + (second + 1) * 1000) * BLOCK;
    assert.ok(inIt < perSecond * 1.25, `${inIt} in second ${second}`);
  }
  const bytes = taker.takenAt.length * BLOCK;
  assert.ok(Math.abs(bytes - 30 * perSecond) <= 2 * BLOCK, `${bytes}`);
});

test('what is given back is for others, sooner', async () => {
  const clock = new FakeClock();
  const bucket = new Bucket(1024, clock);
  const turns: number[] = [];
  await clock.advance(100);
  assert.ok(bucket.ask({ onTurn: () => undefined }) > 0);
  bucket.take(BLOCK);
  bucket.ask({ onTurn: () => turns.push(clock.now()) });
  await clock.advance(1000);
  assert.deepEqual(turns, []);
  bucket.giveBack(BLOCK);
  await clock.advance(50);
  assert.equal(turns.length, 1);
});

test('what was taken long ago and in vain is made up for, but never in a burst', async () => {
  const clock = new FakeClock();
  const perSecond = 1_000_000;
  const bucket = new Bucket(perSecond, clock);
  const start = clock.now();
  const taker = new Taker(bucket, clock);
  bucket.makeUpFor(200_000);
  await clock.advance(20_000);
  for (let second = 0; second < 20; second++) {
    const inIt = blocksBetween([taker], start + second * 1000, start + (second + 1) * 1000) * BLOCK;
    assert.ok(inIt < perSecond * 1.05 + BLOCK, `${inIt} in second ${second}`);
  }
  const bytes = taker.takenAt.length * BLOCK;
  assert.ok(Math.abs(bytes - 20_200_000) <= 2 * BLOCK, `${bytes}`);
});

test('nobody overtakes those in line, and who left it has no turn', async () => {
  const clock = new FakeClock();
  const bucket = new Bucket(1_000_000, clock);
  const turns: string[] = [];
  const [a, b, c] = ['a', 'b', 'c'].map((name) => ({ onTurn: () => turns.push(name) }));
  assert.equal(bucket.ask(a!), 0);
  assert.equal(bucket.ask(b!), 0);
  await clock.advance(10);
  assert.equal(bucket.ask(c!), 0, 'there are some already');
  bucket.leave(b!);
  assert.deepEqual([bucket.isInLine(a!), bucket.isInLine(b!)], [true, false]);
  await clock.advance(50);
  assert.deepEqual(turns, ['a', 'c']);
});

test('whoever takes as much as it is told, and whenever: the rate holds', () =>
  fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1024, max: 10_000_000 }),
      fc.array(fc.record({ waitMs: fc.integer({ min: 0, max: 400 }), back: fc.boolean() }), { maxLength: 30 }),
      async (perSecond, steps) => {
        const clock = new FakeClock();
        const bucket = new Bucket(perSecond, clock);
        const start = clock.now();
        let taken = 0;
        const take = (bytes: number): void => {
          const blocks = Math.ceil(bytes / BLOCK) * BLOCK;
          bucket.take(blocks);
          taken += blocks;
        };
        for (const { waitMs, back } of steps) {
          take(bucket.ask({ onTurn: take }));
          await clock.advance(waitMs);
          if (!back || taken < BLOCK) continue;
          bucket.giveBack(BLOCK);
          taken -= BLOCK;
        }
        const most = (perSecond * (clock.now() - start)) / 1000;
        assert.ok(taken <= most + BLOCK, `${taken} of ${most}`);
      },
    ),
    { numRuns: 30 },
  ));

test('who gives back again and again, be it nothing, does not put off the turns of others', async () => {
  const clock = new FakeClock();
  const bucket = new Bucket(10 * BLOCK, clock);
  const taker = new Taker(bucket, clock);
  for (let ms = 0; ms < 2000; ms += 10) {
    bucket.giveBack(0); // as when a peer that owes nothing chokes us, or hangs up
    await clock.advance(10);
  }
  assert.ok(taker.takenAt.length >= 18, `${taker.takenAt.length} blocks in 2 s`);
});
