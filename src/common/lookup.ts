import { isIP } from 'node:net';
import type { HostPort, PeerAddress } from './address.js';
import { wordsOfCode } from './system-words.js';
import { resolveName } from './names.js';

/**
 * Addresses of hosts by name or IP address; `onFailure` hears of names that cannot be resolved, for others may do. `signal`
 * takes look-ups back: then there are fewer addresses, and nothing is thrown.
 */
export async function resolveHosts(
  hosts: readonly HostPort[],
  onFailure: (line: string) => void,
  signal?: AbortSignal,
): Promise<PeerAddress[]> {
  const resolved = await Promise.all(
    hosts.map(async ({ host, port }) => {
      if (isIP(host) !== 0) return [{ host, port }];
      try {
        return (await resolveName(host, { signal })).map((address) => ({ host: address, port }));
      } catch (error) {
        if (signal?.aborted) return [];
        const { code = String(error) } = error as NodeJS.ErrnoException;
        onFailure(`cannot resolve the peer "${host}": ${wordsOfCode(code)}`);
        return [];
      }
    }),
  );
  return resolved.flat();
}
