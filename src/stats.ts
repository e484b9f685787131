/** What a download shows of itself, out of its state. */
import type { DownloadStats } from './api.js';
import type { Line } from './line.js';
import type { Metainfo } from './metainfo/metainfo.js';
import type { Phase } from './phase.js';
import type { Swarm } from './swarm.js';
import type { Tally } from './tally.js';

/** The state of a download, as far as it is shown. */
export interface DownloadState {
  readonly phase: Phase;
  /** What to call it until the torrent is known. */
  readonly name: string;
  /** Phase `checking`: 0 … 1. */
  readonly checked: number;
  readonly port: number;
  readonly tally: Tally;
  readonly metainfo: Metainfo | undefined;
  readonly swarm: Swarm | undefined;
  /** There once the info dictionary is. */
  readonly line: Line | undefined;
}

/** A snapshot; `now` is of `performance.now()`. */
export function statsOf(state: DownloadState, now: number): DownloadStats {
  const { phase, name, checked, port, tally, metainfo, swarm, line } = state;
  const { have, haveLength, corruptPieces, downloaded, uploaded, wasted } = tally;
  const totalLength = tally.wantedLength ?? metainfo?.totalLength ?? 0;
  const downloadPerSecond = tally.downloadRate.perSecond(now);
  const left = totalLength - haveLength;
  return {
    phase,
    name: metainfo?.name ?? name,
    totalLength,
    haveLength,
    checked,
    pieceCount: tally.wantedPieces,
    havePieces: have.count,
    corruptPieces,
    downloaded,
    uploaded,
    wasted,
    downloadPerSecond,
    uploadPerSecond: tally.uploadRate.perSecond(now),
    etaSeconds: left > 0 && downloadPerSecond > 0 ? left / downloadPerSecond : undefined,
    availability: phase === 'downloading' ? line?.picker.distributedCopies() : undefined,
    connectedPeers: swarm?.connectedPeers ?? 0,
    connectedSeeds: swarm?.peers?.seedCount ?? 0,
    knownPeers: swarm?.knownPeers ?? 0,
    bannedPeers: swarm?.bannedPeers ?? 0,
    port,
    sources: swarm?.sources() ?? [],
  };
}
