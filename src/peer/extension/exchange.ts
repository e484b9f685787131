import { formatAddress, type PeerAddress } from '../../common/address.js';
import { EXTENSION_ID, type Extension, type ExtensionPeer } from './link.js';
import { PexGossip, PexInbox, type ConnectedPeer } from './pex.js';

/** A connected peer as peer exchange sees it. */
export interface ExchangePeer extends ExtensionPeer {
  readonly isOpen: boolean;
  readonly isSeed: boolean;
  readonly transport: { readonly isIncoming: boolean };
}

/** Peers tell us of peers, and we tell them (BEP 11). Not for private torrents (BEP 27). */
export class PeerExchange implements Extension {
  readonly name = 'ut_pex';
  readonly id = EXTENSION_ID.ut_pex;
  readonly #onPeers: (addresses: readonly PeerAddress[]) => void;
  readonly #now: () => number;
  readonly #inboxes = new WeakMap<ExtensionPeer, PexInbox>();
  readonly #gossips = new WeakMap<ExtensionPeer, PexGossip>();

  /** `onPeers` hears of addresses that a peer told; `now` gives ms on any monotonic clock. */
  constructor(onPeers: (addresses: readonly PeerAddress[]) => void, now: () => number = () => performance.now()) {
    this.#onPeers = onPeers;
    this.#now = now;
  }

  /** @throws {ProtocolError} when the message is malformed, or one of a flood */
  onMessage(peer: ExtensionPeer, payload: Uint8Array): void {
    let inbox = this.#inboxes.get(peer);
    if (!inbox) this.#inboxes.set(peer, (inbox = new PexInbox(peer.address.host)));
    const peers = inbox.receive(payload, this.#now());
    if (peers.length > 0) this.#onPeers(peers.map(({ address }) => address));
  }

  /** Tells each of the peers that understand it which others are connected; costs little while nothing is due. */
  tell(peers: Iterable<ExchangePeer>): void {
    const now = this.#now();
    let current: ReadonlyMap<string, ConnectedPeer> | undefined;
    for (const peer of peers) {
      if (!peer.isOpen || !peer.extensions?.messageIds.has(this.name)) continue;
      let gossip = this.#gossips.get(peer);
      if (!gossip) this.#gossips.set(peer, (gossip = new PexGossip(now)));
      if (!gossip.isDue(now)) continue;
      current ??= connectedPeers(peers);
      const payload = gossip.diff(current, now, peer);
      if (payload) peer.sendExtended(this.name, payload);
    }
  }
}

/** Those that can be dialled: we did, or they told their port. */
function connectedPeers(peers: Iterable<ExchangePeer>): Map<string, ConnectedPeer> {
  const connected = new Map<string, ConnectedPeer>();
  for (const { isOpen, isSeed, address, listensAt, transport } of peers) {
    const dialable = transport.isIncoming ? listensAt : address;
    if (!isOpen || !dialable) continue;
    connected.set(formatAddress(dialable), { address: dialable, isSeed, isReachable: !transport.isIncoming });
  }
  return connected;
}
