import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keepingCode } from '../../src/cli/warm-code.js';
import type { Download } from '../../src/index.js';
import { until } from '../helpers/until.js';

/** Runs one download, and counts how often code is kept; `ending` says when the run ends, and how. */
async function keep(
  downloaded: number,
  ending: (kept: () => number) => Promise<number>,
  lookEveryMs = 5,
): Promise<number> {
  let kept = 0;
  const keepCode = (): Promise<void> => {
    kept++;
    return Promise.resolve();
  };
  const start = (): Download => ({ stats: () => ({ downloaded }) }) as Download;
  await keepingCode(
    keepCode,
    start,
    (started) => {
      started('', {});
      return ending(() => kept);
    },
    lookEveryMs,
  );
  return kept;
}

const HOUR_MS = 3600_000;

test('a short download that ends well has run the code to keep, one that fails has not', async () => {
  assert.equal(await keep(100, () => Promise.resolve(0), HOUR_MS), 1);
  assert.equal(await keep(100, () => Promise.resolve(3), HOUR_MS), 0);
});

test('a long one has when it receives data, once', async () => {
  const ending = async (kept: () => number): Promise<number> => {
    await until(() => kept() > 0);
    return 0;
  };
  assert.equal(await keep(100, ending), 1);
});

test('one without data has not, however long it takes', async () => {
  let looks = 0;
  let kept = 0;
  const stats = (): unknown => ({ downloaded: (looks++, 0) });
  await keepingCode(
    () => {
      kept++;
      return Promise.resolve();
    },
    () => ({ stats }) as Download,
    async (start) => {
      start('', {});
      await until(() => looks > 3);
      return 0;
    },
    1,
  );
  assert.equal(kept, 0);
});
