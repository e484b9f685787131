import { isAscii } from 'node:buffer';
import { decodeUtf8 } from './text.js';

/** Bytes decoded at once; a text that is kept keeps its window in memory. */
const WINDOW = 16_384;

/**
 * Many texts in the same bytes, one behind the other. Where all is ASCII they are cut from a longer text: at a quarter of
 * what it costs to decode each.
 */
export class TextWindow {
  readonly #bytes: Buffer;
  /** The window: the bytes from `#start` up to `#end`, and their text if they are ASCII. */
  #start = 0;
  #end = 0;
  #text: string | undefined;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** The text of the UTF-8 bytes from `from` up to `end`; undefined when they are not UTF-8. */
  textOf(from: number, end: number): string | undefined {
    if (from < this.#start || end > this.#end) this.#move(from);
    if (this.#text !== undefined && end <= this.#end)
      return this.#text.substring(from - this.#start, end - this.#start);
    const text = this.#bytes.toString('utf8', from, end);
    return text.includes('\ufffd') ? decodeUtf8(this.#bytes.subarray(from, end)) : text;
  }

  #move(start: number): void {
    const window = this.#bytes.subarray(start, start + WINDOW);
    this.#start = start;
    this.#end = start + window.length;
    this.#text = isAscii(window) ? window.toString('latin1') : undefined;
  }
}
