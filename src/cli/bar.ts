/** The lines at the bottom of a terminal that show how far downloads are. */
import { Writable } from 'node:stream';
import cliProgress from 'cli-progress';

import { escapeControl, type Download, type Phase } from '../index.js';

import { ASCII_SIGNS, layoutLine, UNICODE_SIGNS, type DrawBar, type Signs } from './layout.js';
import type { PieceView } from './piece-view.js';
import { shorten } from './width.js';

/** A terminal to draw on, such as `process.stderr`. */
export interface TerminalStream {
  readonly columns?: number;
  readonly rows?: number;
  write(text: string): boolean;
  on(event: 'resize', listener: () => void): unknown;
  off(event: 'resize', listener: () => void): unknown;
}

const REDRAWS_PER_SECOND = 8;
const MOST_MAP_ROWS = 4;
/** A window that is dragged by its edge changes its size more often than that. */
const STILL_MS = 300;
/** In these phases pieces come. */
const MAPPED: ReadonlySet<Phase> = new Set<Phase>(['checking', 'downloading']);
const CLEAR_BELOW = '\r\x1b[J';
const CLEAR_RIGHT = '\x1b[K';

/**
 * A line for each download that follows the terminal's width, drawn by `cli-progress`, and leaves the last word to
 * `print`.
 *
 * The cursor rests in the first column of the first line. Whatever a terminal does to lines when its window narrows, the
 * cursor stays where its line begins, so `CLEAR_BELOW` removes all of them; and as neither cursor nor line wrap are ever
 * switched off, nothing is left to restore if the process is killed.
 *
 * While the window is being resized nothing is drawn: some terminals move what they rewrap out of the screen's top, where
 * nobody can clear it, and bring it back when the window widens.
 */
export class TerminalBlock {
  readonly #terminal: TerminalStream;
  readonly #signs: Signs;
  readonly #draw: DrawBar;
  readonly #view: PieceView | undefined;
  readonly #bar: cliProgress.SingleBar;
  readonly #downloads = new Set<Download>();
  #lines: readonly string[] = []; // what is on the screen now
  #isDrawn = false;
  /** Runs while the window is being resized. */
  #stillTimer: NodeJS.Timeout | undefined;
  readonly #onResize = (): void => {
    this.#lines = [];
    this.#terminal.write(CLEAR_BELOW);
    clearTimeout(this.#stillTimer);
    this.#stillTimer = setTimeout(() => (this.#stillTimer = undefined), STILL_MS).unref();
  };

  /** With `view` there is a map of its pieces below each line. */
  constructor(terminal: TerminalStream, isUnicode: boolean, view?: PieceView) {
    this.#terminal = terminal;
    this.#view = view;
    this.#signs = isUnicode ? UNICODE_SIGNS : ASCII_SIGNS;
    this.#draw = barDrawer(isUnicode ? ['█', '░'] : ['#', '-']);
    this.#bar = new cliProgress.SingleBar({
      stream: new BarStream(terminal),
      fps: REDRAWS_PER_SECOND,
      forceRedraw: true,
      clearOnComplete: true,
      linewrap: true, // leaves the terminal's setting alone
      format: () => {
        this.#lines = this.#stillTimer ? [] : this.#layout();
        return this.#lines.join(`${CLEAR_RIGHT}\n`);
      },
    });
    this.#bar.on('redraw-post', () => terminal.write(`\x1b[J${this.#home()}`));
  }

  /** Draws at once. */
  add(download: Download): void {
    this.#downloads.add(download);
    if (this.#isDrawn) return;
    if (this.#view) this.print(this.#view.legend);
    this.#isDrawn = true;
    this.#terminal.on('resize', this.#onResize);
    this.#bar.start(1, 0);
  }

  /** Takes its line away. */
  remove(download: Download): void {
    if (this.#downloads.delete(download) && this.#downloads.size === 0) this.stop();
  }

  /** Puts a line above the others. */
  print(line: string): void {
    const below = this.#isDrawn ? this.#lines.join('\n') + this.#home() : '';
    this.#terminal.write(`${this.#isDrawn ? CLEAR_BELOW : ''}${line}\n${below}`);
  }

  /** Removes all lines. Idempotent. */
  stop(): void {
    this.#downloads.clear();
    if (!this.#isDrawn) return;
    this.#isDrawn = false;
    this.#terminal.off('resize', this.#onResize);
    clearTimeout(this.#stillTimer);
    this.#stillTimer = undefined;
    this.#terminal.write(CLEAR_BELOW);
    this.#bar.stop();
    this.#lines = [];
  }

  #layout(): readonly string[] {
    const width = columnsOf(this.#terminal) - 1; // one column stays free: a full line would wrap on some terminals
    const downloads = [...this.#downloads];
    const room = Math.max(1, rowsOf(this.#terminal) - 1);
    const shown = downloads.length > room ? downloads.slice(0, room - 1) : downloads;
    // Maps get the rows that the lines leave: a lone one is higher.
    const mapRows = Math.min(Math.floor(room / downloads.length) - 1, downloads.length === 1 ? MOST_MAP_ROWS : 1);
    const lines = shown.flatMap((download) => {
      const stats = download.stats();
      const line = layoutLine(stats, escapeControl(stats.name), width, this.#draw, this.#signs);
      const hasMap = this.#view && mapRows > 0 && MAPPED.has(stats.phase);
      return hasMap ? [line, ...this.#view.lines(download, width, mapRows)] : line;
    });
    const left = downloads.length - shown.length;
    return left > 0 ? [...lines, shorten(`${this.#signs.ellipsis} and ${left} more`, width, '')] : lines;
  }

  /** From the last line to the first column of the first. */
  #home(): string {
    return this.#lines.length > 1 ? `\r\x1b[${this.#lines.length - 1}A` : '\r';
  }
}

/** Room of the terminal at this moment; some terminals do not know theirs and say 0. */
export function columnsOf({ columns = 0 }: { readonly columns?: number }): number {
  return columns > 0 ? columns : Number(process.env['COLUMNS']) || 80;
}

function rowsOf({ rows = 0 }: { readonly rows?: number }): number {
  return rows > 0 ? rows : 24;
}

/** `cli-progress` has the drawing of bars, but only for one size. */
function barDrawer([full, empty]: readonly [string, string]): DrawBar {
  return (fraction, size) =>
    cliProgress.Format.BarFormat(fraction, {
      barsize: size,
      barCompleteString: full.repeat(size),
      barIncompleteString: empty.repeat(size),
      barGlue: '',
    });
}

/**
 * What the bar writes to: the terminal, without saving and restoring the cursor. The place that `cli-progress` notes
 * at the start belongs to another line as soon as something was printed above the bar.
 */
class BarStream extends Writable {
  readonly isTTY = true;
  readonly columns = Infinity; // the line is cut already

  constructor(terminal: TerminalStream) {
    super({
      decodeStrings: false,
      write: (text: string, _encoding, done) => {
        if (text !== '\x1b7' && text !== '\x1b8') terminal.write(text);
        done();
      },
    });
  }
}
