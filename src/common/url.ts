import { isIP } from 'node:net';
import { escapeControl } from './text.js';

/**
 * A URL fit for messages: scheme, host and port; path and query, where passkeys stand, are `…`. So is the host when it may
 * be a part of a password with a slash in it.
 */
export function hideSecrets(url: string): string {
  const match = /^\s*([a-z][a-z0-9+.-]*):\/\/(?:[^/\\?#]*@)?([^/\\?#]*)/i.exec(url);
  if (!match) return '(not a URL)';
  const [, scheme, host] = match as unknown as [string, string, string];
  const isHost = /^(?:\[[\da-f:.]*\]|[^:[\]]*)(?::\d*)?$/i.test(host);
  return escapeControl(`${scheme.toLowerCase()}://${isHost ? `${host.slice(0, 100)}/` : ''}…`);
}

/** Shorter words are everywhere. */
const SHORTEST_SECRET = 6;
/** Less of a word at the end of a text that was cut tells nothing. */
const SHORTEST_PART = 4;

/**
 * A foreign text in which nothing of a URL's login, path and query stands that could be a passkey, in whatever spelling:
 * servers like to repeat it. The text may have been cut anywhere.
 */
export function hideSecretsOf(url: URL, text: string): string {
  return secretsOf(url).reduce(hideWord, text);
}

/** Longest first, for one may be a part of another. */
function secretsOf({ username, password, pathname, search }: URL): readonly string[] {
  const values = search
    .slice(1)
    .split('&')
    .map((pair) => pair.slice(pair.indexOf('=') + 1));
  const words = [username, password, ...pathname.split('/'), ...values];
  const spellings = words.flatMap((word) => [word, decodeText(word), decodeText(word.replaceAll('+', ' '))]);
  const shown = spellings.flatMap((word) => [word, escapeControl(word)]);
  return [...new Set(shown)]
    .filter((word) => word.length >= SHORTEST_SECRET && !/^(announce|scrape)(\.php)?$/.test(word))
    .sort((one, other) => other.length - one.length);
}

function hideWord(text: string, secret: string): string {
  const shown = text.replaceAll(new RegExp(secret.replaceAll(/[^\w\s]/g, '\\$&'), 'gi'), '…');
  for (let length = secret.length - 1; length >= SHORTEST_PART; length--) {
    if (shown.endsWith(secret.slice(0, length))) return `${shown.slice(0, -length)}…`;
  }
  return shown;
}

function decodeText(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The host of a URL as sockets want it: IPv6 without brackets. */
export function hostOf({ hostname }: URL): string {
  return hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
}

/** Whether a URL's host is this machine by its very name: `localhost`, 127/8 or ::1. */
export function isLoopback(host: string): boolean {
  if (isIP(host)) return host === '::1' || host.startsWith('127.');
  return /(?:^|\.)localhost\.?$/i.test(host);
}
