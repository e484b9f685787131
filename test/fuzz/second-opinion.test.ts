import assert from 'node:assert/strict';
import { test } from 'node:test';
import { classOf, differences, whyNoSecondOpinion } from './second-opinion.js';

const FILES = 2000;
const SEED = 20_261_123;

test(
  `of ${FILES} damaged torrents libtorrent takes and refuses the same, but for what the table explains`,
  {
    skip: whyNoSecondOpinion(),
    timeout: 60_000,
  },
  async (context) => {
    const found = await differences(FILES, SEED);
    const counts: Record<string, number> = {};
    for (const { bytes, ours, theirs } of found) {
      const name = classOf({ bytes, ours, theirs });
      assert.ok(name, `${JSON.stringify({ ours, theirs })}\n${Buffer.from(bytes).toString('base64')}`);
      counts[name] = (counts[name] ?? 0) + 1;
    }
    context.diagnostic(JSON.stringify(counts));
  },
);
