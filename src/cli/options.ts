/** The command line: each option is declared once, in `OPTIONS`; parsing, help and types follow from it. */
import { readFileSync } from 'node:fs';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';

import type { HostPort } from '../index.js';
import { formatHelp, formatUsage } from './help.js';

/** One option; one without `parse` is a switch, `--no-x` one that is on by default. */
interface OptionSpec {
  readonly group: 'Download' | 'Network' | 'Peers' | 'Output';
  readonly flags: string;
  readonly help: string;
  readonly parse?: (text: string, previous?: never) => unknown;
}

const OPTIONS = {
  out: { group: 'Download', flags: '-o, --out <dir>', help: 'folder to write below, made when missing', parse: text },
  seed: { group: 'Download', flags: '--seed', help: 'when complete, go on uploading until stopped' },
  sequential: { group: 'Download', flags: '--sequential', help: 'fetch the pieces in order' },
  recheck: { group: 'Download', flags: '--recheck', help: 'hash everything on disk again first' },
  metadataTimeout: {
    group: 'Download',
    flags: '--metadata-timeout <duration>',
    help: "give up when a magnet link's metadata does not come for so long",
    parse: duration,
  },
  timeout: {
    group: 'Download',
    flags: '--timeout <duration>',
    help: 'give up after so long in all',
    parse: duration,
  },
  stallTimeout: {
    group: 'Download',
    flags: '--stall-timeout <duration>',
    help: 'give up after so long without data',
    parse: duration,
  },
  port: {
    group: 'Network',
    flags: '-p, --port <number>',
    help: 'port for incoming peers (default: 6881 to 6889)',
    parse: integer(1, 65_535),
  },
  maxPeers: {
    group: 'Network',
    flags: '--max-peers <number>',
    help: 'connections at once (default: 100)',
    parse: integer(1, 10_000),
  },
  peer: {
    group: 'Peers',
    flags: '--peer <host:port>',
    help: 'a peer to try beside those found; repeatable',
    parse: hostPorts,
  },
  tracker: {
    group: 'Peers',
    flags: '--tracker <url>',
    help: 'a tracker to ask, before those of the torrent; repeatable',
    parse: trackers,
  },
  trackers: { group: 'Peers', flags: '--no-trackers', help: "leave out the torrent's own trackers" },
  dht: { group: 'Peers', flags: '--no-dht', help: 'do without the DHT' },
  pex: { group: 'Peers', flags: '--no-pex', help: 'do not exchange peers with peers' },
  lsd: { group: 'Peers', flags: '--no-lsd', help: 'do not look for peers in the local network' },
  dhtPort: {
    group: 'Peers',
    flags: '--dht-port <number>',
    help: 'UDP port of DHT and UDP trackers (default: as --port)',
    parse: integer(1, 65_535),
  },
  dhtBootstrap: {
    group: 'Peers',
    flags: '--dht-bootstrap <host:port>',
    help: 'a node to enter the DHT by, instead of the public ones; repeatable',
    parse: hostPorts,
  },
  quiet: { group: 'Output', flags: '-q, --quiet', help: 'print nothing but errors' },
  verbose: { group: 'Output', flags: '-v, --verbose', help: 'also print what trackers and peers do' },
} as const satisfies Record<string, OptionSpec>;

type Value<S> = S extends { readonly parse: (text: string, previous?: never) => infer V } ? V : boolean;

/** What the user chose; an option not given is absent. Durations are in ms. */
export type Options = { readonly [K in keyof typeof OPTIONS]?: Value<(typeof OPTIONS)[K]> };

/** What a command line asks for: a download, or some text to print. */
export type CommandLine =
  | { readonly kind: 'download'; readonly torrent: string; readonly options: Options }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'usage'; readonly text: string }
  | { readonly kind: 'mistake'; readonly message: string };

/** Reads the words after the program's name. Never throws on what a user can type. */
export function parseCommandLine(argv: readonly string[], env: NodeJS.ProcessEnv = process.env): CommandLine {
  let printed = '';
  const program = new Command('torrent-dl')
    .argument('[torrent]')
    .helpOption('-h, --help')
    .version(`torrent-dl ${packageVersion()}`, '--version')
    .configureHelp({ formatHelp: helpText })
    .configureOutput({ writeOut: (text) => (printed += text), outputError: () => undefined })
    .exitOverride();
  for (const { flags, help, ...spec } of Object.values<OptionSpec>(OPTIONS)) {
    const option = new Option(flags, help);
    // First, or the switch is on by default; it takes back what the environment says.
    if (option.negate) program.addOption(new Option(`--${option.attributeName()}`));
    program.addOption(
      spec.parse ? option.argParser(spec.parse as (text: string, previous: unknown) => unknown) : option,
    );
  }
  let settings: Record<string, unknown>;
  try {
    program.parse(argv, { from: 'user' });
    settings = { ...settingsOf(env), ...program.opts() };
  } catch (error) {
    if (error instanceof SettingError) return { kind: 'mistake', message: error.message };
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return { kind: 'text', text: printed };
    return { kind: 'mistake', message: reword(error) };
  }
  const torrent = program.args[0];
  const options = settings as Options;
  if (torrent === undefined) return { kind: 'usage', text: formatUsage() };
  if (torrent === '') return { kind: 'mistake', message: 'the name of the torrent is empty' };
  if (options.quiet && options.verbose) return { kind: 'mistake', message: '--quiet and --verbose exclude each other' };
  return { kind: 'download', torrent, options };
}

