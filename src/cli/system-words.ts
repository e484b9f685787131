import { getSystemErrorMap } from 'node:util';

/** What the system says in words, for those parts of the command line that load no engine: `no space left on device`. */
export function wordsOf({ errno, code, message }: NodeJS.ErrnoException): string {
  return getSystemErrorMap().get(errno ?? 0)?.[1] ?? code ?? message;
}
