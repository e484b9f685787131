import { NoSourceError, TimeLimitError } from './common/errors.js';
import type { DownloadStats } from './api.js';
import { counted } from './news.js';

/** Whom a download has asked, and how many are there. */
export type Asked = Pick<DownloadStats, 'connectedPeers' | 'sources' | 'knownPeers' | 'bannedPeers'>;

/** What is known when nothing came for too long. */
export interface Stall {
  readonly stats: Asked;
  /** Connected peers that have what we lack: pieces or, for a magnet link, the info dictionary. */
  readonly holders: number;
  /** Why sources found nobody. */
  readonly failures: readonly Error[];
  /** What the user can do; empty when there is nothing to resume. */
  readonly advice: string;
}

/** Why nothing came for so long: somebody has what we lack and does not send it, or nobody has it. */
export function stallError(stallTimeoutMs: number, { stats, holders, failures, advice }: Stall): Error {
  const time = formatSeconds(stallTimeoutMs);
  if (holders > 0) {
    const text = `nothing received for ${time}: ${counted(holders, 'peer')} could send the missing data and did not`;
    return new TimeLimitError('ERR_STALLED', `${text}${advice}`);
  }
  const who = stats.connectedPeers > 0 ? lacking(stats.connectedPeers, 'the missing data') : whoIsAsked(stats);
  return new NoSourceError('ERR_NO_SOURCE', `nobody to download from for ${time}: ${who}`, failures);
}

/** Why a magnet link's info dictionary is not here after so long. */
export function noMetadataError(timeoutMs: number, { stats, holders, failures }: Omit<Stall, 'advice'>): NoSourceError {
  const who =
    holders > 0
      ? `${counted(holders, 'peer')} could send it and did not`
      : stats.connectedPeers > 0
        ? lacking(stats.connectedPeers, 'it')
        : whoIsAsked(stats);
  const text = `no metadata for the magnet link within ${formatSeconds(timeoutMs)}: ${who}`;
  return new NoSourceError('ERR_NO_METADATA', text, failures);
}

/** Peers are there, and of no help. */
export function lacking(peers: number, what: string): string {
  return peers === 1 ? `the only connected peer lacks ${what}` : `none of ${peers} connected peers has ${what}`;
}

/** Why no peer is there. */
export function whoIsAsked({ sources, knownPeers, bannedPeers }: Asked): string {
  if (bannedPeers > 0) return `${counted(bannedPeers, 'peer')} sent wrong data, and no other is there`;
  if (knownPeers === 1) return 'the only known peer could not be reached';
  if (knownPeers > 1) return `none of ${knownPeers} known peers could be reached`;
  if (sources.length === 0) return 'there is nobody to ask for peers';
  const isAnswered = sources.some((source) => source.state === 'working');
  return isAnswered ? 'no peer is known to those who were asked' : 'nobody who was asked for peers answered';
}

/** `2.5 s`. */
export function formatSeconds(ms: number): string {
  return `${Math.round(ms / 100) / 10} s`;
}
