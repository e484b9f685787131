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

/** What the URLs of all trackers have. */
const COMMON_WORD = /^(?:announce|scrape|tracker)(?:\.php)?$/i;
const PARAMETER = /^[a-z_]{1,16}$/i;
/** Shorter words are everywhere. */
const SHORTEST_SECRET = 6;
/** Less of a word at the end of a text that was cut tells nothing. */
const SHORTEST_PART = 4;

/**
 * An announce URL to be shown to others: `http://t.example/…/announce?key=…`. Whatever may be a login or a passkey is `…`;
 * where there is none, it is as it was.
 */
export function hidePasskeys(url: string): string {
  return hideParts(url, (path) => path.replace(/[^/\\]+/g, (word) => (mayBeSecret(word) ? '…' : word)));
}

/** A web seed's URL likewise; its path is for all to see, for it names files. */
export function hideLogin(url: string): string {
  return hideParts(url, (path) => path);
}

function hideParts(url: string, hidePath: (path: string) => string): string {
  const match = /^\s*([a-z][a-z0-9+.-]*:\/\/)([^/\\?#]*@)?([^/\\?#]*)([^?#]*)(\?[^#]*)?(#.*)?$/is.exec(url);
  if (!match) return '(not a URL)';
  const [, scheme = '', login, host = '', path = '', query = '', fragment] = match;
  const shownQuery = query.replace(/[^?&]+/g, hideParameter);
  return `${scheme}${login ? '…@' : ''}${host}${hidePath(path)}${shownQuery}${fragment ? '#…' : ''}`;
}

function hideParameter(parameter: string): string {
  const [, key, value] = /^([^=]*)=(.*)$/s.exec(parameter) ?? [];
  if (key === undefined || value === undefined) return mayBeSecret(parameter) ? '…' : parameter;
  return `${PARAMETER.test(key) ? key : '…'}=${mayBeSecret(value) ? '…' : value}`;
}

function mayBeSecret(word: string): boolean {
  return word.length >= SHORTEST_SECRET && !COMMON_WORD.test(word);
}

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
  return [...new Set(shown)].filter(mayBeSecret).sort((one, other) => other.length - one.length);
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
