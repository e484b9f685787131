/** How far a hashing of files is, on stderr. */
import { columnsOf } from './bar.js';
import { formatBytes, formatDuration, formatPercent, formatRate, formatShare } from './format.js';
import { progressStyle, type ProgressStyle } from './progress.js';

/** A terminal or a file to write to, such as `process.stderr`. */
export interface LineStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): boolean;
}

const REDRAW_MS = 125;
const PLAIN_LINE_EVERY_MS = 5000;
const CLEAR_BELOW = '\r\x1b[J';

/** One line that changes on a terminal, a plain line every five seconds elsewhere. Takes itself away at the end. */
export class HashLine implements Disposable {
  readonly #stderr: LineStream;
  readonly #style: ProgressStyle;
  readonly #now: () => number;
  readonly #startedAt: number;
  #shownAt: number;
  #hashed = 0;
  #isDrawn = false;

  /** `now` gives ms that never go back. */
  constructor(stderr: LineStream, env: NodeJS.ProcessEnv, isQuiet: boolean, now = () => performance.now()) {
    this.#stderr = stderr;
    this.#style = progressStyle(stderr, env, isQuiet);
    this.#now = now;
    this.#startedAt = this.#shownAt = now();
  }

  /** Takes note, and draws now and then. */
  readonly update = (hashed: number, total: number): void => {
    this.#hashed = hashed;
    if (this.#style === 'none') return;
    const now = this.#now();
    if (now - this.#shownAt < (this.#style === 'bar' ? REDRAW_MS : PLAIN_LINE_EVERY_MS)) return;
    this.#shownAt = now;
    const text = this.#describe(hashed, total, (now - this.#startedAt) / 1000);
    this.#isDrawn = this.#style === 'bar';
    this.#stderr.write(this.#isDrawn ? `${CLEAR_BELOW}${text}\r` : `${text}\n`);
  };

  /** `1.00 GiB in 0.9 s (1.11 GiB/s)` */
  summary(): string {
    const seconds = (this.#now() - this.#startedAt) / 1000;
    const rate = formatRate(this.#hashed / Math.max(seconds, 0.001));
    return `${formatBytes(this.#hashed)} in ${formatDuration(seconds)} (${rate})`;
  }

  [Symbol.dispose](): void {
    if (this.#isDrawn) this.#stderr.write(CLEAR_BELOW);
    this.#isDrawn = false;
  }

  /** As much as there is room for; one column stays free, for a full line would wrap on some terminals. */
  #describe(hashed: number, total: number, seconds: number): string {
    const rate = hashed / Math.max(seconds, 0.001);
    const left = rate > 0 ? `ETA ${formatDuration((total - hashed) / rate)}` : undefined;
    const room = this.#style === 'bar' ? columnsOf(this.#stderr) - 1 : Infinity;
    const fields = [formatPercent(total > 0 ? hashed / total : 1), formatShare(hashed, total), formatRate(rate), left];
    let text = 'hashing';
    for (const field of fields) {
      if (field === undefined || text.length + 2 + field.length > room) break;
      text += `  ${field}`;
    }
    return text.slice(0, room);
  }
}
