import { isIP } from 'node:net';
import { HttpError } from './http-error.js';
import { isLocalIp } from './ip.js';
import { resolveName } from './names.js';
import { hostOf, isLoopback } from './url.js';

export interface LocalGuardOptions {
  /** Takes look-ups back. */
  readonly signal?: AbortSignal | undefined;
  readonly resolve?: typeof resolveName;
  /** Whether the first host may be in the local network. Default true. */
  readonly mayBeginLocal?: boolean | undefined;
}

/**
 * Keeps a chain of redirects out of the local network, unless it begins there; what has left it does not come back. A
 * name with addresses inside and outside has those outside only, lest a foreign name opens the way in.
 */
export class LocalGuard {
  #host = ''; // of the request under way; other look-ups are the proxy's
  #isFirst = true;
  #isLocal = false; // that host, as far as is known: a proxy looks names up itself
  #mayBeLocal: boolean;
  readonly #signal: AbortSignal | undefined;
  readonly #resolve: typeof resolveName;

  constructor({ signal, resolve = resolveName, mayBeginLocal = true }: LocalGuardOptions = {}) {
    this.#signal = signal;
    this.#resolve = resolve;
    this.#mayBeLocal = mayBeginLocal;
  }

  /** Takes note of the next request. @throws {HttpError} when its host is a local address and may not be */
  check(url: URL): void {
    this.#isFirst = this.#host === '';
    if (!this.#isFirst && !this.#isLocal) this.#mayBeLocal = false;
    this.#host = hostOf(url);
    this.#judge(isIP(this.#host) ? isLocalIp(this.#host) : isLoopback(this.#host));
  }

  /** Names are judged by what they resolve to, at the very look-up that the connection is made from. */
  readonly lookup = (
    host: string,
    { family }: { readonly family?: number | string | undefined },
    callback: (error: Error | null, addresses: string[]) => void,
  ): void => {
    const options = { family: family === 4 || family === 6 ? family : 0, signal: this.#signal } as const;
    this.#resolve(host, options)
      .then((addresses) => (host === this.#host ? this.#permitted(addresses) : addresses))
      .then(
        (addresses) => callback(null, addresses),
        (error: unknown) => callback(error as Error, []),
      );
  };

  #permitted(addresses: string[]): string[] {
    const outside = addresses.filter((address) => !isLocalIp(address));
    this.#judge(outside.length === 0);
    return this.#isLocal ? addresses : outside;
  }

  #judge(isLocal: boolean): void {
    this.#isLocal = isLocal;
    if (!isLocal || this.#mayBeLocal) return;
    throw this.#isFirst
      ? new HttpError('ERR_HTTP_LOCAL', 'not asked: it is in the local network, and its path is not that of a tracker')
      : new HttpError('ERR_HTTP_REDIRECT', 'redirects into the local network');
  }
}
