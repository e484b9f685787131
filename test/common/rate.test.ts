import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RateMeter } from '../../src/common/rate.js';

test('a steady stream has its rate, however often it is read', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1e9 }), fc.integer({ min: 1, max: 30_000 }), (perSecond, everyMs) => {
      const meter = new RateMeter(1000);
      let read = 0;
      for (let ms = 0; ms < 60_000; ms += everyMs) {
        meter.add((perSecond * everyMs) / 1000);
        read = meter.perSecond(1000 + ms + everyMs);
      }
      assert.ok(Math.abs(read - perSecond) <= perSecond * 1e-6, `${read} for ${perSecond}`);
    }),
    { numRuns: 30 },
  );
});

test('the rate is exactly zero once nothing came for the window', () => {
  const meter = new RateMeter(0);
  const rates = new Map<number, number>();
  for (let now = 100; now <= 16_000; now += 100) {
    if (now <= 10_000) meter.add(5000);
    rates.set(now, meter.perSecond(now));
  }
  assert.ok(Math.abs(rates.get(10_000)! - 50_000) < 1000);
  assert.ok(rates.get(12_000)! > 25_000);
  assert.ok(rates.get(14_000)! > 5000);
  assert.equal(rates.get(15_600), 0);
});

test('a meter that is read after a long pause tells the mean of the pause, and then zero', () => {
  const meter = new RateMeter(0);
  meter.add(10_000);
  assert.equal(meter.perSecond(10_000), 1000);
  assert.equal(meter.perSecond(20_000), 0);
});

test('the first bytes make no spike', () => {
  const meter = new RateMeter(50);
  assert.equal(meter.perSecond(50), 0);
  meter.add(16_384);
  assert.equal(meter.perSecond(50.1), 16_384);
});

test('the rate is never negative and never more than all that came in a second', () => {
  const steps = fc.array(fc.record({ gap: fc.integer({ min: 0, max: 4000 }), bytes: fc.nat(1e6) }));
  fc.assert(
    fc.property(steps, (all) => {
      const meter = new RateMeter(0);
      let now = 0;
      let total = 0;
      for (const { gap, bytes } of all) {
        meter.add(bytes);
        total += bytes;
        const rate = meter.perSecond((now += gap));
        assert.ok(rate >= 0 && rate <= total);
      }
    }),
  );
});
