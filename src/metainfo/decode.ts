/** Stage 1: bytes → `Metainfo`. */
import { decode, type BencodeDictionary } from '../common/bencode.js';
import { decodeText, quote } from '../common/text.js';
import { readInfo } from './info.js';
import { invalid, orInvalid, orWarn } from './invalid.js';
import type { Metainfo } from './metainfo.js';
import { readTrackers, readWebSeeds } from './urls.js';
import { Warnings } from './warnings.js';

/** What a torrent says beside its info dictionary. A magnet link says some of it, too. */
export type Surroundings = Pick<
  Metainfo,
  'trackers' | 'webSeeds' | 'httpSeeds' | 'comment' | 'createdBy' | 'creationDate'
>;

/** The last moment that a `Date` can hold, in seconds. */
export const LAST_DATE = 8.64e12;

/**
 * Reads a `.torrent` (BEP 3, 12, 17, 19, 27, 47; of a hybrid, BEP 52, the v1 part). The bytes are not copied: leave them
 * as they are while the metainfo is used. `platform` decides which names are safe on disk, see `paths.ts`.
 * @throws {MetainfoError} that says what is wrong, and at which byte
 */
export function decodeMetainfo(bytes: Uint8Array, platform: NodeJS.Platform = process.platform): Metainfo {
  return orInvalid(() => {
    const warnings = new Warnings();
    const torrent = decodeDictionary(bytes, warnings);
    const info = torrent.getDictionary('info');
    if (!info) throw invalid('ERR_NO_INFO', 'it has no "info" dictionary');
    const encoding = orWarn(() => torrent.getText('encoding'), warnings);
    return {
      ...readInfo(info, { encoding, platform, warnings }),
      ...readSurroundings(torrent, encoding, warnings),
      warnings: warnings.toList(),
    };
  });
}

/**
 * The same for an info dictionary alone, as peers send it for a magnet link (BEP 9).
 * @throws {MetainfoError}
 */
export function decodeInfo(
  infoBytes: Uint8Array,
  surroundings: Partial<Surroundings> = {},
  platform: NodeJS.Platform = process.platform,
): Metainfo {
  return orInvalid(() => {
    const warnings = new Warnings();
    const info = decodeDictionary(infoBytes, warnings);
    if (info.raw.length < infoBytes.length) {
      throw invalid('ERR_BENCODE', `bytes after the end of the info dictionary at byte ${info.raw.length}`);
    }
    return {
      ...readInfo(info, { encoding: undefined, platform, warnings }),
      ...{ trackers: [], webSeeds: [], httpSeeds: [] },
      ...surroundings,
      warnings: warnings.toList(),
    };
  });
}

function decodeDictionary(bytes: Uint8Array, warnings: Warnings): BencodeDictionary {
  const [d, next = 0] = bytes;
  if (d !== 0x64 || next < 0x30 || next > 0x39) throw invalid('ERR_NOT_A_TORRENT', whatItIs(bytes));
  const { value, end, unsortedAt } = decode(bytes);
  if (unsortedAt >= 0) warnings.add(`dictionary keys are not in order at byte ${unsortedAt}`, 'unsorted keys');
  if (end < bytes.length)
    warnings.add(`ignored ${bytes.length - end} bytes behind the torrent's end`, 'trailing bytes');
  return value as BencodeDictionary; // it begins with a `d`
}

/** What people have when they have no torrent. */
function whatItIs(bytes: Uint8Array): string {
  if (bytes.length === 0) return 'it is empty';
  const text = Buffer.from(bytes.subarray(0, 200)).toString('latin1');
  const begins = `it begins with ${quote(text, 20)}`;
  if (/^\s*<(?:!doctype|html|head|body|\?xml|!--)/i.test(text)) return `it is a web page (${begins})`;
  if (text.startsWith('\x1f\x8b')) return 'it is compressed with gzip';
  if (text.startsWith('PK\x03\x04')) return 'it is a zip archive';
  if (/^\s*magnet:/i.test(text)) return 'it holds a magnet link';
  return `${begins}, as no torrent does`;
}

function readSurroundings(torrent: BencodeDictionary, encoding: string | undefined, warnings: Warnings): Surroundings {
  const text = (key: string): string | undefined => {
    const bytes = orWarn(() => torrent.getBytes(key), warnings);
    return bytes && (decodeText(bytes, encoding) ?? Buffer.from(bytes).toString('utf8'));
  };
  const comment = text('comment.utf-8') ?? text('comment');
  const createdBy = text('created by');
  const creationDate = orWarn(() => torrent.getInteger('creation date', 0), warnings);
  return {
    trackers: readTrackers(torrent, warnings),
    webSeeds: readWebSeeds(torrent, 'url-list', warnings),
    httpSeeds: readWebSeeds(torrent, 'httpseeds', warnings),
    ...(comment !== undefined && { comment }),
    ...(createdBy !== undefined && { createdBy }),
    ...(creationDate !== undefined && creationDate <= LAST_DATE && { creationDate }),
  };
}
