/** A download that exists only in its stats. */
import type { Download, DownloadStats, Metainfo } from '../../src/index.js';

export function fakeStats(changes: Partial<DownloadStats> = {}): DownloadStats {
  return {
    phase: 'downloading',
    name: 'debian.iso',
    totalLength: 2 * 2 ** 30,
    haveLength: 2 ** 30,
    checked: 1,
    pieceCount: 8192,
    havePieces: 4096,
    corruptPieces: 0,
    downloaded: 2 ** 30,
    uploaded: 2 ** 29,
    wasted: 0,
    downloadPerSecond: 10 * 2 ** 20,
    uploadPerSecond: 2 ** 20,
    etaSeconds: 102,
    availability: 3.2,
    connectedPeers: 12,
    connectedSeeds: 3,
    knownPeers: 40,
    bannedPeers: 0,
    port: 6881,
    sources: [],
    ...changes,
  };
}

/** `done`, `ended` and `stats` are what the test says; `closed` tells whether it was disposed of. */
export function fakeDownload(
  stats: () => DownloadStats = fakeStats,
  done = new Promise<void>(() => undefined),
  ended = new Promise<void>(() => undefined),
): Download & { readonly closed: () => boolean } {
  let isClosed = false;
  done.catch(() => undefined);
  ended.catch(() => undefined);
  return {
    metainfo: {} as Metainfo,
    infoHash: undefined,
    diagnose: () => ({
      idleMs: 0,
      sources: [],
      peers: {
        ...{ known: 0, banned: 0, connected: 0, lacking: 0, choking: 0, sending: 0, silent: 0 },
        unreached: { refused: 0, timedOut: 0, unreachable: 0, noSocket: 0, hungUp: 0, useless: 0 },
      },
      availability: undefined,
    }),
    done,
    ended,
    stats,
    pieces: () => [],
    closed: () => isClosed,
    [Symbol.asyncDispose]: () => {
      isClosed = true;
      return Promise.resolve();
    },
  };
}
