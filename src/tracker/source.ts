/** Stage 2: `Metainfo` → addresses. What every way of finding peers has in common. */

/** What happened with one tracker (or DHT, LSD …), for `download.stats()`. */
export interface SourceStatus {
  /** What the user sees; passkeys are hidden. */
  readonly name: string;
  readonly state: 'idle' | 'asking' | 'working' | 'failed';
  /** Addresses in the last answer. */
  readonly peers?: number;
  /** `complete` and `incomplete` of the last answer. */
  readonly seeds?: number;
  readonly leechers?: number;
  /** Why the last try failed, or the tracker's warning. */
  readonly message?: string;
  /** When it is asked next, in ms from now. */
  readonly nextInMs?: number;
}

/** Finds peers: trackers now; DHT, LSD and PEX join by the same joint. Closing it says goodbye, within 2 s. */
export interface PeerSource extends AsyncDisposable {
  /** More addresses are wanted; each source keeps to its own minimum interval. */
  requestPeers(): void;
  /** The last piece was verified in this run. */
  completed(): void;
  status(): readonly SourceStatus[];
}

/** True counters for an announce, in bytes of payload (BEP 3). */
export interface TransferTotals {
  readonly uploaded: number;
  readonly downloaded: number;
  readonly left: number;
}
