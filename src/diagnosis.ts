/** Why data does not come: what is known of those who could send it. */
import type { Bitfield } from './common/bitfield.js';
import type { Wanted } from './file/wanted.js';
import { NO_OUTCOMES, type DialOutcomes } from './peer/dial-outcome.js';
import type { PeerConnection } from './peer/connection.js';
import type { DownloadState } from './stats.js';
import type { SourceStatus } from './tracker/source.js';

/** A plain snapshot. */
export interface Diagnosis {
  /** For how long nothing of use came. */
  readonly idleMs: number;
  /** Who was asked for peers, and what they answered. */
  readonly sources: readonly SourceStatus[];
  readonly peers: PeersDiagnosis;
  /** Share of the wanted data (0 … 1) that we or connected peers have; undefined as long as the size is not known. */
  readonly availability: number | undefined;
}

/** Counts of peers. */
export interface PeersDiagnosis {
  readonly known: number;
  readonly banned: number;
  readonly connected: number;
  /** Of those connected: who has nothing that we lack, who has and chokes us, who sends, and who may send and does not. */
  readonly lacking: number;
  readonly choking: number;
  readonly sending: number;
  readonly silent: number;
  /** Known addresses without a connection, by how the last try ended. */
  readonly unreached: DialOutcomes;
}

export const NO_PEERS: PeersDiagnosis = {
  ...{ known: 0, banned: 0, connected: 0, lacking: 0, choking: 0, sending: 0, silent: 0 },
  unreached: NO_OUTCOMES,
};

/** Why data does not come to a download in that state; `now` is of `performance.now()`. */
export function diagnose({ swarm, line, tally }: DownloadState, now: number): Diagnosis {
  const { target, picker } = line ?? {};
  const availability =
    target && picker ? availabilityOf(target.wanted, tally.have, (index) => picker.availability(index) > 0) : undefined;
  return {
    idleMs: tally.idleMs(now),
    sources: swarm?.sources() ?? [],
    peers: swarm?.diagnose(holderTest(tally.settled, target?.keepsPieces ?? false)) ?? NO_PEERS,
    availability,
  };
}

/** Who has what we lack; a stream is helped by those only that have the piece which is due. */
function holderTest(settled: Bitfield, keepsPieces: boolean): (peer: PeerConnection) => boolean {
  if (keepsPieces) return (peer) => peer.amInterested;
  let due = 0;
  while (settled.has(due)) due++;
  return (peer) => peer.have.has(due);
}

/** The share of the wanted bytes in pieces that `have` or for which `exists` says so. */
export function availabilityOf(wanted: Wanted, have: Bitfield, exists: (index: number) => boolean): number {
  const { pieces, totalLength } = wanted;
  let length = 0;
  for (let index = 0; index < pieces.length; index++) {
    if (pieces.has(index) && (have.has(index) || exists(index))) length += wanted.lengthOf(index);
  }
  return totalLength === 0 ? 1 : length / totalLength;
}
