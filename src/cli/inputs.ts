/** What has to be fetched before a download can start: a torrent on standard input, addresses of named hosts. */
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { addAbortSignal, type Readable } from 'node:stream';

import { UsageError, type PeerAddress } from '../index.js';

import type { HostPort } from './options.js';

/** No torrent is near that size; it bounds what an endless pipe can take of our memory. */
const MAX_TORRENT_LENGTH = 256 * 2 ** 20;

/** The whole of `stdin`. @throws {UsageError} when it is a terminal or too long */
export async function readTorrent(stdin: Readable & { isTTY?: boolean }, signal: AbortSignal): Promise<Uint8Array> {
  if (stdin.isTTY) {
    throw new UsageError(
      'ERR_STDIN_IS_TERMINAL',
      'standard input is a terminal; send a .torrent file into it, or name one',
    );
  }
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of addAbortSignal(signal, stdin) as AsyncIterable<Uint8Array>) {
    length += chunk.length;
    if (length > MAX_TORRENT_LENGTH) {
      throw new UsageError('ERR_STDIN_TOO_LONG', 'standard input is longer than any .torrent file (256 MiB)');
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Addresses of `--peer` hosts; `onFailure` hears of names that cannot be resolved, for other peers may do. */
export async function resolvePeers(
  peers: readonly HostPort[],
  onFailure: (line: string) => void,
): Promise<readonly PeerAddress[]> {
  const resolved = await Promise.all(
    peers.map(async ({ host, port }) => {
      if (isIP(host) !== 0) return [{ host, port }];
      try {
        const addresses = await lookup(host, { all: true });
        return addresses.map(({ address }) => ({ host: address, port }));
      } catch (error) {
        onFailure(`cannot resolve the peer "${host}": ${(error as NodeJS.ErrnoException).code ?? String(error)}`);
        return [];
      }
    }),
  );
  return resolved.flat();
}
