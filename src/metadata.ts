/** A magnet link → its `.torrent`, without downloading what that describes (BEP 9). */
import bencode from 'bencode';
import { randomBytes } from 'node:crypto';
import type { Notice } from './api.js';
import { Closers } from './common/closers.js';
import { UsageError } from './common/errors.js';
import type { Magnet } from './metainfo/magnet.js';
import type { Metainfo } from './metainfo/metainfo.js';
import { isMagnetLink, readSource } from './metainfo/source.js';
import { createPeerId } from './peer/handshake.js';
import { metainfoOf } from './resolve.js';
import { Session } from './session.js';
import { Swarm, type SwarmOptions } from './swarm.js';

/** What trackers are told to be left while the size is not known: as others do, one block. */
const TOTALS = { uploaded: 0, downloaded: 0, left: 16_384 };

export interface ResolveOptions extends SwarmOptions {
  /** TCP port for incoming peers. Default: a free one of 6881–6889, else any. */
  readonly port?: number | undefined;
  /** Give up after so long. Default: never. */
  readonly metadataTimeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onNotice?: ((notice: Notice) => void) | undefined;
}

export interface ResolvedMagnet {
  /** The bytes of a `.torrent`: the info dictionary as it came, with the link's trackers (BEP 12) and web seeds. */
  readonly torrent: Uint8Array;
  readonly metainfo: Metainfo;
}

/**
 * Asks peers for what a magnet link or a bare info hash stands for; closes all that it opened before it is done.
 * @throws {UsageError} when `source` is a torrent already, or a port cannot be had
 * @throws {MetainfoError} when the link or what it stands for is not valid
 * @throws {NoSourceError} when the time is over @throws the signal's reason
 */
export async function resolveMagnet(source: string | Magnet, options: ResolveOptions = {}): Promise<ResolvedMagnet> {
  const magnet = typeof source === 'string' ? await readSource(source, options.signal) : source;
  if (!isMagnetLink(magnet)) {
    throw new UsageError('ERR_NOT_A_MAGNET_LINK', 'that is a torrent already, and no magnet link or info hash');
  }
  for (const text of magnet.warnings) options.onNotice?.({ level: 'warning', text });
  const metainfo = metainfoOf(await fetchInfo(magnet, options), magnet);
  for (const text of metainfo.warnings) options.onNotice?.({ level: 'warning', text });
  return { torrent: torrentOf(metainfo), metainfo };
}

/** The verified bytes of the info dictionary. */
async function fetchInfo(magnet: Magnet, options: ResolveOptions): Promise<Uint8Array> {
  const { signal, metadataTimeoutMs, peers = [] } = options;
  signal?.throwIfAborted();
  const stop = new AbortController();
  const onAbort = (): void => stop.abort(signal?.reason);
  await using closers = new Closers();
  const session = closers.use(await Session.open(options));
  const swarm = closers.use(
    new Swarm({
      ...{ session, options, peerId: createPeerId(randomBytes), signal: stop.signal, totals: () => TOTALS },
      onNotice: (level, text) => options.onNotice?.({ level, text }),
    }),
  );
  closers.defer(() => stop.abort()); // look-ups may be under way
  signal?.addEventListener('abort', onAbort, { once: true });
  closers.defer(() => signal?.removeEventListener('abort', onAbort));
  if (signal?.aborted) onAbort();
  const giveUp = (): void => stop.abort(swarm.noMetadata(metadataTimeoutMs!));
  const timer = metadataTimeoutMs === undefined ? undefined : setTimeout(giveUp, metadataTimeoutMs);
  closers.defer(() => clearTimeout(timer));
  void swarm.addNamed([...peers, ...magnet.peers]);
  return await swarm.fetchInfo(magnet);
}

/** The info dictionary goes in byte for byte: encoded anew, it could have another info hash. */
function torrentOf({ infoBytes, trackers, webSeeds }: Metainfo): Uint8Array {
  const tiers = trackers.filter((tier) => tier.length > 0);
  const entries: [key: string, value: Uint8Array | undefined][] = [
    ['announce', tiers[0] && bencode.encode(tiers[0][0])],
    ['announce-list', tiers.flat().length > 1 ? bencode.encode(tiers) : undefined],
    ['info', infoBytes],
    ['url-list', webSeeds.length > 0 ? bencode.encode(webSeeds) : undefined],
  ];
  const parts = entries.flatMap(([key, value]) => (value ? [bencode.encode(key), value] : []));
  return Buffer.concat([Buffer.from('d'), ...parts, Buffer.from('e')]);
}
