/** Shows a running download on stderr: a bar on a terminal, plain lines elsewhere. */
import type { Download } from '../index.js';

import { TerminalBar, type TerminalStream } from './bar.js';
import { plainLine } from './layout.js';

/** Where the user looks. All that is printed during a download goes through `print`. */
export interface Progress {
  /** Prints one line, above the bar if there is one. */
  print(line: string): void;
  /** Takes the bar away; `print` still works. Idempotent. */
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

/** Starts to show `download`. */
export function openProgress(
  download: Download,
  stderr: TerminalStream,
  style: ProgressStyle,
  env: NodeJS.ProcessEnv = process.env,
): Progress {
  if (style === 'bar') return new TerminalBar(download, stderr, isUnicode(env));
  const print = (line: string): void => void stderr.write(`${line}\n`);
  if (style === 'none') return { print, stop: () => undefined };
  const timer = setInterval(() => print(plainLine(download.stats())), PLAIN_LINE_EVERY_MS);
  return { print, stop: () => clearInterval(timer) };
}
