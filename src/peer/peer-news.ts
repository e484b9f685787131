import type { PeerAddress } from '../common/address.js';

/** What happened with a peer: a handshake was completed, its connection ended, or it is out for good. */
export interface PeerNews {
  readonly event: 'connect' | 'disconnect' | 'ban';
  readonly address: PeerAddress;
  /** Whether it dialled us. */
  readonly isIncoming?: boolean;
  /** Its program, as its peer id says. */
  readonly client?: string;
  /** Why, for `disconnect` and `ban`; may hold foreign text. */
  readonly reason?: string;
}
