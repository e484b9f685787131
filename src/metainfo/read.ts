import { readFile } from 'node:fs/promises';
import { MetainfoError } from '../common/errors.js';
import { wordsOfCode } from '../common/system-words.js';
import { quote } from '../common/text.js';
import { decodeMetainfo } from './decode.js';
import type { Metainfo } from './metainfo.js';

const REASONS: Readonly<Record<string, string>> = { ENOENT: 'no such file', EISDIR: 'it is a folder' };

/**
 * The metainfo of a `.torrent`, given by its path, by its bytes, or read before.
 * @throws {MetainfoError} also when the file cannot be read
 */
export async function readMetainfo(source: string | Uint8Array | Metainfo): Promise<Metainfo> {
  if (source instanceof Uint8Array) return decodeMetainfo(source);
  if (typeof source !== 'string') return source;
  const bytes = await readFile(source).catch((error: unknown) => {
    const code = String((error as NodeJS.ErrnoException).code);
    const why = REASONS[code] ?? wordsOfCode(code);
    throw new MetainfoError('ERR_NO_TORRENT', `cannot read ${quote(source, 4096)}: ${why}`, { cause: error });
  });
  return decodeMetainfo(bytes);
}
