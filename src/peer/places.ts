import type { Transport } from './transport.js';
import { isLoopback } from '../common/url.js';

/** Peers behind one address, as in a household. */
const MOST_OF_HOST = 4;
/** Places that are kept for peers that we dial. */
const SHARE_TO_DIAL = 0.3;

/**
 * Whether a peer of `host` that dialled us may have one of `maxPeers` places. Nobody may take them all so: not one host, nor
 * all hosts while there are peers that we could dial (`mayDial`).
 */
export function hasPlaceFor(
  host: string,
  connections: ReadonlySet<{ readonly transport: Pick<Transport, 'address' | 'isIncoming'> }>,
  { maxPeers, mayDial }: { readonly maxPeers: number; readonly mayDial: boolean },
): boolean {
  let [incoming, ofHost] = [0, 0];
  for (const { transport } of connections) {
    if (!transport.isIncoming) continue;
    incoming++;
    if (transport.address.host === host) ofHost++;
  }
  if (ofHost >= MOST_OF_HOST && !isLoopback(host)) return false;
  const kept = mayDial ? Math.floor(maxPeers * SHARE_TO_DIAL) : 0;
  return connections.size < maxPeers && incoming < maxPeers - kept;
}
