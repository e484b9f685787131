/** The command line's options under the library's names. */
import { openStandardOutput, type DownloadOptions, type OutputOptions } from '../index.js';

import type { Options } from './options.js';

/** What was not given is left to the library. @throws {UsageError} when the data would go to a terminal */
export function engineOptions(options: Options): DownloadOptions {
  const { timeout, stallTimeout, metadataTimeout, tracker, trackers, peer } = options;
  const { out, seed, sequential, recheck, port, maxPeers, dht, pex, lsd, dhtPort, dhtBootstrap } = options;
  const { select, exclude, largest, name, stripComponents, flatten } = options;
  const { atomic, onDiskFull, seedRatio, seedTime, downloadLimit, uploadLimit } = options;
  const place = out === '-' ? { output: standardOutput(options) } : { out, atomic, onDiskFull };
  const named = {
    ...place,
    ...{ select, exclude, largest, name, stripComponents, flatten },
    ...{ seed, sequential, recheck, port, maxPeers, dht, pex, lsd, dhtPort, dhtBootstrap },
    ...{ seedRatio, seedTimeMs: seedTime, downloadLimit, uploadLimit },
    ...{ timeoutMs: timeout, stallTimeoutMs: stallTimeout, metadataTimeoutMs: metadataTimeout },
    ...{ trackers: tracker, useTorrentTrackers: trackers, peers: peer },
  };
  return Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined));
}

/** @throws {UsageError} when standard output is a terminal */
function standardOutput({ tar = false, window }: Options): OutputOptions {
  return { stream: openStandardOutput(), isTar: tar, ...(window !== undefined && { windowLength: window }) };
}
