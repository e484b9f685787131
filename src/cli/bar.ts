/** The line at the bottom of a terminal that shows how far a download is. */
import { Writable } from 'node:stream';
import cliProgress from 'cli-progress';

import { escapeControl, type Download } from '../index.js';

import { ASCII_SIGNS, layoutLine, UNICODE_SIGNS, type DrawBar } from './layout.js';

/** A terminal to draw on, such as `process.stderr`. */
export interface TerminalStream {
  readonly columns?: number;
  write(text: string): boolean;
  on(event: 'resize', listener: () => void): unknown;
  off(event: 'resize', listener: () => void): unknown;
}

const REDRAWS_PER_SECOND = 8;
const CLEAR_BELOW = '\r\x1b[J';

/**
 * A `cli-progress` bar that follows the terminal's width and leaves the last word to `print`.
 *
 * The cursor rests in the first column of the line. Whatever a terminal does to a line when its window narrows, the
 * cursor stays where the line begins, so `CLEAR_BELOW` removes all of it; and as neither cursor nor line wrap are ever
 * switched off, nothing is left to restore if the process is killed.
 */
export class TerminalBar {
  readonly #terminal: TerminalStream;
  readonly #bar: cliProgress.SingleBar;
  #line = ''; // what is on the screen now
  readonly #onResize = (): void => void this.#terminal.write(CLEAR_BELOW);

  /** Draws at once. */
  constructor(download: Download, terminal: TerminalStream, isUnicode: boolean) {
    this.#terminal = terminal;
    const signs = isUnicode ? UNICODE_SIGNS : ASCII_SIGNS;
    const draw = barDrawer(isUnicode ? ['█', '░'] : ['#', '-']);
    this.#bar = new cliProgress.SingleBar({
      stream: new BarStream(terminal),
      fps: REDRAWS_PER_SECOND,
      forceRedraw: true,
      clearOnComplete: true,
      linewrap: true, // leaves the terminal's setting alone
      format: () => {
        const stats = download.stats();
        // one column stays free: a full line would wrap on some terminals
        return (this.#line = layoutLine(stats, escapeControl(stats.name), columnsOf(terminal) - 1, draw, signs));
      },
    });
    this.#bar.on('redraw-post', () => terminal.write('\r'));
    terminal.on('resize', this.#onResize);
    this.#bar.start(1, 0);
  }

  /** Puts a line above the bar. */
  print(line: string): void {
    this.#terminal.write(`${CLEAR_BELOW}${line}\n${this.#line}\r`);
  }

  /** Removes the bar. Idempotent. */
  stop(): void {
    this.#terminal.off('resize', this.#onResize);
    this.#bar.stop();
    this.#line = '';
  }
}

/** Room of the terminal at this moment; some terminals do not know theirs and say 0. */
export function columnsOf({ columns = 0 }: { readonly columns?: number }): number {
  return columns > 0 ? columns : Number(process.env['COLUMNS']) || 80;
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
