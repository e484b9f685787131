import type { BencodeDictionary, BencodeValue } from '../common/bencode.js';
import { decodeUtf8 } from '../common/text.js';
import { hideSecrets } from '../common/url.js';
import type { Warnings } from './warnings.js';

/** URLs taken of one kind; a tracker list of hundreds is rare, one of thousands is an attack on others. */
const MOST_URLS = 500;

/** What a tracker can speak; those that we do not (yet) are the announcer's to tell. */
const TRACKER = /^(?:https?|udp|wss?):\/\//i;
const WEB_SEED = /^https?:\/\//i;

/** Announce URLs by tier; `announce-list` replaces `announce` unless there is no good URL in it (BEP 12). */
export function readTrackers(torrent: BencodeDictionary, warnings: Warnings): string[][] {
  const list = torrent.get('announce-list');
  const urls = new UrlList(TRACKER, 'tracker', warnings);
  const tiers = Array.isArray(list) ? list.map((tier) => urls.take(Array.isArray(tier) ? tier : [tier])) : [];
  const found = tiers.filter((tier) => tier.length > 0);
  const announce = torrent.get('announce');
  if (found.length > 0 || announce === undefined) return found;
  const lone = urls.take([announce]);
  return lone.length > 0 ? [lone] : [];
}

/** The URLs of `url-list` (BEP 19) or `httpseeds` (BEP 17): a string or a list of them. */
export function readWebSeeds(torrent: BencodeDictionary, key: string, warnings: Warnings): string[] {
  const value = torrent.get(key);
  if (value === undefined) return [];
  return new UrlList(WEB_SEED, 'web seed', warnings).take(Array.isArray(value) ? value : [value]);
}

/** Takes each good URL once. */
class UrlList {
  readonly #seen = new Set<string>();
  readonly #scheme: RegExp;
  readonly #what: string;
  readonly #warnings: Warnings;

  constructor(scheme: RegExp, what: string, warnings: Warnings) {
    this.#scheme = scheme;
    this.#what = what;
    this.#warnings = warnings;
  }

  take(values: readonly BencodeValue[]): string[] {
    return values.flatMap((value) => {
      const url = value instanceof Uint8Array ? decodeUtf8(value)?.trim() : undefined;
      if (url === '') return []; // makers of torrents leave empty lines in
      if (url === undefined || !this.#isGood(url)) {
        const shown = url === undefined ? 'a value that is not text' : hideSecrets(url);
        this.#warnings.add(`ignored ${this.#what}: ${shown} is no URL that a ${this.#what} can have`, `${this.#what}s`);
        return [];
      }
      if (this.#seen.has(url)) return [];
      if (this.#seen.size >= MOST_URLS) {
        this.#warnings.add(`only the first ${MOST_URLS} ${this.#what}s are used`, `${this.#what}s beyond that`);
        return [];
      }
      this.#seen.add(url);
      return [url];
    });
  }

  #isGood(url: string): boolean {
    return this.#scheme.test(url) && !/\p{Cc}/u.test(url) && URL.canParse(url);
  }
}
