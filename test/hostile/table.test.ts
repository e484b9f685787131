/** What the documents say is tested is tested: each file and title that they name is there. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

/** Weaknesses of other programs, by their numbers in the table; T7 is about what we have not. */
const ROWS: Readonly<Record<string, number>> = { N: 12, M: 9, P: 12, T: 9, S: 7 };
const WITHOUT_TEST = ['T7'];

const root = new URL('../../', import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8');

/** The lines of all tables in a document, as cells. */
function rowsOf(document: string): readonly (readonly string[])[] {
  const lines = document.split('\n').filter((line) => line.startsWith('|') && !line.startsWith('|-'));
  return lines.map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

/** What a cell quotes: `` `file` “title”, “title”; `file` “title” ``. */
function quotedIn(cell: string): readonly { file: string; title: string }[] {
  return [...cell.matchAll(/`([\w./-]+\.ts)`((?:,? “[^”]+”)+)/g)].flatMap(([, file = '', titles = '']) =>
    [...titles.matchAll(/“([^”]+)”/g)].map(([, title = '']) => ({ file: `test/${file}`, title })),
  );
}

for (const document of ['test/hostile/README.md', 'SECURITY.md']) {
  test(`each test that ${document} names is there`, () => {
    const quoted = rowsOf(read(document)).flatMap((cells) => quotedIn(cells.at(-1)!));
    assert.ok(quoted.length > 10, 'nothing was found to be looked up');
    for (const { file, title } of quoted) assert.ok(read(file).includes(title), `${file} has no “${title}”`);
  });
}

test('each weakness has a row, and each row a test', () => {
  const rows = new Map(rowsOf(read('test/hostile/README.md')).map((cells) => [cells[0], cells.at(-1)!]));
  const numbers = Object.entries(ROWS).flatMap(([kind, count]) =>
    Array.from({ length: count }, (_, at) => `${kind}${at + 1}`),
  );
  for (const number of numbers) {
    const cell = rows.get(number);
    assert.ok(cell !== undefined, `${number} is missing`);
    assert.equal(quotedIn(cell).length === 0, WITHOUT_TEST.includes(number), number);
  }
});
