/** The options of a download, each declared once: parsing, settings, help, completion and man page follow from this. */
import * as value from './values.js';

/** One option; one without `parse` is a switch, `--no-x` one that is on by default. */
export interface OptionSpec {
  /** Heading in the help. */
  readonly group: string;
  /** `-o, --out <dir>`; the shell completes folders for `<dir>` and files for `<file>`. */
  readonly flags: string;
  readonly help: string;
  readonly parse?: (text: string, previous?: never) => unknown;
  /** What holds when nobody sets it, for the reader. */
  readonly otherwise?: string;
  /** Whether a variable of the environment holds several, separated by blanks. */
  readonly isList?: true;
  /** Whether it means something to a single run alone, and no environment or configuration file sets it. */
  readonly isFlagOnly?: true;
}

export type OptionTable = Readonly<Record<string, OptionSpec>>;

type Value<S> = S extends { readonly parse: (text: string, previous?: never) => infer V } ? V : boolean;

/** What the user chose of a table; an option not given is absent. Durations are in ms. */
export type ChosenOf<T extends OptionTable> = { readonly [K in keyof T]?: Value<T[K]> };

export const OPTIONS = {
  out: {
    group: 'Download',
    flags: '-o, --out <dir>',
    help: 'folder to write below, made when missing; - for the data on standard output',
    parse: value.textOrDash,
    otherwise: '.',
  },
  tar: { group: 'Download', flags: '--tar', help: 'with -o -: an archive of the files', isFlagOnly: true },
  window: {
    group: 'Download',
    flags: '--window <size>',
    help: 'with -o -: how far to fetch ahead of the reader',
    parse: value.byteCount,
    otherwise: '64M',
    isFlagOnly: true,
  },
  select: {
    group: 'Files',
    flags: '--select <glob>',
    help: 'only files that match: *.iso, extras/**, a folder, or indexes 0,3-5; repeatable',
    parse: value.words,
    isFlagOnly: true,
  },
  exclude: {
    group: 'Files',
    flags: '--exclude <glob>',
    help: 'leave out files that match; repeatable',
    parse: value.words,
    isFlagOnly: true,
  },
  largest: { group: 'Files', flags: '--largest', help: 'only the largest file of those', isFlagOnly: true },
  name: {
    group: 'Files',
    flags: '--name <name>',
    help: "call the torrent's folder or only file NAME",
    parse: value.text,
    isFlagOnly: true,
  },
  stripComponents: {
    group: 'Files',
    flags: '--strip-components <number>',
    help: 'take so many folders off the beginning of each path',
    parse: value.integer(1, 1000),
    isFlagOnly: true,
  },
  flatten: { group: 'Files', flags: '--flatten', help: 'write all files into one folder', isFlagOnly: true },
  seed: { group: 'Download', flags: '--seed', help: 'when complete, go on uploading until stopped' },
  seedRatio: {
    group: 'Download',
    flags: '--seed-ratio <number>',
    help: 'seed until at least so many times the size was uploaded in this run',
    parse: value.ratio,
  },
  seedTime: {
    group: 'Download',
    flags: '--seed-time <duration>',
    help: 'seed for so long, or until --seed-ratio is reached',
    parse: value.duration,
  },
  inputFile: {
    group: 'Download',
    flags: '--input-file <file>',
    help: 'read torrents from a file, one a line; - is standard input; repeatable',
    parse: value.files,
    isFlagOnly: true,
  },
  parallel: {
    group: 'Download',
    flags: '--parallel <number>',
    help: 'of several torrents, how many to fetch at once',
    parse: value.integer(1, 1000),
    otherwise: '3',
  },
  sequential: { group: 'Download', flags: '--sequential', help: 'fetch the pieces in order' },
  recheck: { group: 'Download', flags: '--recheck', help: 'hash everything on disk again first' },
  atomic: {
    group: 'Download',
    flags: '--atomic',
    help: 'keep all in a hidden folder until it is complete, then put it in place with one rename',
  },
  onDiskFull: {
    group: 'Download',
    flags: '--on-disk-full <fail|wait>',
    help: 'when there is no room: give up, or wait until there is',
    parse: value.oneOf('fail', 'wait'),
    otherwise: 'fail',
  },
  dryRun: {
    group: 'Download',
    flags: '--dry-run',
    help: 'only report space, what is there, what is in the way and who answers; exit as the run would begin',
    isFlagOnly: true,
  },
  list: {
    group: 'Download',
    flags: '--list',
    help: 'only list the files: index (from 0), size, path',
    isFlagOnly: true,
  },
  metadataTimeout: {
    group: 'Download',
    flags: '--metadata-timeout <duration>',
    help: "give up when a magnet link's metadata does not come for so long",
    parse: value.duration,
  },
  timeout: {
    group: 'Download',
    flags: '--timeout <duration>',
    help: 'give up a torrent after so long in all',
    parse: value.duration,
  },
  stallTimeout: {
    group: 'Download',
    flags: '--stall-timeout <duration>',
    help: 'give up after so long without data',
    parse: value.duration,
  },
  onFile: {
    group: 'Afterwards',
    flags: '--on-file <command>',
    help: 'run a command for each finished file; its path is the last argument',
    parse: value.command,
  },
  onComplete: {
    group: 'Afterwards',
    flags: '--on-complete <command>',
    help: 'run a command when all is complete; its path is the last argument',
    parse: value.command,
  },
  manifest: {
    group: 'Afterwards',
    flags: '--manifest <digest>',
    help: 'write a list NAME.sha256 for "sha256sum -c"; sha1 and sha512 likewise',
    parse: value.oneOf('sha256', 'sha512', 'sha1'),
  },
  port: {
    group: 'Network',
    flags: '-p, --port <number>',
    help: 'port for incoming peers',
    parse: value.integer(1, 65_535),
    otherwise: '6881 to 6889',
  },
  maxPeers: {
    group: 'Network',
    flags: '--max-peers <number>',
    help: 'connections at once',
    parse: value.integer(1, 10_000),
    otherwise: '100',
  },
  downloadLimit: {
    group: 'Network',
    flags: '--download-limit <rate>',
    help: 'bytes per second to receive at most, such as 500K or 2M',
    parse: value.rateLimit,
    otherwise: '0, no limit',
  },
  uploadLimit: {
    group: 'Network',
    flags: '--upload-limit <rate>',
    help: 'bytes per second to send at most',
    parse: value.rateLimit,
    otherwise: '0, no limit',
  },
  peer: {
    group: 'Peers',
    flags: '--peer <host:port>',
    help: 'a peer to try beside those found; repeatable',
    parse: value.hostPorts,
    isList: true,
  },
  tracker: {
    group: 'Peers',
    flags: '--tracker <url>',
    help: 'a tracker to ask, before those of the torrent; repeatable',
    parse: value.trackers,
    isList: true,
  },
  trackers: { group: 'Peers', flags: '--no-trackers', help: "leave out the torrent's own trackers" },
  dht: { group: 'Peers', flags: '--no-dht', help: 'do without the DHT' },
  pex: { group: 'Peers', flags: '--no-pex', help: 'do not exchange peers with peers' },
  lsd: { group: 'Peers', flags: '--no-lsd', help: 'do not look for peers in the local network' },
  dhtPort: {
    group: 'Peers',
    flags: '--dht-port <number>',
    help: 'UDP port of DHT and UDP trackers',
    parse: value.integer(1, 65_535),
    otherwise: 'as --port',
  },
  dhtBootstrap: {
    group: 'Peers',
    flags: '--dht-bootstrap <host:port>',
    help: 'a node to enter the DHT by, instead of the public ones; repeatable',
    parse: value.hostPorts,
    isList: true,
  },
  view: {
    group: 'Output',
    flags: '--view <bar|pieces>',
    help: 'on a terminal: a bar, or also a map of the pieces',
    parse: value.oneOf('bar', 'pieces'),
    otherwise: 'bar',
  },
  quiet: { group: 'Output', flags: '-q, --quiet', help: 'print nothing but errors' },
  verbose: { group: 'Output', flags: '-v, --verbose', help: 'also print what trackers and peers do' },
  json: {
    group: 'Output',
    flags: '--json',
    help: 'print what happens as JSON, an object a line; on stderr with -o -',
    isFlagOnly: true,
  },
  print: {
    group: 'Output',
    flags: '--print',
    help: 'print the path of each file once it is complete',
    isFlagOnly: true,
  },
  print0: {
    group: 'Output',
    flags: '--print0',
    help: 'the same, each ended by a NUL: for xargs -0',
    isFlagOnly: true,
  },
  config: {
    group: 'Settings',
    flags: '--config <file>',
    help: 'read settings from this file',
    parse: value.text,
    otherwise: '$XDG_CONFIG_HOME/torrent-dl/config',
    isFlagOnly: true,
  },
  noConfig: { group: 'Settings', flags: '--no-config', help: 'read no configuration file', isFlagOnly: true },
  printConfig: {
    group: 'Settings',
    flags: '--print-config',
    help: 'print every setting and where it comes from',
    isFlagOnly: true,
  },
} as const satisfies OptionTable;

export type Options = ChosenOf<typeof OPTIONS>;

/** Whether to go on once all is complete; a limit to that implies it. */
export function wantsToSeed({
  seed = false,
  seedRatio,
  seedTime,
}: Pick<Options, 'seed' | 'seedRatio' | 'seedTime'>): boolean {
  return seed || seedRatio !== undefined || seedTime !== undefined;
}

/** `maxPeers` → `max-peers` */
export function kebabOf(key: string): string {
  return key.replace(/[A-Z]/g, '-$&').toLowerCase();
}

/** The help of an option, with what holds otherwise. */
export function helpOf({ help, otherwise }: OptionSpec): string {
  return otherwise === undefined ? help : `${help} (default: ${otherwise})`;
}
