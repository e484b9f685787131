import type { PeerAddress } from '../common/address.js';
import type { TransferTotals } from './source.js';

export type AnnounceEvent = 'started' | 'completed' | 'stopped';

/** What a tracker is told (BEP 3). */
export interface AnnounceRequest {
  /** The announce URL, checked. */
  readonly url: URL;
  /** The user himself named this tracker, so it may be any service of the local network. */
  readonly isChosen?: boolean;
  readonly infoHash: Uint8Array;
  readonly peerId: Uint8Array;
  /** Eight hex digits that stay the same when our address changes. */
  readonly key: string;
  readonly port: number;
  readonly totals: TransferTotals;
  /** Missing in the announces that just repeat. */
  readonly event: AnnounceEvent | undefined;
  /** How many addresses are wanted. */
  readonly numWant: number;
  /** What the tracker asked to be told again. */
  readonly trackerId: Uint8Array | undefined;
}

/** What a tracker says, checked and bounded. */
export interface AnnounceReply {
  readonly peers: readonly PeerAddress[];
  /** How long to wait until the next regular announce. */
  readonly intervalMs: number;
  /** How long to wait at least; not longer than `intervalMs`. */
  readonly minIntervalMs: number;
  /** Seeds and leechers that it knows. */
  readonly complete: number | undefined;
  readonly incomplete: number | undefined;
  readonly trackerId: Uint8Array | undefined;
  /** For the user, fit for a terminal. */
  readonly warning: string | undefined;
  /** Our address as the tracker sees it (BEP 24). */
  readonly externalIp: string | undefined;
}

export interface AnnounceLimits {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /**
   * The first answer is enough to go on, others of the same tracker (over the other IP family) may follow until `signal`
   * aborts; without it they are awaited and merged.
   */
  readonly late?: { readonly signal: AbortSignal; readonly onReply: (reply: AnnounceReply) => void };
}

/**
 * Announces once over some protocol, HTTP or UDP.
 * @throws {TrackerError} when there is no answer in time or the tracker refuses; its message is the mere reason
 */
export type Announce = (request: AnnounceRequest, limits: AnnounceLimits) => Promise<AnnounceReply>;
