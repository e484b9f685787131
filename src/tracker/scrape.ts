import { isIP } from 'node:net';
import { systemClock, type Clock } from '../common/clock.js';
import { TrackerError } from '../common/errors.js';
import { mostTelling } from './families.js';
import { askOverHttp, percentEncode, withQuery } from './http.js';
import { parseScrapeReply } from './response.js';
import { UdpTrackers, hostNameOf, type UdpEndpoint } from './udp.js';
import { MAX_SCRAPED } from './udp-wire.js';

const SCRAPE_MS = 15_000;

/** How many peers a tracker knows of a torrent: seeds, finished downloads so far, leechers. */
export interface ScrapeCounts {
  readonly complete: number;
  readonly downloaded: number;
  readonly incomplete: number;
}

export interface ScrapeOptions {
  /** The port that UDP trackers are asked from; without it they cannot be asked. */
  readonly udp?: UdpEndpoint;
  /** For each request. Default 15 s. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly clock?: Clock;
}

type Counts = readonly (ScrapeCounts | undefined)[];
interface Limits {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/**
 * Asks a tracker, given by its announce URL, how many peers it knows (BEP 48 over HTTP, BEP 15 over UDP), without joining
 * the swarm. One answer for each info hash (20 bytes), in their order; undefined where it knows nothing.
 * @throws {TrackerError} when it cannot be asked so, does not answer or refuses
 */
export async function scrape(
  announceUrl: string,
  infoHashes: readonly Uint8Array[],
  { udp, timeoutMs = SCRAPE_MS, signal = new AbortController().signal, clock = systemClock }: ScrapeOptions = {},
): Promise<Counts> {
  if (!URL.canParse(announceUrl)) throw new TrackerError('ERR_TRACKER_URL', 'not a valid URL');
  const url = new URL(announceUrl);
  const limits = { timeoutMs, signal };
  if (/^https?:$/.test(url.protocol)) return inParts(infoHashes, (part) => scrapeOverHttp(url, part, limits));
  if (url.protocol !== 'udp:' || !udp) throw unsupported();
  const trackers = new UdpTrackers(udp, { clock });
  try {
    return await inParts(infoHashes, (part) => scrapeOverUdp(trackers, url, part, limits));
  } finally {
    trackers.close();
  }
}

/**
 * Where an HTTP tracker is scraped (BEP 48): `announce` at the start of the path's last part becomes `scrape`, the rest
 * stays as it is. Undefined when the path is otherwise, for then it cannot be.
 */
export function scrapeUrl(announceUrl: URL): URL | undefined {
  const match = /^(.*\/)announce([^/]*)$/.exec(announceUrl.pathname);
  if (!match) return undefined;
  const url = new URL(announceUrl);
  url.pathname = `${match[1]!}scrape${match[2]!}`;
  return url;
}

async function scrapeOverHttp(announceUrl: URL, infoHashes: readonly Uint8Array[], limits: Limits): Promise<Counts> {
  const url = scrapeUrl(announceUrl);
  if (!url) throw unsupported();
  const parameters = infoHashes.map((infoHash) => `info_hash=${percentEncode(infoHash)}`);
  return parseScrapeReply(await askOverHttp(withQuery(url, parameters), limits), infoHashes);
}

/** Over both families at once, for either will do. */
async function scrapeOverUdp(
  trackers: UdpTrackers,
  url: URL,
  infoHashes: readonly Uint8Array[],
  { timeoutMs, signal }: Limits,
): Promise<Counts> {
  const families = isIP(hostNameOf(url)) === 0 ? ([4, 6] as const) : [undefined];
  const end = new AbortController();
  const limits = { timeoutMs, signal: AbortSignal.any([signal, end.signal]) };
  try {
    return await Promise.any(families.map((family) => trackers.scrape(url, infoHashes, { ...limits, family })));
  } catch (error) {
    throw error instanceof AggregateError ? mostTelling(error.errors as TrackerError[]) : error;
  } finally {
    end.abort();
  }
}

/** One request after the other, each with as many info hashes as one datagram takes. */
async function inParts(
  infoHashes: readonly Uint8Array[],
  ask: (part: readonly Uint8Array[]) => Promise<Counts>,
): Promise<Counts> {
  const counts: (ScrapeCounts | undefined)[] = [];
  for (let at = 0; at < infoHashes.length; at += MAX_SCRAPED) {
    counts.push(...(await ask(infoHashes.slice(at, at + MAX_SCRAPED))));
  }
  return counts;
}

function unsupported(): TrackerError {
  return new TrackerError('ERR_TRACKER_SCRAPE', 'this tracker cannot be scraped');
}
