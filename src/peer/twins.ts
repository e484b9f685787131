/** Which connections lead to the same peer. */
import type { PeerAddress } from '../common/address.js';

/** Two connections to one peer younger than that crossed each other: both sides keep the same one. */
const CROSSED_MS = 10_000;

/** What tells one connection from another. */
export interface Known {
  readonly isOpen: boolean;
  /** The peer's 20 bytes as latin1 text. */
  readonly peerIdKey: string;
  readonly connectedAtMs: number;
  readonly address: PeerAddress;
  /** Where it can be dialled, if it dialled us and said so. */
  readonly listensAt: PeerAddress | undefined;
  readonly transport: { readonly isIncoming: boolean };
}

/** Another open connection to the same peer, by its id and host; two addresses that we dialled are two peers. */
export function twinOf<T extends Known>(connection: T, peerIdKey: string, all: Iterable<T>): T | undefined {
  for (const other of all) {
    if (other === connection || !other.isOpen || other.peerIdKey !== peerIdKey) continue;
    const bothDialled = !other.transport.isIncoming && !connection.transport.isIncoming;
    if (other.address.host === connection.address.host && !bothDialled) return other;
  }
  return undefined;
}

/** Whether `connection` stays and its older `twin` goes, which the other side decides alike: the higher id has dialled. */
export function replaces(
  connection: Known,
  twin: Known,
  ids: { readonly ours: Uint8Array; readonly theirs: Uint8Array },
  nowMs: number,
): boolean {
  const theyInitiate = Buffer.compare(ids.theirs, ids.ours) > 0;
  return nowMs - twin.connectedAtMs < CROSSED_MS && connection.transport.isIncoming === theyInitiate;
}

/** Where a peer can be dialled, if we know. */
export function dialAddressOf({ listensAt, transport, address }: Known): PeerAddress | undefined {
  return listensAt ?? (transport.isIncoming ? undefined : address);
}

/** A peer may have dialled us while we dialled it: its address stays in use until both are gone. */
export function isConnectedTo({ host, port }: PeerAddress, all: Iterable<Known>): boolean {
  for (const connection of all) {
    const address = dialAddressOf(connection);
    if (address?.host === host && address.port === port) return true;
  }
  return false;
}
