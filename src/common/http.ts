import type { AxiosError, AxiosRequestConfig } from 'axios';
import { HttpError } from './http-error.js';
import { LocalGuard } from './local-guard.js';
import { wordsOfCode } from './system-words.js';
import { hostOf, isLoopback } from './url.js';
import { CLIENT } from './version.js';

const MAX_REDIRECTS = 5;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

export { HttpError };

export interface HttpLimits {
  /** The answer, inflated, may have so many bytes. */
  readonly maxLength: number;
  /** For everything together, redirects and body too. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  /** Connects over this IP family only; not for requests that a proxy makes. Default: whichever leads there. */
  readonly family?: 4 | 6 | undefined;
  /** Whether `url` itself may be in the local network. Default true. */
  readonly mayBeLocal?: boolean | undefined;
}

export interface HttpAnswer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: Uint8Array;
}

/**
 * Gets `url` (http or https; byte for byte as it stands), with the proxies of the environment except for loopback hosts.
 * Follows up to 5 redirects, but never from a public host into the local network, where the reader of a torrent could
 * otherwise be made to call services that trust him. Certificates are always verified. Any status is an answer.
 * @throws {HttpError} when nobody answers in time, too much is answered, or a redirect leads astray
 */
export async function httpGet(url: URL, limits: HttpLimits): Promise<HttpAnswer> {
  const { maxLength, timeoutMs, signal, family, mayBeLocal } = limits;
  const abort = new AbortController();
  const stop = (): void => {
    abort.abort();
  };
  if (signal?.aborted) stop();
  signal?.addEventListener('abort', stop);
  const late = new HttpError('ERR_HTTP_TIMEOUT', `no whole answer within ${timeoutMs / 1000} s`);
  const timer = setTimeout(() => {
    abort.abort(late);
  }, timeoutMs);
  try {
    const guard = new LocalGuard({ signal: abort.signal, mayBeginLocal: mayBeLocal });
    return await follow(url, guard, { maxContentLength: maxLength, signal: abort.signal, ...(family && { family }) });
  } catch (error) {
    if (error instanceof HttpError) throw error;
    if (abort.signal.reason === late) throw late;
    throw httpErrorOf(error as AxiosError);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', stop);
  }
}

async function follow(first: URL, guard: LocalGuard, limits: AxiosRequestConfig): Promise<HttpAnswer> {
  // these take a quarter of a second, so not before they are needed
  const [{ default: axios }, http, https] = await Promise.all([
    import('axios'),
    import('node:http'),
    import('node:https'),
  ]);
  // Node's own agents would use a connection again that a server closes without saying so, as opentracker does
  // and NODE_TLS_REJECT_UNAUTHORIZED, which somebody set for another program, has no say in what is asked of strangers
  const agents = { httpAgent: new http.Agent(), httpsAgent: new https.Agent({ rejectUnauthorized: true }) };
  let url = first;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    guard.check(url);
    const { status, headers, data } = await axios.get<Buffer>(url.href, {
      ...limits,
      ...agents,
      responseType: 'arraybuffer',
      headers: { 'User-Agent': CLIENT, 'Accept-Encoding': 'gzip', Accept: '*/*', Connection: 'close' },
      maxRedirects: 0,
      validateStatus: () => true,
      lookup: guard.lookup,
      ...(isLoopback(hostOf(url)) && { proxy: false as const }),
    });
    const location: unknown = headers['location'];
    if (!REDIRECTS.has(status) || typeof location !== 'string') return { status, headers, body: data };
    url = redirected(location, url);
  }
  throw new HttpError('ERR_HTTP_REDIRECT', `more than ${MAX_REDIRECTS} redirects`);
}

/** Whether the environment names a proxy for such URLs; those that `no_proxy` excepts are not told apart. */
export function mayBeProxied(url: URL): boolean {
  const names = [`${url.protocol.slice(0, -1)}_proxy`, 'all_proxy'];
  return !isLoopback(hostOf(url)) && names.some((name) => isSet(name) || isSet(name.toUpperCase()));
}

function isSet(name: string): boolean {
  return (process.env[name] ?? '') !== '';
}

function redirected(location: string, from: URL): URL {
  if (!URL.canParse(location, from.href)) throw new HttpError('ERR_HTTP_REDIRECT', 'redirects to what is not a URL');
  const url = new URL(location, from);
  if (!/^https?:$/.test(url.protocol))
    throw new HttpError('ERR_HTTP_REDIRECT', 'redirects to what is not http or https');
  return url;
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  ECONNABORTED: 'connection lost',
  EPIPE: 'connection lost',
  EHOSTUNREACH: 'host unreachable',
  ENETUNREACH: 'network unreachable',
  ETIMEDOUT: 'connection timed out',
  ENOTFOUND: 'unknown host',
  ENODATA: 'unknown host',
  EAI_AGAIN: 'name lookup failed',
  ETIMEOUT: 'name lookup failed',
  ESERVFAIL: 'name lookup failed',
  ECANCELLED: 'cancelled',
  ERR_CANCELED: 'cancelled',
  HPE_HEADER_OVERFLOW: 'header too large',
  Z_DATA_ERROR: 'damaged compression',
  Z_BUF_ERROR: 'damaged compression',
  EPROTO: 'it does not speak TLS',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'nobody vouches for its certificate',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another host',
  SELF_SIGNED_CERT_IN_CHAIN: 'nobody vouches for its certificate',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'nobody vouches for its certificate',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'nobody vouches for its certificate',
};

const HOST_ERRORS = new Set(['ENOTFOUND', 'ENODATA', 'EAI_AGAIN', 'ETIMEOUT', 'ESERVFAIL']);

/** Only codes go into the message: axios's own texts and fields hold the URL. */
function httpErrorOf({ code, message, cause }: AxiosError): HttpError {
  if (cause instanceof HttpError) return cause;
  if (message.startsWith('maxContentLength')) return new HttpError('ERR_HTTP_TOO_LARGE', 'the answer is too large');
  if (message === 'stream has been aborted') return new HttpError('ERR_HTTP_CLOSED', 'the answer breaks off');
  if (code?.startsWith('HPE_') && !(code in REASONS)) return new HttpError('ERR_HTTP_SYNTAX', 'the answer is not HTTP');
  const options = cause && 'syscall' in cause ? { cause } : undefined;
  const isUnknownHost = HOST_ERRORS.has(code ?? '');
  return new HttpError(
    isUnknownHost ? 'ERR_HTTP_HOST' : 'ERR_HTTP_FAILED',
    REASONS[code ?? ''] ?? (code === undefined ? 'request failed' : wordsOfCode(code)),
    options,
  );
}
