import { NoSourceError, TimeLimitError } from './common/errors.js';
import type { DownloadStats } from './api.js';

/** What is known when nothing came for too long. */
export interface Stall {
  readonly stats: DownloadStats;
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
    const text = `nothing received for ${time}: ${holders} peer(s) have the missing data and do not send it`;
    return new TimeLimitError('ERR_STALLED', `${text}${advice}`);
  }
  const who =
    stats.connectedPeers > 0
      ? `none of ${stats.connectedPeers} connected peers has the missing data`
      : whoIsAsked(stats);
  return new NoSourceError('ERR_NO_SOURCE', `nobody to download from for ${time}: ${who}`, failures);
}

/** Why a magnet link's info dictionary is not here after so long. */
export function noMetadataError(timeoutMs: number, { stats, holders, failures }: Stall): NoSourceError {
  const who =
    holders > 0
      ? `${holders} peer(s) have it and did not send it`
      : stats.connectedPeers > 0
        ? `none of ${stats.connectedPeers} connected peers has it`
        : whoIsAsked(stats);
  const text = `no metadata for the magnet link within ${formatSeconds(timeoutMs)}: ${who}`;
  return new NoSourceError('ERR_NO_METADATA', text, failures);
}

function whoIsAsked({ sources }: DownloadStats): string {
  const isAnswered = sources.some((source) => source.state === 'working');
  if (sources.length === 0) return 'there is nobody to ask for peers';
  return isAnswered ? 'no peer could be reached' : 'nobody who was asked for peers answered, and no peer is connected';
}

/** `2.5 s`. */
export function formatSeconds(ms: number): string {
  return `${Math.round(ms / 100) / 10} s`;
}
