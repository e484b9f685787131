/** What programs that embed us give and get. */
import type { Writable } from 'node:stream';
import type { OnDiskFull } from './file/room.js';
import type { Diagnosis } from './diagnosis.js';
import type { Metainfo } from './metainfo/metainfo.js';
import type { Phase } from './phase.js';
import type { PieceCell } from './piece-map.js';
import type { Session } from './session.js';
import type { SwarmOptions } from './swarm.js';
import type { SourceStatus } from './tracker/source.js';

export interface DownloadOptions extends SwarmOptions {
  /** What several downloads share; it gives the ports and the rate limits, and is not closed. Default: one of its own. */
  readonly session?: Session;
  /** Folder to write below; made when missing. Default: the current one. */
  readonly out?: string;
  /** Files to fetch: globs and lists of indexes, see `Selection`. Default: what a magnet link says (BEP 53), else all. */
  readonly select?: readonly string[];
  /** Files to leave out, in the same way. */
  readonly exclude?: readonly string[];
  /** Only the largest of the files that are left. */
  readonly largest?: boolean;
  /** What the torrent's folder or its only file is called instead; see `Arrangement`. */
  readonly name?: string;
  /** Folders to take off the beginning of each path. */
  readonly stripComponents?: number;
  /** Take off all folders. */
  readonly flatten?: boolean;
  /** Writes the data to a stream instead: no folder is touched, no state kept, and nothing seeded. */
  readonly output?: OutputOptions;
  /** Keeps the files in a hidden folder until all is complete, and then puts them in place with one rename. */
  readonly atomic?: boolean;
  /** When there is no room for the files: give up, or wait until there is. Default: `fail`. */
  readonly onDiskFull?: OnDiskFull;
  /** TCP port for incoming peers. Default: a free one of 6881–6889, else any. */
  readonly port?: number;
  /** Fetch pieces in order. */
  readonly sequential?: boolean;
  /** Bytes per second of pieces to receive, and to send; 0, or at least 1024. Default 0: as fast as it goes. */
  readonly downloadLimit?: number;
  readonly uploadLimit?: number;
  /** Go on uploading after completion, until closed or aborted. */
  readonly seed?: boolean;
  /** Seed until this run has uploaded so many times what there is; more than 0. Whichever limit comes first ends it. */
  readonly seedRatio?: number;
  /** Seed for so long after completion. */
  readonly seedTimeMs?: number;
  /** Hash everything on disk again, whatever the resume state says. */
  readonly recheck?: boolean;
  /** Give up when nothing was received for so long. Default: never. */
  readonly stallTimeoutMs?: number;
  /** Give up when a magnet link's info dictionary is not here after so long. Default: never. */
  readonly metadataTimeoutMs?: number;
  /** Give up when it takes longer than that in all. Default: never. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly onNotice?: (notice: Notice) => void;
  /**
   * The torrent is known: it was read or, for a magnet link, its info dictionary came. `isWanted` tells which files are
   * downloaded, by their places in `Metainfo.files`.
   */
  readonly onMetadata?: (metainfo: Metainfo, isWanted: (file: number) => boolean) => void;
  /**
   * All of a file is verified and on disk, or has left in the output stream. Also told of those that are found complete at
   * the start, and of empty ones but in a stream.
   */
  readonly onFile?: (file: FinishedFile) => void;
  /** A tracker (or DHT, LSD …) answered or failed, in another way than before. */
  readonly onSource?: (status: SourceStatus) => void;
  /** Nothing of use came for 30 s, or as long as `stallTimeoutMs` allows; once until something comes. */
  readonly onStall?: (diagnosis: Diagnosis) => void;
}

/** A file that is complete. */
export interface FinishedFile {
  /** Its place in `Metainfo.files`. */
  readonly index: number;
  /** Where it is below `DownloadOptions.out`, components joined with `/`. */
  readonly path: string;
  readonly length: number;
}

/** Verified data in order into a stream: one file's bytes, or a tar archive. */
export interface OutputOptions {
  /**
   * Takes the bytes; `done` resolves when it has taken all of them. It is not ended. While it does not drain no more is
   * asked for than the window holds; when it is closed, the download fails with an `OutputClosedError`.
   */
  readonly stream: Writable;
  /** An archive in the pax format instead of a single file's bytes. */
  readonly isTar?: boolean;
  /** The one file that leaves, by its place in `Metainfo.files`; it goes before `select`. */
  readonly file?: number;
  /** Bytes of the torrent's data, from the first that has not left, that may be fetched. Default 64 MiB. */
  readonly windowLength?: number;
}

/** Something worth a line to the user while a download runs. Foreign text in it is escaped. */
export interface Notice {
  readonly level: 'warning' | 'info';
  readonly text: string;
}

/** A plain snapshot; lengths in bytes, rates in bytes per second over the last few seconds. */
export interface DownloadStats {
  readonly phase: Phase;
  readonly name: string;
  /** Of the files that are wanted, as are `haveLength` and the pieces. */
  readonly totalLength: number;
  /** Bytes verified and on disk, or handed to the output stream. */
  readonly haveLength: number;
  /** Phase `checking`: 0 … 1. */
  readonly checked: number;
  readonly pieceCount: number;
  readonly havePieces: number;
  /** Pieces whose hash was wrong. */
  readonly corruptPieces: number;
  /** Payload received in this run, wasted blocks included. */
  readonly downloaded: number;
  readonly uploaded: number;
  readonly wasted: number;
  readonly downloadPerSecond: number;
  readonly uploadPerSecond: number;
  readonly etaSeconds: number | undefined;
  /** Copies of the torrent that the connected peers hold together: 2.35 is two, and 35 % of the pieces once more. */
  readonly availability: number | undefined;
  readonly connectedPeers: number;
  readonly connectedSeeds: number;
  readonly knownPeers: number;
  readonly bannedPeers: number;
  readonly port: number;
  readonly sources: readonly SourceStatus[];
}

/**
 * One running download. Closing it says goodbye to peers and trackers (within 3 s) and saves the resume state; it rejects
 * when something cannot be closed, unless the download has failed already.
 */
export interface Download extends AsyncDisposable {
  /** What is downloaded, with its files where they are written; undefined until it was read. */
  readonly metainfo: Metainfo | undefined;
  /** Every wanted byte is verified and on disk, or in the output stream; rejects with the error that ended the download. */
  readonly done: Promise<void>;
  /** It is over and all is closed, after `done` or before; rejects with the error that ended it, also while seeding. */
  readonly ended: Promise<void>;
  /** Of the info dictionary; undefined until the source was read. */
  readonly infoHash: Uint8Array | undefined;
  stats(): DownloadStats;
  /** A map of the pieces in at most `cells` cells; empty until the pieces are known. It looks at every piece. */
  pieces(cells: number): readonly PieceCell[];
  /** Why data does not come; once the download has failed, as it was then. */
  diagnose(): Diagnosis;
}
