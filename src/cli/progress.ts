/** Shows running downloads on stderr: bars on a terminal, plain lines elsewhere. */
import { escapeControl, type Download } from '../index.js';

import { TerminalBlock, type TerminalStream } from './bar.js';
import { plainLine } from './layout.js';
import { PieceView, wantsColour } from './piece-view.js';

/** Where the user looks. All that is printed during downloads goes through `print`. */
export interface Progress {
  /** Shows it until it is removed. */
  add(download: Download): void;
  remove(download: Download): void;
  /** Prints one line, above what is shown. */
  print(line: string): void;
  /** Shows nothing any longer; `print` still works. Idempotent. */
  stop(): void;
}

export type ProgressStyle = 'bar' | 'lines' | 'none';

const PLAIN_LINE_EVERY_MS = 5000;

/** How to show progress on `stderr`: animation is for terminals that people watch. */
export function progressStyle(
  stderr: { readonly isTTY?: boolean },
  env: NodeJS.ProcessEnv,
  isQuiet: boolean,
): ProgressStyle {
  if (isQuiet) return 'none';
  const isAnimated = stderr.isTTY === true && env['TERM'] !== 'dumb' && !env['CI'];
  return isAnimated ? 'bar' : 'lines';
}

/** Whether the terminal's locale can show more than ASCII. */
export function isUnicode(env: NodeJS.ProcessEnv): boolean {
  const locale = [env['LC_ALL'], env['LC_CTYPE'], env['LANG']].find((value) => value !== undefined && value !== '');
  return /utf-?8/i.test(locale ?? '');
}

/** Starts with nothing to show. `isSeveral`: lines say which download they are about; `hasMap`: bars come with a map. */
export function openProgress(
  stderr: TerminalStream,
  style: ProgressStyle,
  { isSeveral = false, hasMap = false }: { readonly isSeveral?: boolean; readonly hasMap?: boolean } = {},
  env: NodeJS.ProcessEnv = process.env,
): Progress {
  if (style === 'bar') {
    const view = hasMap ? new PieceView(isUnicode(env), wantsColour(env)) : undefined;
    return new TerminalBlock(stderr, isUnicode(env), view);
  }
  return new PlainLines(stderr, style === 'lines', isSeveral);
}

/** A plain line every few seconds for each download. */
class PlainLines implements Progress {
  readonly #stderr: TerminalStream;
  readonly #isShown: boolean;
  readonly #isSeveral: boolean;
  readonly #timers = new Map<Download, NodeJS.Timeout>();

  constructor(stderr: TerminalStream, isShown: boolean, isSeveral: boolean) {
    this.#stderr = stderr;
    this.#isShown = isShown;
    this.#isSeveral = isSeveral;
  }

  add(download: Download): void {
    if (!this.#isShown) return;
    const tell = (): void => {
      const stats = download.stats();
      const name = this.#isSeveral ? `${escapeControl(stats.name)}: ` : '';
      this.print(name + plainLine(stats));
    };
    this.#timers.set(download, setInterval(tell, PLAIN_LINE_EVERY_MS));
  }

  remove(download: Download): void {
    clearInterval(this.#timers.get(download));
    this.#timers.delete(download);
  }

  print(line: string): void {
    this.#stderr.write(`${line}\n`);
  }

  stop(): void {
    for (const download of this.#timers.keys()) this.remove(download);
  }
}
