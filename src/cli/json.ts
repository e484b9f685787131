/** Objects as JSON for programs. */

/** What would forge a terminal's lines, and what JSON lets pass as it is. */
const UNSAFE = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/**
 * One line, with line feed. Numbers that JSON readers would round (beyond 2^53) become strings; what is undefined is
 * left out. Control characters of foreign text are escaped, as JSON allows for any character.
 */
export function jsonLine(object: object): string {
  const text = JSON.stringify(object, (_key, value: unknown) => {
    return typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value)
      ? BigInt(value).toString()
      : value;
  });
  return `${text.replace(UNSAFE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)}\n`;
}
