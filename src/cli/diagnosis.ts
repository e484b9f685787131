/** Why data does not come, in a few lines for people. */
import { escapeControl, NoSourceError, TimeLimitError, type Diagnosis, type SourceStatus } from '../index.js';

import type { Job } from './reporter.js';

const MOST_SOURCES = 3;

/** Why the data of `job` did not come, if `error` is that it did not. */
export function diagnosisOf(error: unknown, job: Job | undefined): Diagnosis | undefined {
  const isOfPeers = error instanceof NoSourceError || error instanceof TimeLimitError;
  return isOfPeers && job?.download?.infoHash ? job.download.diagnose() : undefined;
}

/** One to three lines: who was asked for peers, what became of those, how much of the data there is. */
export function linesOfDiagnosis(diagnosis: Diagnosis): string[] {
  const { sources, peers, availability } = diagnosis;
  return [
    ...(sources.length > 0 ? [`trackers: ${listed(sources.map(answerOf), MOST_SOURCES)}`] : []),
    `peers: ${listed(peerCounts(diagnosis), Infinity)}`,
    ...(availability === undefined || peers.connected === 0 ? [] : [`data: ${shareOf(availability)}`]),
  ].map(escapeControl);
}

function answerOf({ name, state, peers, message }: SourceStatus): string {
  if (state === 'failed') return `${name}: ${message ?? 'failed'}`;
  if (state === 'working') return `${name}: ${peers === undefined ? 'answered' : counted(peers, 'peer')}`;
  return `${name}: ${message ?? (state === 'asking' ? 'no answer yet' : 'not asked yet')}`;
}

function peerCounts({ peers, availability }: Diagnosis): string[] {
  const { known, banned, connected, lacking, choking, sending, silent, unreached } = peers;
  const counts = [
    [connected, 'connected'],
    [lacking, availability === undefined ? 'without the metadata' : 'without the missing pieces'],
    [choking, 'choked us'],
    [sending, 'sending'],
    [silent, 'sent nothing'],
    [unreached.refused, 'refused'],
    [unreached.timedOut, 'timed out'],
    [unreached.unreachable, 'unreachable'],
    [unreached.noSocket, 'without a file descriptor left for it'],
    [unreached.hungUp, 'hung up in the handshake'],
    [unreached.useless, 'of no use'],
    [banned, 'banned for wrong data'],
  ] as const;
  return [
    known === 0 ? 'none known' : `${known} known`,
    ...counts.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`),
  ];
}

/** `98.7 % of it exists in the swarm`; never 100 % when something is missing. */
function shareOf(availability: number): string {
  if (availability === 0) return 'none of it exists in the swarm';
  if (availability >= 1) return 'all of it exists in the swarm';
  return `${(Math.floor(availability * 1000) / 10).toFixed(1)} % of it exists in the swarm`;
}

function listed(items: readonly string[], most: number): string {
  const more = items.length > most ? ` (and ${items.length - most} more)` : '';
  return items.slice(0, most).join(', ') + more;
}

function counted(count: number, noun: string): string {
  return count === 1 ? `1 ${noun}` : `${count} ${noun}s`;
}
