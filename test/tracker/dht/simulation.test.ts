import assert from 'node:assert/strict';
import { test } from 'node:test';
import { quantile, Simulation } from './simulation.js';

test('in a DHT of 200, a fifth dead and a tenth lying, what is announced is found', () => {
  const simulation = new Simulation({ nodes: 200, dead: 0.2, lying: 0.1, lossRate: 0.01, settleMs: 20_000 });
  const searches = simulation.measure(50);
  assert.ok(searches.filter(({ isFound }) => isFound).length >= 49);
  assert.ok(
    quantile(
      searches.map(({ queries }) => queries),
      0.5,
    ) <= 60,
  );
  assert.ok(Math.max(...searches.map(({ queries }) => queries)) <= 150);
  assert.ok(
    quantile(
      searches.map(({ firstMs }) => firstMs),
      0.5,
    ) < 1000,
  );
  simulation.close();
});
