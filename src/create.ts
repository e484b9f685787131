/** Files on disk → `.torrent`: the line of the stages backwards. */
import path from 'node:path';
import { DiskError, UsageError } from './common/errors.js';
import { quote } from './common/text.js';
import { hideSecrets } from './common/url.js';
import { diskError, quoted } from './file/disk-error.js';
import { hashPieces } from './file/hash-pieces.js';
import { findChanged, listFiles, type FileList } from './file/list-files.js';
import { decodeMetainfo, LAST_DATE } from './metainfo/decode.js';
import { encodeMetainfo, type MetainfoParts } from './metainfo/encode.js';
import type { Metainfo } from './metainfo/metainfo.js';
import { checkPieceLength, choosePieceLength } from './metainfo/piece-length.js';
import { Warnings } from './metainfo/warnings.js';

/** What a new torrent says beside its files. Nothing is added to it: the same input makes the same bytes. */
export interface CreateOptions {
  /** Name of the file or root folder for those who download; by default the one it has. */
  readonly name?: string | undefined;
  /** Bytes, a power of two from 16 KiB on; by default what makes 1,000 to 2,000 pieces. */
  readonly pieceLength?: number | undefined;
  /** Announce URLs by tier (BEP 12). */
  readonly trackers?: readonly (readonly string[])[] | undefined;
  /** BEP 19. */
  readonly webSeeds?: readonly string[] | undefined;
  /** BEP 27: peers come from the trackers only. */
  readonly isPrivate?: boolean | undefined;
  /** A word in the info dictionary, so that the same data on another tracker has another info hash. */
  readonly sourceTag?: string | undefined;
  readonly comment?: string | undefined;
  readonly createdBy?: string | undefined;
  /** Seconds since 1970. */
  readonly creationDate?: number | undefined;
  /** Whether symbolic links below `source` are followed; by default they are left out, with a warning. */
  readonly followsLinks?: boolean | undefined;
  /** Path of the `.torrent` to be: a file that is there now is about to be replaced, and left out with a warning. */
  readonly torrentFile?: string | undefined;
}

/** How a long work is watched and stopped. */
export interface Watch {
  readonly signal?: AbortSignal | undefined;
  /** Bytes, of those that are to be hashed. */
  readonly onProgress?: ((hashedBytes: number, totalBytes: number) => void) | undefined;
}

export interface CreatedTorrent {
  /** What goes into the `.torrent`. */
  readonly bytes: Uint8Array;
  /** 20 bytes. */
  readonly infoHash: Uint8Array;
  /** The same as others will read it. */
  readonly metainfo: Metainfo;
  /** What was left out, and what is odd, a sentence each. */
  readonly warnings: readonly string[];
}

/**
 * Makes a v1 torrent (BEP 3) of a file, or of all files below a folder, hidden ones too, in the order of their names'
 * bytes. It hashes on all cores and writes nothing.
 * @throws {DiskError} when something cannot be read, or changed meanwhile
 * @throws {UsageError} when there are no bytes to share, the torrent would replace what it shares, or it would not be read as
 *   it is meant: a name that is not safe on every disk, a URL that is none, an impossible piece length
 * @throws the signal's reason
 */
export async function createTorrent(
  source: string,
  options: CreateOptions = {},
  watch: Watch = {},
): Promise<CreatedTorrent> {
  const { followsLinks = false, torrentFile } = options;
  const list = await listFiles(source, { followsLinks, torrentFile, signal: watch.signal });
  const parts = plan(source, list, options);
  decodeAsMeant(parts, list); // with no hashes yet: what is wrong is said before the long work
  const pieceHashes = await hashFiles(list, parts, watch);
  const changed = await findChanged(list.files);
  if (changed) throw fileChanged(changed.place);
  const { bytes, metainfo } = decodeAsMeant({ ...parts, pieceHashes }, list);
  return { bytes, infoHash: metainfo.infoHash, metainfo, warnings: warningsOf(list, metainfo) };
}

/** All of the torrent but its hashes, which are zeros. */
function plan(source: string, { isFolder, files }: FileList, options: CreateOptions): MetainfoParts {
  const { name = path.basename(path.resolve(source)), creationDate } = options;
  const totalLength = files.reduce((sum, { length }) => sum + length, 0);
  if (totalLength === 0) {
    throw new UsageError('ERR_NOTHING_TO_SHARE', `nothing to share: there are no bytes in ${quote(source)}`);
  }
  const pieceLength = options.pieceLength ?? choosePieceLength(totalLength);
  checkPieceLength(pieceLength, totalLength);
  if (
    creationDate !== undefined &&
    !(Number.isInteger(creationDate) && creationDate >= 0 && creationDate <= LAST_DATE)
  ) {
    throw new UsageError('ERR_CREATION_DATE', `a creation date of ${creationDate} is no number of seconds since 1970`);
  }
  const pieceHashes = new Uint8Array(Math.ceil(totalLength / pieceLength) * 20);
  return { ...options, name, content: isFolder ? files : totalLength, pieceLength, pieceHashes };
}

async function hashFiles(
  { files }: FileList,
  { pieceLength, pieceHashes }: MetainfoParts,
  watch: Watch,
): Promise<Uint8Array> {
  let offset = 0;
  const placed = files.map(({ place, length }) => {
    const file = { place, length, offset };
    offset += length;
    return file;
  });
  const pieces = { pieceLength, pieceCount: pieceHashes.length / 20, totalLength: offset };
  return await hashPieces(
    { pieces, files: placed, followsLinks: true }, // those that should not be are not in the list
    {
      ...watch,
      onFailure: ({ file, error }) => {
        const { place } = placed[file]!;
        throw error.code === 'ESHORT' ? fileChanged(place) : diskError('read', place, error);
      },
    },
  );
}

function fileChanged(place: string): DiskError {
  return new DiskError('ERR_FILE_CHANGED', `cannot share ${quoted(place)}: it changed while it was read`);
}

/** The torrent's bytes, read back by our own decoder. @throws {UsageError} when others would read anything else in it */
function decodeAsMeant(parts: MetainfoParts, list: FileList): { bytes: Uint8Array; metainfo: Metainfo } {
  const bytes = encodeMetainfo(parts);
  const metainfo = decodeMetainfo(bytes);
  for (const [index, { name, place }] of list.files.entries()) {
    const { path: read, isPadding } = metainfo.files[index]!;
    const meant = list.isFolder ? `${parts.name}/${name}` : parts.name;
    if (read === meant && !isPadding) continue;
    const why = isPadding ? 'its name marks padding (BEP 47)' : `others would write it as ${quote(read)}`;
    throw new UsageError('ERR_FILE_NAME', `cannot share ${quote(place)} as ${quote(meant)}: ${why}; rename it`);
  }
  refuseLostUrls('tracker', parts.trackers?.flat() ?? [], metainfo.trackers.flat());
  refuseLostUrls('web seed', parts.webSeeds ?? [], metainfo.webSeeds);
  return { bytes, metainfo };
}

function refuseLostUrls(what: string, given: readonly string[], read: readonly string[]): void {
  const known = new Set(read);
  const lost = given.find((url) => !known.has(url));
  if (lost === undefined) return;
  const shown = URL.canParse(lost) ? hideSecrets(lost) : quote(lost);
  throw new UsageError('ERR_URL', `${shown} is no URL that a ${what} can have`);
}

function warningsOf({ skipped }: FileList, metainfo: Metainfo): string[] {
  const warnings = new Warnings();
  for (const { text, kind } of skipped) warnings.add(text, kind);
  return [...warnings.toList(), ...metainfo.warnings];
}
