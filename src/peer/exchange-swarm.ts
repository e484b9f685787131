import type { Bitfield } from '../common/bitfield.js';
import type { Bucket } from '../common/bucket.js';
import type { Metainfo } from '../metainfo/metainfo.js';
import type { PeerConnection } from './connection.js';
import type { Extension } from './extension/link.js';
import type { FetchContext } from './fetcher.js';
import type { Handshake } from './handshake.js';
import type { BlockReader } from './upload.js';

/** What a connection needs to know of the download, and whom it tells what happens. */
export interface ExchangeSwarm extends FetchContext {
  readonly metainfo: Metainfo;
  readonly peerId: Uint8Array;
  /** The pieces that we have to give. */
  readonly have: Bitfield;
  /** Pieces that need not be fetched: we have them, or nobody wants them. */
  readonly settled: Bitfield;
  readonly reader: BlockReader;
  /** What we may send to all peers together; missing when there is no limit. */
  readonly uploadLimit?: Bucket | undefined;
  /** Our listening port, for the extension handshake. */
  readonly port: number;
  readonly clientName: string;
  /** The UDP port of our DHT node, if we have one. */
  readonly dhtPort: number | undefined;
  /** What we understand beside metadata. */
  readonly extensions: readonly Extension[];
  /** The peer said who it is; a reason to hang up, or undefined. */
  onHandshake: (connection: PeerConnection, handshake: Handshake) => string | undefined;
  /** Its bitfield is about to change as a whole, and has changed. */
  onHavesGone: (connection: PeerConnection) => void;
  onHaves: (connection: PeerConnection) => void;
  onHave: (connection: PeerConnection, index: number) => void;
  onInterest: (connection: PeerConnection) => void;
  /** A listening port of the peer (BEP 10 `p`). */
  onPort: (connection: PeerConnection, port: number) => void;
  /** The port of the peer's DHT node (BEP 5). */
  onDhtPort: (connection: PeerConnection, port: number) => void;
  onUploaded: (connection: PeerConnection, length: number) => void;
  onReadError: (error: unknown) => void;
  onClose: (connection: PeerConnection, reason: string) => void;
}
