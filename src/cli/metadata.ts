/** `torrent-dl metadata`: gets the torrent of a magnet link from peers. */
import { escapeControl, resolveMagnet, type ResolveOptions } from '../index.js';

import type { OptionsOfCall } from './commands.js';
import { formatBytes } from './format.js';
import { checkTarget, writeTorrent } from './torrent-file.js';
import { runWork } from './work.js';

/** Writes the torrent, tells of it on stderr, and gives the exit code. */
export async function metadata(link: string, options: OptionsOfCall<'metadata'>): Promise<number> {
  const { out: output = '-', force = false, quiet = false, verbose = false } = options;
  return await runWork(async (signal) => {
    await checkTarget(output, force);
    const print = (line: string): void => {
      if (!quiet)
        process.stderr.write(`${line}
`);
    };
    const { torrent, metainfo } = await resolveMagnet(link, {
      ...engineOptions(options),
      signal,
      onNotice: ({ level, text }) => {
        if (level === 'warning') print(`torrent-dl: warning: ${text}`);
        else if (verbose) print(text);
      },
    });
    await writeTorrent(output, torrent, force);
    const { name, totalLength, files } = metainfo;
    const what = `${escapeControl(name)}, ${formatBytes(totalLength)} in ${files.length} file(s)`;
    print(`${output === '-' ? 'done' : `wrote ${escapeControl(output)}`}: ${what}`);
    return 0;
  });
}

/** The options under the library's names; what was not given is left to the library. */
function engineOptions(options: OptionsOfCall<'metadata'>): ResolveOptions {
  const { port, maxPeers, peer, tracker, trackers, dht, pex, lsd, dhtPort, dhtBootstrap, metadataTimeout } = options;
  const named = {
    ...{ port, maxPeers, dht, pex, lsd, dhtPort, dhtBootstrap },
    ...{ peers: peer, trackers: tracker, useTorrentTrackers: trackers, metadataTimeoutMs: metadataTimeout },
  };
  return Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined));
}
