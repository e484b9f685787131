/** The fields of events (`events.ts`): counts and lengths as they are, rates and times rounded. Pure. */
import type { Diagnosis, DownloadStats, SourceStatus } from '../index.js';

export type Result = 'complete' | 'stopped' | 'skipped' | 'failed';

/** How a torrent of a run ended. */
export interface Ending {
  readonly result: Result;
  /** Undefined when it did not even begin. */
  readonly stats: DownloadStats | undefined;
  readonly seconds: number;
}

export function factsOfSource({ name, state, peers, seeds, leechers, message, nextInMs }: SourceStatus): object {
  const nextInSeconds = nextInMs === undefined ? undefined : round(nextInMs / 1000, 1);
  return { name, state, peers, seeds, leechers, message, nextInSeconds };
}

export function factsOfProgress(stats: DownloadStats): object {
  const { phase, totalLength, haveLength, pieceCount, havePieces, checked } = stats;
  const { downloaded, uploaded, wasted, connectedPeers, connectedSeeds, knownPeers } = stats;
  return {
    ...{ phase, totalLength, haveLength, pieceCount, havePieces, checked: round(checked, 4) },
    ...{ downloaded, uploaded, wasted },
    downloadPerSecond: Math.round(stats.downloadPerSecond),
    uploadPerSecond: Math.round(stats.uploadPerSecond),
    etaSeconds: stats.etaSeconds === undefined ? undefined : Math.ceil(stats.etaSeconds),
    ...{ connectedPeers, connectedSeeds, knownPeers },
  };
}

export function factsOfDiagnosis({ idleMs, sources, peers, availability }: Diagnosis): object {
  return {
    idleSeconds: round(idleMs / 1000, 1),
    trackers: sources.map(factsOfSource),
    peers,
    availability: availability === undefined ? undefined : round(availability, 4),
  };
}

/** What came of one torrent. */
export function factsOfEnding({ result, stats, seconds }: Ending): object {
  if (!stats) return { result, ...totalsOf([], seconds) };
  const { name, totalLength, haveLength } = stats;
  return { result, name, totalLength, haveLength, ...totalsOf([stats], seconds) };
}

/** What came of all torrents of a run. */
export function factsOfEndings(endings: readonly Ending[], notBegun: number, seconds: number): object {
  const count = (result: Result): number => endings.filter((ending) => ending.result === result).length;
  const torrents = {
    ...{ complete: count('complete'), stopped: count('stopped') + notBegun },
    ...{ skipped: count('skipped'), failed: count('failed') },
  };
  return {
    torrents,
    ...totalsOf(
      endings.flatMap(({ stats }) => stats ?? []),
      seconds,
    ),
  };
}

function totalsOf(all: readonly DownloadStats[], seconds: number): object {
  const sum = (of: (stats: DownloadStats) => number): number => all.reduce((total, stats) => total + of(stats), 0);
  const [downloaded, uploaded] = [sum((stats) => stats.downloaded), sum((stats) => stats.uploaded)];
  const totalLength = sum((stats) => stats.totalLength);
  const perSecond = (length: number): number => Math.round(length / Math.max(seconds, 0.001));
  return {
    ...{ downloaded, uploaded, wasted: sum((stats) => stats.wasted), seconds: round(seconds, 3) },
    ...{ downloadPerSecond: perSecond(downloaded), uploadPerSecond: perSecond(uploaded) },
    ratio: totalLength === 0 ? 0 : round(uploaded / totalLength, 4),
    failedPieces: sum((stats) => stats.corruptPieces),
  };
}

/** Rounded to so many decimal places; down, so that 1 means all. */
function round(value: number, places: number): number {
  const unit = 10 ** places;
  return Math.floor(value * unit) / unit;
}