class SettingError extends Error {}

/** What the environment sets: `TORRENT_DL_OUT` and so on. An empty value is as if it were not there. */
function settingsOf(env: NodeJS.ProcessEnv): Record<string, unknown> {
  const settings: Record<string, unknown> = {};
  for (const [key, { parse }] of Object.entries<OptionSpec>(OPTIONS)) {
    const name = variableOf(key);
    const value = env[name];
    if (value === undefined || value === '') continue;
    try {
      settings[key] = parse ? parse(value) : switchOf(value);
    } catch (error) {
      if (!(error instanceof InvalidArgumentError)) throw error;
      throw new SettingError(`environment variable ${name}: ${error.message}`);
    }
  }
  return settings;
}

/** `maxPeers` → `TORRENT_DL_MAX_PEERS` */
function variableOf(key: string): string {
  return `TORRENT_DL_${key.replace(/[A-Z]/g, '_$&').toUpperCase()}`;
}

function switchOf(value: string): boolean {
  if (/^(?:1|true|yes|on)$/i.test(value)) return true;
  if (/^(?:0|false|no|off)$/i.test(value)) return false;
  throw new InvalidArgumentError('neither true nor false');
}

/** Commander's message as one of ours: lower case, one line. */
function reword({ code, message }: CommanderError): string {
  if (code === 'commander.excessArguments') return 'one torrent is expected, not several';
  return message
    .replace(/^error: /, '')
    .replace(' is invalid. ', ': ')
    .replaceAll('\n', ' ');
}

function helpText(): string {
  return formatHelp([
    ...Object.values<OptionSpec>(OPTIONS),
    { group: 'Output', flags: '--version', help: 'print the version' },
    { group: 'Output', flags: '-h, --help', help: 'print this help' },
  ]);
}

function packageVersion(): string {
  const file = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(file) as { version: string }).version;
}

/** A value that is not empty and no option: commander lets `--out --seed` and `--out ''` pass. */
function text(value: string): string {
  if (value === '') throw new InvalidArgumentError('it is empty');
  if (value.startsWith('-'))
    throw new InvalidArgumentError('that looks like an option; a name like that is written ./-x');
  return value;
}

function integer(min: number, max: number): (value: string) => number {
  return (value) => {
    const number = /^\d{1,15}$/.test(value) ? Number(value) : NaN;
    if (number >= min && number <= max) return number;
    throw new InvalidArgumentError(`not a whole number from ${min} to ${max}`);
  };
}

const UNIT_MS: Readonly<Record<string, number>> = { '': 1000, s: 1000, m: 60_000, h: 3_600_000 };
const MAX_DURATION_MS = 2 ** 31 - 1; // what a timer can hold, almost 25 days

/** `90`, `90s`, `1.5m`, `2h` in ms. */
function duration(value: string): number {
  const [, number = '', unit = ''] = /^(\d{1,9}(?:\.\d{1,3})?)([smh]?)$/.exec(value) ?? [];
  const ms = number === '' ? NaN : Math.round(Number(number) * UNIT_MS[unit]!);
  if (ms > 0 && ms <= MAX_DURATION_MS) return ms;
  throw new InvalidArgumentError('not a duration such as 90, 90s, 5m or 2h, more than 0');
}

/** An announce URL; appended to those before. */
function trackers(value: string, previous: readonly string[] = []): readonly string[] {
  if (/^(?:https?|udp):\/\//i.test(value) && URL.canParse(value)) return [...previous, value];
  throw new InvalidArgumentError('not an http, https or udp URL');
}

/** `192.0.2.1:6881`, `[2001:db8::1]:6881`, `example.org:6881`; appended to those before. */
function hostPorts(value: string, previous: readonly HostPort[] = []): readonly HostPort[] {
  const [, bracketed, plain, digits = ''] =
    /^(?:\[([\da-fA-F:.]+)\]|([^\s:[\]-][^\s:[\]]*)):(\d{1,5})$/.exec(value) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  if (host !== undefined && port >= 1 && port <= 65_535) return [...previous, { host, port }];
  throw new InvalidArgumentError('not host:port (an IPv6 address goes in brackets: [2001:db8::1]:6881)');
}
