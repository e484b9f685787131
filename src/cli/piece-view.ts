/** A map of a download's pieces, as lines for a terminal. */
import type { Download, PieceCell } from '../index.js';

/** How each kind of cell looks; nothing is told by colour alone. */
const LOOKS: Readonly<Record<PieceCell, { readonly sign: string; readonly ascii: string; readonly colour: number }>> = {
  have: { sign: '█', ascii: '#', colour: 32 },
  some: { sign: '▓', ascii: '+', colour: 36 },
  inFlight: { sign: '▒', ascii: '>', colour: 33 },
  rarest: { sign: '!', ascii: '!', colour: 31 },
  missing: { sign: '░', ascii: '-', colour: 90 },
  unwanted: { sign: ' ', ascii: ' ', colour: 0 },
};

const WORDS: readonly (readonly [PieceCell, string])[] = [
  ['have', 'there'],
  ['some', 'some'],
  ['inFlight', 'on the way'],
  ['missing', 'missing'],
  ['rarest', 'rarest'],
];

/** A map looks at every piece, and nobody sees more of them a second. */
const FRESH_MS = 500;

interface Drawn {
  readonly atMs: number;
  readonly width: number;
  readonly rows: number;
  readonly lines: readonly string[];
}

/** Draws maps, each anew only after a while or for another width. */
export class PieceView {
  readonly #isUnicode: boolean;
  readonly #hasColour: boolean;
  readonly #drawn = new WeakMap<Download, Drawn>();

  constructor(isUnicode: boolean, hasColour: boolean) {
    this.#isUnicode = isUnicode;
    this.#hasColour = hasColour;
  }

  /** What the signs mean. */
  get legend(): string {
    return `pieces: ${WORDS.map(([cell, word]) => `${this.#paint(cell, 1)} ${word}`).join('  ')}`;
  }

  /** At most `rows` lines of `width` columns; none before the pieces are known. */
  lines(download: Download, width: number, rows: number): readonly string[] {
    const atMs = performance.now();
    const before = this.#drawn.get(download);
    if (before?.width === width && before.rows === rows && atMs - before.atMs < FRESH_MS) return before.lines;
    const cells = download.pieces(width * rows);
    const lines: string[] = [];
    for (let at = 0; at < cells.length; at += width) lines.push(this.#line(cells.slice(at, at + width)));
    this.#drawn.set(download, { atMs, width, rows, lines });
    return lines;
  }

  /** Cells side by side of one kind are painted together. */
  #line(cells: readonly PieceCell[]): string {
    let line = '';
    for (let at = 0, end = 0; at < cells.length; at = end) {
      while (end < cells.length && cells[end] === cells[at]) end++;
      line += this.#paint(cells[at]!, end - at);
    }
    return line;
  }

  #paint(cell: PieceCell, count: number): string {
    const { sign, ascii, colour } = LOOKS[cell];
    const text = (this.#isUnicode ? sign : ascii).repeat(count);
    return this.#hasColour && colour > 0 ? `\x1b[${colour}m${text}\x1b[0m` : text;
  }
}

/** https://no-color.org: set and not empty means no colour. */
export function wantsColour({ NO_COLOR }: NodeJS.ProcessEnv): boolean {
  return NO_COLOR === undefined || NO_COLOR === '';
}
