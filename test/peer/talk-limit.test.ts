import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TalkLimit } from '../../src/peer/talk-limit.js';

const MIB = 1024 * 1024;

test('haves of a million pieces at once are heard, and a steady flow of requests', () => {
  const talk = new TalkLimit(0);
  let total = 9_000_000;
  assert.equal(talk.isExceeded(total, 0), false);
  for (let now = 100; now < 3_600_000; now += 100) {
    total += MIB / 10;
    assert.equal(talk.isExceeded(total, now), false);
  }
});

test('a flood is told after 16 MiB, and long silence does not save up for one', () => {
  const talk = new TalkLimit(0);
  assert.equal(talk.isExceeded(15 * MIB, 0), false);
  assert.equal(talk.isExceeded(15 * MIB, 3_600_000), false);
  assert.equal(talk.isExceeded(32 * MIB, 3_600_000), true);
});
