import type { PeerAddress } from '../../common/address.js';
import { ProtocolError } from '../../common/errors.js';
import { encodeExtended } from '../wire.js';
import { decodeExtensionHandshake, type ExtensionHandshake } from './handshake.js';

/** Our ids of extended messages. A peer may have others for the same names. */
export const EXTENSION_ID = { ut_pex: 1, ut_metadata: 3 } as const;

/** A later handshake may add to the first, but nobody has so much to add. */
const MOST_HANDSHAKES = 32;

/** A connected peer as an extension sees it. */
export interface ExtensionPeer {
  readonly id: number;
  readonly address: PeerAddress;
  /** Where it can be dialled, if it dialled us and said so. */
  readonly listensAt: PeerAddress | undefined;
  /** What it says of itself (BEP 10); undefined until it did. */
  readonly extensions: ExtensionHandshake | undefined;
  /** Sends an extended message by its name; nothing when the peer does not know it. */
  sendExtended: (name: string, payload: Uint8Array, onSent?: () => void) => void;
}

/** One entry of the table by which extended messages find who understands them. */
export interface Extension {
  /** As in the handshake: `ut_pex`. */
  readonly name: string;
  /** Ours, 1–255. */
  readonly id: number;
  /** Takes a payload, valid during the call only. A {ProtocolError} drops the peer. */
  readonly onMessage: (peer: ExtensionPeer, payload: Uint8Array) => void;
}

/** The extension protocol of one connection (BEP 10): who takes which message, and by which ids the peer knows them. */
export class ExtensionLink {
  /** What the peer says of itself, all its handshakes together. */
  handshake: ExtensionHandshake | undefined;
  readonly #peer: ExtensionPeer;
  readonly #extensions: readonly Extension[];
  #handshakes = 0;
  readonly #write: (bytes: Uint8Array, onSent?: () => void) => void;

  constructor(
    peer: ExtensionPeer,
    extensions: readonly Extension[],
    write: (bytes: Uint8Array, onSent?: () => void) => void,
  ) {
    this.#peer = peer;
    this.#extensions = extensions;
    this.#write = write;
  }

  /** Our ids by name, for our handshake. */
  get messageIds(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#extensions.map(({ name, id }) => [name, id]));
  }

  /** Whether an extended message of the peer is of this name. */
  isFor(name: string, id: number): boolean {
    return this.#extensions.some((extension) => extension.id === id && extension.name === name);
  }

  /**
   * Takes an extended message; returns what is known of it when that was a handshake. What nobody understands is passed over.
   * @throws {ProtocolError}
   */
  receive(id: number, payload: Uint8Array): ExtensionHandshake | undefined {
    if (id !== 0) {
      this.#extensions.find((extension) => extension.id === id)?.onMessage(this.#peer, payload);
      return undefined;
    }
    if (++this.#handshakes > MOST_HANDSHAKES)
      throw new ProtocolError('ERR_EXTENSION', 'a flood of extension handshakes');
    this.handshake = decodeExtensionHandshake(payload, this.handshake);
    return this.handshake;
  }

  send(name: string, payload: Uint8Array, onSent?: () => void): void {
    const id = this.handshake?.messageIds.get(name);
    if (id !== undefined) this.#write(encodeExtended(id, payload), onSent);
  }
}
