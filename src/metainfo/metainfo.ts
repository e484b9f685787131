/** Stage 1: bytes → `Metainfo`. The type that the whole line works on. */

/** One file of a torrent, in the order of the data. */
export interface MetainfoFile {
  /** Where it is written: below the output folder, `/` between components, safe on disk (see `paths.ts`). */
  readonly path: string;
  readonly length: number;
  /** First byte's place in the torrent's data. */
  readonly offset: number;
  /** A pad file (BEP 47): counted in pieces, never written, all zeros. */
  readonly isPadding: boolean;
  readonly isExecutable: boolean;
  /** Root of the file's SHA-256 Merkle tree (BEP 52), 32 bytes. */
  readonly piecesRoot?: Uint8Array;
}

/** What a `.torrent` says, checked; everything behind the decoder trusts it. */
export interface Metainfo {
  /** Name of the single file or of the root folder, safe on disk; after `arrange` only what the torrent is called. */
  readonly name: string;
  /** Whether `files` lie in a folder `name` (every `path` then begins with it). */
  readonly isMultiFile: boolean;
  /** SHA-1 of the info dictionary's bytes as found, 20 bytes (BEP 3). */
  readonly infoHash: Uint8Array;
  /** SHA-256 of the same bytes, 32 bytes; only for hybrid torrents (BEP 52). */
  readonly infoHashV2?: Uint8Array;
  /** The info dictionary's bytes as found in the file. */
  readonly infoBytes: Uint8Array;
  readonly pieceLength: number;
  readonly pieceCount: number;
  /** 20 bytes for each piece, one after the other. */
  readonly pieceHashes: Uint8Array;
  /** Bytes of all files, pad files included; at most 2^53-1. */
  readonly totalLength: number;
  readonly files: readonly MetainfoFile[];
  /** BEP 27: peers come from the trackers only. */
  readonly isPrivate: boolean;
  /** Announce URLs by tier (BEP 12); a lone `announce` is one tier of one. */
  readonly trackers: readonly (readonly string[])[];
  /** `url-list` (BEP 19). */
  readonly webSeeds: readonly string[];
  /** `httpseeds` (BEP 17). */
  readonly httpSeeds: readonly string[];
  readonly comment?: string;
  readonly createdBy?: string;
  /** Seconds since 1970. */
  readonly creationDate?: number;
  /** What was odd but tolerated, a sentence each: renamed paths, unsorted keys, trailing bytes. */
  readonly warnings: readonly string[];
}
