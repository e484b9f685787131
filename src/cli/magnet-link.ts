/** Magnet links to be shown to others. */
import { hideLogin, hidePasskeys, magnetOf } from '../index.js';

type Linked = Parameters<typeof magnetOf>[0];

/** A torrent or link with URLs that hide what may be a passkey or a login. */
export function withoutPasskeys<T extends Linked>(torrent: T): T {
  const { trackers, webSeeds } = torrent;
  return {
    ...torrent,
    trackers: trackers.map((tier) => tier.map(hidePasskeys)),
    webSeeds: webSeeds.map(hideLogin),
  };
}

/** The magnet link without the URLs that have something to hide, for they are of no use without it; and how many these are. */
export function openMagnetOf(torrent: Linked): { readonly link: string; readonly left: number } {
  const trackers = torrent.trackers.map((tier) => tier.filter((url) => hidePasskeys(url) === url));
  const webSeeds = torrent.webSeeds.filter((url) => hideLogin(url) === url);
  const count = (parts: Linked): number => parts.trackers.flat().length + parts.webSeeds.length;
  const open = { ...torrent, trackers, webSeeds };
  return { link: magnetOf(open), left: count(torrent) - count(open) };
}
