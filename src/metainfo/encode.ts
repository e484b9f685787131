/** The way back: what a torrent is to say → bytes (BEP 3, 12, 19, 27). */
import bencode from 'bencode';

/** What goes into a `.torrent`. What is undefined or empty is left out. */
export interface MetainfoParts {
  /** Name of the single file or of the root folder. */
  readonly name: string;
  /** Length of a single file, or the files of a folder in the order of their data. */
  readonly content: number | readonly EncodedFile[];
  readonly pieceLength: number;
  /** 20 bytes for each piece, one after the other. */
  readonly pieceHashes: Uint8Array;
  /** Announce URLs by tier. */
  readonly trackers?: readonly (readonly string[])[] | undefined;
  readonly webSeeds?: readonly string[] | undefined;
  readonly isPrivate?: boolean | undefined;
  /** A word in the info dictionary, so that the same data on another tracker has another info hash. */
  readonly sourceTag?: string | undefined;
  readonly comment?: string | undefined;
  readonly createdBy?: string | undefined;
  /** Seconds since 1970. */
  readonly creationDate?: number | undefined;
}

export interface EncodedFile {
  /** Below the root folder, `/` between components. */
  readonly name: string;
  readonly length: number;
}

/** The bytes of a v1 `.torrent`: the same for the same parts. One tracker makes no `announce-list`, as everywhere. */
export function encodeMetainfo(parts: MetainfoParts): Uint8Array {
  const { content, trackers = [], webSeeds = [] } = parts;
  const tiers = trackers.filter((tier) => tier.length > 0);
  const isLone = tiers.flat().length === 1;
  // Keys whose value is undefined are not encoded.
  return bencode.encode({
    announce: tiers[0]?.[0],
    'announce-list': tiers.length === 0 || isLone ? undefined : tiers,
    comment: parts.comment,
    'created by': parts.createdBy,
    'creation date': parts.creationDate,
    'url-list': webSeeds.length > 1 ? webSeeds : webSeeds[0],
    info: {
      ...(typeof content === 'number' ? { length: content } : { files: content.map(encodedFile) }),
      name: parts.name,
      'piece length': parts.pieceLength,
      pieces: parts.pieceHashes,
      private: parts.isPrivate ? 1 : undefined,
      source: parts.sourceTag,
    },
  });
}

function encodedFile({ name, length }: EncodedFile): { readonly length: number; readonly path: readonly string[] } {
  return { length, path: name.split('/') };
}
