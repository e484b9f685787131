import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';

import { formatBytes, formatDuration, formatPercent, formatRate, formatShare } from '../../src/cli/format.js';
import { shorten, textWidth } from '../../src/cli/width.js';

test('bytes have three digits and a binary unit', () => {
  const cases: [number, string][] = [
    [0, '0 B'],
    [999, '999 B'],
    [1000, '0.98 KiB'],
    [1024, '1.00 KiB'],
    [12_897_485, '12.3 MiB'],
    [999 * 2 ** 20, '999 MiB'],
    [1023 * 2 ** 20, '1.00 GiB'],
    [2 * 2 ** 30, '2.00 GiB'],
    [Number.MAX_SAFE_INTEGER, '8.00 PiB'],
  ];
  for (const [bytes, text] of cases) assert.equal(formatBytes(bytes), text);
  assert.equal(formatRate(1536), '1.50 KiB/s');
  assert.equal(formatShare(2 ** 29, 2 * 2 ** 30), '0.50/2.00 GiB');
});

test('any number of bytes takes at most eight columns', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (bytes) => {
      assert.ok(formatBytes(bytes).length <= 8, formatBytes(bytes));
    }),
  );
});

test('a duration has two units at most', () => {
  const cases: [number, string][] = [
    [0, '0.0 s'],
    [9.94, '9.9 s'],
    [9.96, '10 s'],
    [59.4, '59 s'],
    [59.6, '1m 00s'],
    [187, '3m 07s'],
    [3599.7, '1h 00m'],
    [7500, '2h 05m'],
    [100 * 3600, '4d 4h'],
  ];
  for (const [seconds, text] of cases) assert.equal(formatDuration(seconds), text);
});

test('100% means that nothing is missing', () => {
  assert.equal(formatPercent(0.99999), '99%');
  assert.equal(formatPercent(1), '100%');
  assert.equal(formatPercent(1.5), '100%');
});

test('wide characters take two columns', () => {
  assert.equal(textWidth('abc'), 3);
  assert.equal(textWidth('東京'), 4);
  assert.equal(textWidth('e\u0301'), 1);
  assert.equal(textWidth('👍🏽'), 2);
});

test('a text cut short keeps both ends and fits', () => {
  assert.equal(shorten('debian-12-netinst.iso', 11), 'debia…t.iso');
  assert.equal(shorten('東京の写真', 5), '東…真');
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.nat(40), (text, width) => {
      const shown = shorten(text, width);
      assert.ok(textWidth(shown) <= width);
      if (textWidth(text) <= width) assert.equal(shown, text);
    }),
  );
});
