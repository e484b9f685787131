import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MOST_ASIDES, MOST_TALK, mostTalk, TalkLimit } from '../../src/peer/talk-limit.js';

const MIB = 1024 * 1024;

test('haves of a million pieces at once are heard, and a steady flow of requests', () => {
  const talk = new TalkLimit(mostTalk(1_000_000), 0);
  let total = 18_000_000;
  assert.equal(talk.isExceeded(total, 0), false);
  for (let now = 100; now < 3_600_000; now += 100) {
    total += MIB / 10;
    assert.equal(talk.isExceeded(total, now), false);
  }
});

test('before there is metadata a flood is told after 16 MiB, and long silence does not save up for one', () => {
  const talk = new TalkLimit(MOST_TALK, 0);
  assert.equal(talk.isExceeded(15 * MIB, 0), false);
  assert.equal(talk.isExceeded(15 * MIB, 3_600_000), false);
  assert.equal(talk.isExceeded(32 * MIB, 3_600_000), true);
});

test('rejects of all that a peer was asked for are heard every few seconds, and more is a flood', () => {
  const asides = new TalkLimit(MOST_ASIDES, 0);
  let total = 0;
  for (let now = 0; now < 60_000; now += 10_000) assert.equal(asides.isExceeded((total += 8192), now), false);
  assert.equal(asides.isExceeded(total + 30_000, 60_000), true);
});
