import { BencodeError, type BencodeDictionary } from '../common/bencode.js';
import { MetainfoError } from '../common/errors.js';
import type { Warnings } from './warnings.js';

/** An error that says what is wrong with the torrent. */
export function invalid(code: string, what: string, cause?: unknown): MetainfoError {
  return new MetainfoError(code, `not a valid torrent: ${what}`, { cause });
}

/** The same about a key's value; the message names the key and where it is. */
export function invalidKey(code: string, dictionary: BencodeDictionary, key: string, what: string): MetainfoError {
  const cause = dictionary.wrong(key, what);
  return invalid(code, cause.message, cause);
}

/** What `read` gives; whatever the bytes are, nothing but a `MetainfoError` comes out. */
export function orInvalid<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof BencodeError ? invalid(error.code, error.message, error) : error;
  }
}

/** What `read` gives, for a key that a download can do without: a wrong one is a warning. */
export function orWarn<T>(read: () => T, warnings: Warnings): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof BencodeError)) throw error;
    warnings.add(`ignored: ${error.message}`, 'wrong values');
    return undefined;
  }
}
