/** The values that options take: text in, what it means out. Each throws `InvalidArgumentError` with the reason. */
import { InvalidArgumentError } from 'commander';

import type { HostPort } from '../index.js';

import { splitWords } from './words.js';

/** A value that is not empty and no option: commander lets `--out --seed` and `--out ''` pass. */
export function text(value: string): string {
  if (value.startsWith('-'))
    throw new InvalidArgumentError('that looks like an option; a name like that is written ./-x');
  return freeText(value);
}

/** The same, or `-` for standard output. */
export function textOrDash(value: string): string {
  return value === '-' ? value : text(value);
}

/** A file's path, or `-` for standard input; appended to those before. */
export function files(value: string, previous: readonly string[] = []): readonly string[] {
  return [...previous, textOrDash(value)];
}

/** A program and its arguments, in the words of a shell. */
export function command(value: string): readonly string[] {
  const words = splitWords(value);
  if (!words) throw new InvalidArgumentError('a quote is not closed');
  if (words.length === 0) throw new InvalidArgumentError('it is empty');
  return words;
}

/** Any words, not empty. */
export function freeText(value: string): string {
  if (value === '') throw new InvalidArgumentError('it is empty');
  return value;
}

/** The same; appended to those before. */
export function words(value: string, previous: readonly string[] = []): readonly string[] {
  return [...previous, text(value)];
}

export function integer(min: number, max: number): (value: string) => number {
  return (value) => {
    const number = /^\d{1,15}$/.test(value) ? Number(value) : NaN;
    if (number >= min && number <= max) return number;
    throw new InvalidArgumentError(`not a whole number from ${min} to ${max}`);
  };
}

export function switchOf(value: string): boolean {
  if (/^(?:1|true|yes|on)$/i.test(value)) return true;
  if (/^(?:0|false|no|off)$/i.test(value)) return false;
  throw new InvalidArgumentError('neither true nor false');
}

export function oneOf<const T extends string>(...words: readonly T[]): (value: string) => T {
  return (value) => {
    const word = words.find((word) => word === value);
    if (word !== undefined) return word;
    throw new InvalidArgumentError(`not ${words.join(' or ')}`);
  };
}

const UNIT_MS: Readonly<Record<string, number>> = { '': 1000, s: 1000, m: 60_000, h: 3_600_000 };
const MAX_DURATION_MS = 2 ** 31 - 1; // what a timer can hold, almost 25 days

/** `90`, `90s`, `1.5m`, `2h` in ms. */
export function duration(value: string): number {
  const [, number = '', unit = ''] = /^(\d{1,9}(?:\.\d{1,3})?)([smh]?)$/.exec(value) ?? [];
  const ms = number === '' ? NaN : Math.round(Number(number) * UNIT_MS[unit]!);
  if (ms > 0 && ms <= MAX_DURATION_MS) return ms;
  throw new InvalidArgumentError('not a duration such as 90, 90s, 5m or 2h, more than 0');
}

const UNIT_BYTES: Readonly<Record<string, number>> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 };

/** `262144`, `256K`, `4M`, `4MiB` in bytes; units are binary. */
export function byteCount(value: string): number {
  const [, number = '', unit = ''] = /^(\d{1,15})(?:([KMG])(?:iB)?)?$/i.exec(value) ?? [];
  const bytes = number === '' ? NaN : Number(number) * UNIT_BYTES[unit.toUpperCase()]!;
  if (bytes > 0 && Number.isSafeInteger(bytes)) return bytes;
  throw new InvalidArgumentError('not a number of bytes such as 262144, 256K or 4M, more than 0');
}

/** A rate: `0` for no limit, or what `byteCount` takes, from 1 KiB per second on. */
export function rateLimit(value: string): number {
  const bytes = /^0+$/.test(value) ? 0 : byteCount(value);
  if (bytes === 0 || bytes >= 1024) return bytes;
  throw new InvalidArgumentError('less than 1K per second');
}

/** `1`, `1.5`, more than 0. */
export function ratio(value: string): number {
  const number = /^\d{1,9}(?:\.\d{1,6})?$/.test(value) ? Number(value) : NaN;
  if (number > 0) return number;
  throw new InvalidArgumentError('not a number such as 1 or 1.5, more than 0');
}

/** The last moment that a `Date` can hold, in seconds. */
export const LAST_DATE = 8.64e12;

/** `1700000000`, `2026-11-23`, `2026-11-23T12:00:00Z`, `now` in seconds since 1970; a date without time is UTC. */
export function date(value: string): number {
  if (value === 'now') return Math.floor(Date.now() / 1000);
  const isIso = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d)?(?:Z|[+-]\d\d:\d\d))?$/.test(value);
  if (!isIso && !/^\d+$/.test(value)) {
    throw new InvalidArgumentError('not seconds since 1970, nor a date such as 2026-11-23 or 2026-11-23T12:00:00Z');
  }
  const seconds = isIso ? Math.floor(Date.parse(value) / 1000) : Number(value);
  if (seconds >= 0 && seconds <= LAST_DATE && (!isIso || isInCalendar(value.slice(0, 10)))) return seconds;
  throw new InvalidArgumentError('there is no such date from 1970 on');
}

/** `Date` takes February 30 for March 2. */
function isInCalendar(day: string): boolean {
  return new Date(day).toISOString().startsWith(day);
}

/** An announce URL; appended to those before. */
export function trackers(value: string, previous: readonly string[] = []): readonly string[] {
  if (/^(?:https?|udp):\/\//i.test(value) && URL.canParse(value)) return [...previous, value];
  throw new InvalidArgumentError('not an http, https or udp URL');
}

/** A web seed; appended to those before. */
export function webUrls(value: string, previous: readonly string[] = []): readonly string[] {
  if (/^https?:\/\//i.test(value) && URL.canParse(value)) return [...previous, value];
  throw new InvalidArgumentError('not an http or https URL');
}

/** `192.0.2.1:6881`, `[2001:db8::1]:6881`, `example.org:6881`; appended to those before. */
export function hostPorts(value: string, previous: readonly HostPort[] = []): readonly HostPort[] {
  const [, bracketed, plain, digits = ''] =
    /^(?:\[([\da-fA-F:.]+)\]|([^\s:[\]-][^\s:[\]]*)):(\d{1,5})$/.exec(value) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  if (host !== undefined && port >= 1 && port <= 65_535) return [...previous, { host, port }];
  throw new InvalidArgumentError('not host:port (an IPv6 address goes in brackets: [2001:db8::1]:6881)');
}
