import { ProtocolError } from '../../common/errors.js';
import { decodeMetadataMessage, encodeMetadataData, encodeMetadataReject, metadataPieces } from './metadata.js';

/** Pieces with the transport at once; the rest waits until the peer has taken them. */
const MOST_UNSENT = 8;
/** How often a peer may fetch the whole; clients drop what they have when a piece was wrong. */
const MOST_TIMES = 4;
/** Small metadata may be asked for a little more often. */
const FREE_PIECES = 8;
/** What is asked for in vain, before the peer is taken for a flood. */
const MOST_REJECTS = 1000;

/** Serves our info dictionary to one peer (BEP 9): a bounded amount, and no faster than it takes it. */
export class MetadataUpload {
  readonly #metadata: Uint8Array;
  readonly #send: (payload: Uint8Array, onSent?: () => void) => void;
  readonly #queue: number[] = [];
  #unsent = 0;
  /** Pieces that it may still have. */
  #allowance: number;
  #rejects = 0;

  /** `send` sends a `ut_metadata` payload, and tells when it is gone. */
  constructor(metadata: Uint8Array, send: (payload: Uint8Array, onSent?: () => void) => void) {
    this.#metadata = metadata;
    this.#send = send;
    this.#allowance = MOST_TIMES * metadataPieces(metadata.length) + FREE_PIECES;
  }

  /** Takes a payload; what is no request does not matter here. @throws {ProtocolError} when malformed, or one of a flood */
  onMessage(payload: Uint8Array): void {
    const message = decodeMetadataMessage(payload);
    if (message.type !== 'request') return;
    const { piece } = message;
    if (piece >= metadataPieces(this.#metadata.length) || this.#allowance <= 0) {
      if (++this.#rejects > MOST_REJECTS) throw new ProtocolError('ERR_METADATA', 'a flood of metadata requests');
      this.#send(encodeMetadataReject(piece));
      return;
    }
    this.#allowance--;
    this.#queue.push(piece);
    this.#pump();
  }

  #pump(): void {
    while (this.#unsent < MOST_UNSENT) {
      const piece = this.#queue.shift();
      if (piece === undefined) return;
      this.#unsent++;
      this.#send(encodeMetadataData(piece, this.#metadata), () => {
        this.#unsent--;
        this.#pump();
      });
    }
  }
}
