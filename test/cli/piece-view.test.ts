import assert from 'node:assert/strict';
import { test } from 'node:test';

import { PieceView, wantsColour } from '../../src/cli/piece-view.js';
import { textWidth } from '../../src/cli/width.js';
import type { Download, PieceCell } from '../../src/index.js';
import { fakeDownload } from './fake.js';

const CELLS: readonly PieceCell[] = ['have', 'have', 'some', 'inFlight', 'missing', 'rarest', 'unwanted'];

function downloadOf(pieces: (cells: number) => readonly PieceCell[]): Download {
  return { ...fakeDownload(), pieces };
}

test('each kind of cell has a sign of its own, with and without Unicode', () => {
  const download = downloadOf(() => CELLS);
  assert.deepEqual(new PieceView(true, false).lines(download, 10, 1), ['██▓▒░! ']);
  assert.deepEqual(new PieceView(false, false).lines(download, 10, 1), ['##+>-! ']);
});

test('colour comes on top, once for cells side by side', () => {
  const [line] = new PieceView(false, true).lines(
    downloadOf(() => CELLS.slice(0, 3)),
    10,
    1,
  );
  assert.equal(line, '\x1b[32m##\x1b[0m\x1b[36m+\x1b[0m');
  assert.equal(textWidth(new PieceView(true, false).legend), 58);
  assert.ok(wantsColour({}) && wantsColour({ NO_COLOR: '' }) && !wantsColour({ NO_COLOR: '1' }));
});

test('a map fills as many lines as it is given, and none before the pieces are known', () => {
  const asked: number[] = [];
  const download = downloadOf((cells) => {
    asked.push(cells);
    return Array.from({ length: Math.min(cells, 25) }, () => 'missing');
  });
  assert.deepEqual(new PieceView(false, false).lines(download, 10, 4), ['-'.repeat(10), '-'.repeat(10), '-----']);
  assert.deepEqual(asked, [40]);
  assert.deepEqual(
    new PieceView(false, false).lines(
      downloadOf(() => []),
      10,
      4,
    ),
    [],
  );
});

test('it is drawn anew for another width at once, else only after a while', () => {
  let asked = 0;
  const download = downloadOf(() => {
    asked++;
    return CELLS;
  });
  const view = new PieceView(false, false);
  view.lines(download, 10, 1);
  view.lines(download, 10, 1);
  assert.equal(asked, 1);
  view.lines(download, 11, 1);
  assert.equal(asked, 2);
});
