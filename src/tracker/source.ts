/** Stage 2: `Metainfo` → addresses. What every way of finding peers has in common. */

/** What happened with one tracker (or DHT, LSD …), for `download.stats()`. */
export interface SourceStatus {
  /** What the user sees; passkeys are hidden. */
  readonly name: string;
  /**
   * `idle`: not asked yet, its turn has not come. `asking`: an answer is awaited, `message` still tells how the last try
   * failed. `working`: the last try was answered. `failed`: the last try was not, or it cannot be asked at all.
   */
  readonly state: 'idle' | 'asking' | 'working' | 'failed';
  /** Addresses in the last answer. */
  readonly peers?: number;
  /** `complete` and `incomplete` of the last answer. */
  readonly seeds?: number;
  readonly leechers?: number;
  /** Why the last try failed, or the tracker's warning. */
  readonly message?: string;
  /** When it is asked next, in ms from now; missing when that is not planned. */
  readonly nextInMs?: number;
}

/** Finds peers: trackers now; DHT, LSD and PEX join by the same joint. Closing it says goodbye, within 2 s. */
export interface PeerSource extends AsyncDisposable {
  /**
   * The known addresses ran out and more are wanted; each source keeps to its own minimum interval, so calling it often
   * does no harm.
   */
  requestPeers(): void;
  /** The last piece was verified in this run. */
  completed(): void;
  status(): readonly SourceStatus[];
  /**
   * Why there is nobody to ask: an error for each one, once the last try of all has failed; undefined as long as one of
   * them works or may yet. Asking again does not change it, an answer does. Empty when there was nobody from the start.
   */
  failures(): readonly Error[] | undefined;
}

/** True counters for an announce, in bytes of payload (BEP 3). */
export interface TransferTotals {
  readonly uploaded: number;
  readonly downloaded: number;
  /** What is missing of the whole torrent, also of files that nobody wants: 0 is said by seeds only. */
  readonly left: number;
}
