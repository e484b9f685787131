/** How much room text takes on a terminal. */

/** Made at its first use, for that takes 20 ms. */
let graphemes: Intl.Segmenter | undefined;

const WIDE =
  /[\p{Script=Han}\p{Script=Hangul}\p{Script=Hiragana}\p{Script=Katakana}\p{Emoji_Presentation}\u3000-\u303e\uff01-\uff60]|\ufe0f/u;

/** Columns that `text` takes; East Asian characters and emoji take two. `text` has no control characters. */
export function textWidth(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length;
  let width = 0;
  for (const segment of segmentsOf(text)) width += WIDE.test(segment) ? 2 : 1;
  return width;
}

/** `text` in at most `width` columns; what does not fit is cut in the middle, for names differ at both ends. */
export function shorten(text: string, width: number, ellipsis = '…'): string {
  if (textWidth(text) <= width) return text;
  const room = width - ellipsis.length;
  if (room < 1) return '';
  const segments = segmentsOf(text);
  const head = fit(segments, Math.ceil(room / 2));
  const tail = fit(segments.reverse(), room - Math.ceil(room / 2));
  return head.join('') + ellipsis + tail.reverse().join('');
}

/** What a reader takes for letters. */
function segmentsOf(text: string): string[] {
  graphemes ??= new Intl.Segmenter(undefined, { granularity: 'grapheme' });
  return Array.from(graphemes.segment(text), ({ segment }) => segment);
}

/** As many of the first segments as fit. */
function fit(segments: readonly string[], width: number): string[] {
  const taken: string[] = [];
  let room = width;
  for (const segment of segments) {
    room -= textWidth(segment);
    if (room < 0) break;
    taken.push(segment);
  }
  return taken;
}
