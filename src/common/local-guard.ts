import { isIP } from 'node:net';
import { HttpError } from './http-error.js';
import { isLocalIp } from './ip.js';
import { resolveName } from './names.js';
import { hostOf, isLoopback } from './url.js';

/** Keeps a chain of redirects that began at a public host out of the local network. */
export class LocalGuard {
  #host = ''; // of the request under way; other look-ups are the proxy's
  #isFirst = true;
  #mayBeLocal = false;
  readonly #signal: AbortSignal | undefined;
  readonly #resolve: typeof resolveName;

  /** `signal` takes look-ups back. */
  constructor(signal?: AbortSignal, resolve: typeof resolveName = resolveName) {
    this.#signal = signal;
    this.#resolve = resolve;
  }

  /** Takes note of the next request. @throws {HttpError} when its host is a local address and may not be */
  check(url: URL): void {
    this.#isFirst = this.#host === '';
    this.#host = hostOf(url);
    const isLocal = isIP(this.#host) ? isLocalIp(this.#host) : isLoopback(this.#host);
    this.#judge(isLocal);
  }

  /** Names are judged by what they resolve to, at the very look-up that the connection is made from. */
  readonly lookup = (
    host: string,
    { family }: { readonly family?: number | string | undefined },
    callback: (error: Error | null, addresses: string[]) => void,
  ): void => {
    const options = { family: family === 4 || family === 6 ? family : 0, signal: this.#signal } as const;
    this.#resolve(host, options)
      .then((addresses) => {
        if (host === this.#host) this.#judge(addresses.some(isLocalIp));
        return addresses;
      })
      .then(
        (addresses) => callback(null, addresses),
        (error: unknown) => callback(error as Error, []),
      );
  };

  #judge(isLocal: boolean): void {
    if (!isLocal || this.#mayBeLocal) return;
    if (!this.#isFirst) throw new HttpError('ERR_HTTP_REDIRECT', 'redirects into the local network');
    this.#mayBeLocal = true;
  }
}
