import type { BencodeDictionary } from '../common/bencode.js';
import { readFiles, type FileContext } from './files.js';
import { infoHash, infoHashV2 } from './info-hash.js';
import { invalid, invalidKey } from './invalid.js';
import type { Metainfo } from './metainfo.js';

/** What the info dictionary alone decides. */
export type InfoPart = Omit<
  Metainfo,
  'trackers' | 'webSeeds' | 'httpSeeds' | 'comment' | 'createdBy' | 'creationDate' | 'warnings'
>;

/** Pieces in progress are in memory whole; libtorrent takes no larger ones either. */
const MOST_PIECE_LENGTH = 512 * 1024 * 1024;
const HASH_LENGTH = 20;

/**
 * Reads an info dictionary (BEP 3), of a hybrid the v1 part (BEP 52).
 * @throws {MetainfoError} and {BencodeError}
 */
export function readInfo(info: BencodeDictionary, context: FileContext): InfoPart {
  const isV2 = info.get('meta version') === 2;
  const hasTree = info.has('file tree');
  if ((isV2 || hasTree) && !info.has('pieces')) {
    throw invalid('ERR_V2_ONLY', 'it is for BitTorrent v2 alone (BEP 52), which is not supported; ask for a hybrid');
  }
  const pieceHashes = info.getBytes('pieces');
  if (!pieceHashes) throw invalidKey('ERR_PIECES', info, 'pieces', 'is missing');
  if (pieceHashes.length % HASH_LENGTH !== 0) {
    throw invalidKey(
      'ERR_PIECES',
      info,
      'pieces',
      `has ${pieceHashes.length} bytes, not ${HASH_LENGTH} for each piece`,
    );
  }
  const pieceLength = readPieceLength(info);
  const { name, isMultiFile, files, totalLength } = readFiles(info, pieceLength, context);
  const pieceCount = pieceHashes.length / HASH_LENGTH;
  const expected = countPieces(totalLength, pieceLength);
  if (pieceCount !== expected) {
    const what = `has ${pieceCount} hashes, but ${totalLength} bytes in pieces of ${pieceLength} want ${expected}`;
    throw invalidKey('ERR_PIECES', info, 'pieces', what);
  }
  return {
    name,
    isMultiFile,
    infoHash: infoHash(info.raw),
    ...(isV2 && hasTree && { infoHashV2: infoHashV2(info.raw) }),
    infoBytes: info.raw,
    pieceLength,
    pieceCount,
    pieceHashes,
    totalLength,
    files,
    isPrivate: readPrivate(info),
  };
}

function readPieceLength(info: BencodeDictionary): number {
  const length = info.getInteger('piece length');
  if (length === undefined) throw invalidKey('ERR_PIECE_LENGTH', info, 'piece length', 'is missing');
  if (length >= 1 && length <= MOST_PIECE_LENGTH) return length;
  throw invalidKey('ERR_PIECE_LENGTH', info, 'piece length', `is not within 1 and ${MOST_PIECE_LENGTH} (${length})`);
}

/** Exact, where a division of large numbers would round. */
function countPieces(totalLength: number, pieceLength: number): number {
  const rest = totalLength % pieceLength;
  return (totalLength - rest) / pieceLength + (rest > 0 ? 1 : 0);
}

/** BEP 27 writes 1. Whatever else somebody wrote there, other than 0, was meant to keep the torrent to its trackers. */
function readPrivate(info: BencodeDictionary): boolean {
  const value = info.get('private');
  return value !== undefined && value !== 0;
}
