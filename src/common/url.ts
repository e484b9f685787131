import { isIP } from 'node:net';
import { escapeControl } from './text.js';

/** A URL fit for messages: scheme, host and port; path and query, where passkeys stand, are `…`. */
export function hideSecrets(url: string): string {
  const match = /^\s*([a-z][a-z0-9+.-]*):\/\/(?:[^/?#]*@)?([^/?#]*)/i.exec(url);
  if (!match) return '(not a URL)';
  return escapeControl(`${match[1]!.toLowerCase()}://${match[2]!.slice(0, 100)}/…`);
}

/** Shorter words are everywhere. */
const SHORTEST_SECRET = 6;

/** A foreign text in which nothing of a URL's path and query stands that could be a passkey: servers like to repeat it. */
export function hideSecretsOf({ username, password, pathname, searchParams }: URL, text: string): string {
  const words = [username, password, ...pathname.split('/').map(decodeText), ...searchParams.values()];
  const secrets = words.filter((word) => word.length >= SHORTEST_SECRET && !/^(announce|scrape)(\.php)?$/.test(word));
  return secrets.reduce((shown, secret) => shown.replaceAll(secret, '…'), text);
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
