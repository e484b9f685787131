import dns from 'node:dns';
import { isIP } from 'node:net';
import { HttpError } from './http-error.js';
import { isLocalIp } from './ip.js';
import { hostOf, isLoopback } from './url.js';

/** Keeps a chain of redirects that began at a public host out of the local network. */
export class LocalGuard {
  #host = ''; // of the request under way; other look-ups are the proxy's
  #isFirst = true;
  #mayBeLocal = false;
  readonly #resolve: typeof dns.lookup;

  constructor(resolve: typeof dns.lookup = dns.lookup) {
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
    options: object,
    callback: (error: Error | null, addresses: string[]) => void,
  ): void => {
    this.#resolve(host, { ...options, all: true }, (error, found) => {
      if (error) {
        callback(error, []);
        return;
      }
      const addresses = found.map(({ address }) => address);
      try {
        if (host === this.#host) this.#judge(addresses.some(isLocalIp));
        callback(null, addresses);
      } catch (refusal) {
        callback(refusal as Error, []);
      }
    });
  };

  #judge(isLocal: boolean): void {
    if (!isLocal || this.#mayBeLocal) return;
    if (!this.#isFirst) throw new HttpError('ERR_HTTP_REDIRECT', 'redirects into the local network');
    this.#mayBeLocal = true;
  }
}
