import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';

import { ASCII_SIGNS, layoutLine, plainLine, UNICODE_SIGNS } from '../../src/cli/layout.js';
import { textWidth } from '../../src/cli/width.js';
import type { DownloadStats } from '../../src/index.js';
import { fakeStats } from './fake.js';

function drawBar(fraction: number, size: number): string {
  const full = Math.round(fraction * size);
  return '#'.repeat(full) + '-'.repeat(size - full);
}

function lay(changes: Partial<DownloadStats>, width: number, name = 'debian.iso'): string {
  return layoutLine(fakeStats(changes), name, width, drawBar, UNICODE_SIGNS);
}

test('a narrow line keeps what matters most', () => {
  assert.equal(lay({}, 39), 'debi….iso [####----]   50%  ↓10.0 MiB/s');
});

test('80 columns show size, rate, peers and time left', () => {
  assert.match(
    lay({}, 79),
    /^debian\.iso \[#+-+\] {3}50% {2}1\.00\/2\.00 GiB {2}↓10\.0 MiB\/s {2}12 peers {2}ETA 1m 42s$/,
  );
});

test('a wide line also shows the upload', () => {
  assert.match(lay({}, 199), /↓10\.0 MiB\/s {2}↑1\.00 MiB\/s {2}12 peers/);
});

test('each phase has its own line', () => {
  assert.match(lay({ phase: 'checking', checked: 0.25 }, 79), /25% {2}checking$/);
  assert.match(
    lay({ phase: 'seeding' }, 79),
    /^debian\.iso {2}seeding {2}↑.* {2}512 MiB uploaded, ratio 0\.25 {2}12 peers$/,
  );
  assert.equal(lay({ phase: 'opening' }, 79), 'debian.iso  opening');
  assert.match(lay({ phase: 'stopped' }, 79), /50% {2}stopped$/);
  assert.match(lay({ phase: 'checking', checked: 1, totalLength: 0 }, 79), /100%/);
});

test('a torrent of no bytes is complete, not NaN', () => {
  const line = lay({ totalLength: 0, haveLength: 0, uploaded: 0 }, 79);
  assert.match(line, /100%/);
  assert.doesNotMatch(line, /NaN/);
  assert.doesNotMatch(plainLine(fakeStats({ phase: 'seeding', totalLength: 0 })), /NaN|Infinity/);
});

test('no line is wider than the terminal', () => {
  const stats = fc.record({
    phase: fc.constantFrom<DownloadStats['phase']>('opening', 'checking', 'downloading', 'seeding', 'failed'),
    haveLength: fc.nat(2 * 2 ** 30),
    checked: fc.double({ min: 0, max: 1, noNaN: true }),
    uploaded: fc.maxSafeNat(),
    downloadPerSecond: fc.nat(),
    uploadPerSecond: fc.nat(),
    etaSeconds: fc.option(fc.nat(), { nil: undefined }),
    connectedPeers: fc.nat(200),
  });
  fc.assert(
    fc.property(stats, fc.string({ unit: 'grapheme' }), fc.integer({ min: 20, max: 250 }), (changes, name, width) => {
      for (const signs of [ASCII_SIGNS, UNICODE_SIGNS]) {
        const line = layoutLine(fakeStats(changes), name, width, drawBar, signs);
        assert.ok(textWidth(line) <= width, `${textWidth(line)} > ${width}: ${line}`);
      }
    }),
  );
});

test('a log line is plain text', () => {
  assert.equal(
    plainLine(fakeStats()),
    'downloading: 50%, 1.00 GiB of 2.00 GiB, 10.0 MiB/s down, 1.00 MiB/s up, 12 peers, 1m 42s left',
  );
  assert.equal(plainLine(fakeStats({ phase: 'checking', checked: 0.5 })), 'checking: 50% of 2.00 GiB');
  assert.equal(
    plainLine(fakeStats({ phase: 'seeding', connectedPeers: 1 })),
    'seeding: 1.00 MiB/s up, 1 peer, 512 MiB uploaded (ratio 0.25)',
  );
});
