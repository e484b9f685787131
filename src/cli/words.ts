/** A command as the user wrote it → the program and its arguments. */

/**
 * Splits at blanks, as a shell does: `'…'` takes everything as it is, in `"…"` and outside a backslash takes the next
 * character as it is. Nothing is expanded. Undefined when a quote is not closed.
 */
export function splitWords(text: string): string[] | undefined {
  const words: string[] = [];
  let rest = text.trimStart();
  while (rest !== '') {
    const [word] = /^(?:[^\s'"\\]|\\[^]|'[^']*'|"(?:[^"\\]|\\[^])*")+/.exec(rest) ?? [];
    if (word === undefined) return undefined;
    words.push(word.replace(/'([^']*)'|"((?:[^"\\]|\\[^])*)"|\\([^])/g, unquote));
    const after = rest.slice(word.length);
    rest = after.trimStart();
    if (rest === after && rest !== '') return undefined; // a quote that is not closed
  }
  return words;
}

function unquote(_quoted: string, single?: string, double?: string, escaped?: string): string {
  return single ?? double?.replace(/\\(["\\$`])/g, '$1') ?? escaped ?? '';
}
