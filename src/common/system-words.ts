import { getSystemErrorMap } from 'node:util';

const WORDS = new Map(getSystemErrorMap().values());

/** What a code of the system's such as `EIO` means, in words; any other code stays as it is. */
export function wordsOfCode(code: string): string {
  return WORDS.get(code) ?? code;
}
