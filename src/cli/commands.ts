/** The sub-commands, each declared once: what they take, what they say in the help. `main.ts` runs them. */
import { OPTIONS, type ChosenOf, type OptionTable } from './options.js';
import * as value from './values.js';

export interface CommandSpec {
  /** What stands behind its name in the usage; a word in `<…>` has to be there. */
  readonly operand: string;
  /** A few words for lists. */
  readonly summary: string;
  /** A paragraph for its own help. */
  readonly about: string;
  /**
   * One that is called like one of `OPTIONS` means the same and can also be set by environment and configuration file,
   * unless it says `isFlagOnly`.
   */
  readonly options: OptionTable;
  readonly examples: readonly (readonly [command: string, meaning: string])[];
  /** What the operand can be, when that is a word of ours. */
  readonly choices?: readonly string[];
}

const JSON_OPTION = { group: 'Options', flags: '--json', help: 'print one JSON object', isFlagOnly: true } as const;

/** Those of a download that say how peers are found. */
const { metadataTimeout, port, maxPeers, peer, tracker, trackers } = OPTIONS;
const { timeout, stallTimeout, downloadLimit } = OPTIONS;
const { config, noConfig } = OPTIONS;
const CONFIG_OPTIONS = { config: { ...config, group: 'Options' }, noConfig: { ...noConfig, group: 'Options' } };
const { dht, pex, lsd, dhtPort, dhtBootstrap, quiet, verbose } = OPTIONS;
const PEER_OPTIONS = { metadataTimeout, port, maxPeers, peer, tracker, trackers, dht, pex, lsd, dhtPort, dhtBootstrap };

export const COMMANDS = {
  info: {
    operand: '<torrent>',
    summary: 'show what a torrent or a magnet link says',
    about:
      'Shows what a torrent says: name, info hash, magnet link, sizes, files, trackers, web seeds. ' +
      'The torrent is a file, its URL, a magnet link, or "-" for standard input. No peer is asked.',
    options: {
      json: JSON_OPTION,
      secrets: {
        group: 'Options',
        flags: '--secrets',
        help: 'show URLs with passkeys and passwords, also in the magnet link',
      },
    },
    examples: [
      ['torrent-dl info debian.torrent', 'for people'],
      ['torrent-dl info --json - <x.torrent | jq .infoHash', 'for programs'],
    ],
  },
  verify: {
    operand: '<torrent>',
    summary: 'compare files on disk with a torrent',
    about:
      'Hashes the files below a folder and compares them with the torrent. Needs no network, writes nothing and ' +
      'believes no resume state. Exit code 0: all is right; 6: something is missing or wrong; 5: it cannot be read. ' +
      'With --repair what is missing or wrong is downloaded after the report, and the exit code is that of a ' +
      'download; options about peers and limits mean something then.',
    options: {
      out: { ...OPTIONS.out, group: 'Options', help: 'folder that the torrent was downloaded to' },
      repair: { group: 'Options', flags: '--repair', help: 'download what is missing or wrong; too long files stay' },
      json: { ...JSON_OPTION, help: 'print one JSON object; with --repair the events of a download after it' },
      quiet: { ...quiet, group: 'Options' },
      ...CONFIG_OPTIONS,
      ...{ timeout, stallTimeout, downloadLimit, verbose },
      ...PEER_OPTIONS,
    },
    examples: [
      ['torrent-dl verify -o ~/iso debian.torrent', 'a line for each file'],
      ['torrent-dl verify --repair debian.torrent', 'and what is damaged is fetched again'],
      ['torrent-dl verify -q x.torrent && echo good', 'only the exit code'],
    ],
  },
  create: {
    operand: '<path>',
    summary: 'make a torrent of a file or a folder',
    about:
      'Makes a .torrent of a file, or of all files below a folder. The same input gives the same bytes: no date and no ' +
      'program name is put in unless asked for. Info hash and magnet link are printed on stderr. Sizes are in bytes, ' +
      'or with K or M, 1024 and 1024² of them.',
    options: {
      out: {
        group: 'Options',
        flags: '-o, --out <file>',
        help: 'file to write, - is standard output',
        parse: value.textOrDash,
        otherwise: 'NAME.torrent',
        isFlagOnly: true,
      },
      force: { group: 'Options', flags: '--force', help: 'write over a file that is there' },
      tracker: {
        group: 'Options',
        flags: '--tracker <url>',
        help: 'an announce URL, each a tier of its own; repeatable',
        parse: value.trackers,
        isFlagOnly: true,
      },
      webSeed: {
        group: 'Options',
        flags: '--web-seed <url>',
        help: 'where the files are on a web server; repeatable',
        parse: value.webUrls,
      },
      private: { group: 'Options', flags: '--private', help: 'peers come from its trackers only' },
      name: {
        group: 'Options',
        flags: '--name <name>',
        help: 'file or folder for those who download',
        parse: value.freeText,
        otherwise: 'its own',
        isFlagOnly: true,
      },
      comment: { group: 'Options', flags: '--comment <text>', help: 'for people to read', parse: value.freeText },
      createdBy: {
        group: 'Options',
        flags: '--created-by <text>',
        help: 'the program that made it',
        parse: value.freeText,
      },
      source: {
        group: 'Options',
        flags: '--source <text>',
        help: 'a word that gives the same files another info hash',
        parse: value.freeText,
      },
      creationDate: {
        group: 'Options',
        flags: '--creation-date <date>',
        help: 'seconds since 1970, 2026-11-23, 2026-11-23T12:00:00Z or now',
        parse: value.date,
        otherwise: '$SOURCE_DATE_EPOCH, else none',
      },
      pieceLength: {
        group: 'Options',
        flags: '--piece-length <size>',
        help: 'a power of two from 16K on',
        parse: value.byteCount,
        otherwise: 'what makes 1,000 to 2,000 pieces',
      },
      followLinks: { group: 'Options', flags: '--follow-links', help: 'take in what symbolic links point to' },
      quiet: { ...quiet, group: 'Options' },
      ...CONFIG_OPTIONS,
    },
    examples: [
      ['torrent-dl create --tracker https://t.example/announce iso', 'writes iso.torrent'],
      ['torrent-dl create -qo - data | ssh host torrent-dl -', 'straight into a pipe'],
    ],
  },
  metadata: {
    operand: '<magnet>',
    summary: "get a magnet link's torrent, without its files",
    about:
      'Asks peers for what a magnet link or an info hash stands for, writes it as a .torrent with the trackers of the ' +
      'link, and ends. Peers are found and limits set as for a download.',
    options: {
      out: {
        group: 'Options',
        flags: '-o, --out <file>',
        help: 'file to write',
        parse: value.textOrDash,
        otherwise: '-, standard output',
        isFlagOnly: true,
      },
      force: { group: 'Options', flags: '--force', help: 'write over a file that is there' },
      ...PEER_OPTIONS,
      ...{ quiet, verbose },
      ...CONFIG_OPTIONS,
    },
    examples: [
      ["torrent-dl metadata 'magnet:?…' -o x.torrent", 'into a file'],
      ["torrent-dl metadata 'magnet:?…' | torrent-dl --list -", 'which files there are'],
    ],
  },
  completion: {
    operand: '<shell>',
    summary: 'print what bash, zsh or fish needs to complete words',
    about: 'Prints a script on standard output that lets the shell (bash, zsh or fish) complete options and commands.',
    options: {},
    examples: [
      ['eval "$(torrent-dl completion bash)"', 'in ~/.bashrc, or zsh in ~/.zshrc'],
      ['torrent-dl completion fish | source', 'in config.fish'],
    ],
    choices: ['bash', 'zsh', 'fish'],
  },
} as const satisfies Readonly<Record<string, CommandSpec>>;

export type CommandName = keyof typeof COMMANDS;

/** A call of a sub-command. */
export type Call = {
  [N in CommandName]: {
    readonly command: N;
    readonly operand: string;
    readonly options: ChosenOf<(typeof COMMANDS)[N]['options']>;
  };
}[CommandName];

export type OptionsOfCall<N extends CommandName> = Extract<Call, { command: N }>['options'];

export function isCommandName(word: string | undefined): word is CommandName {
  return word !== undefined && Object.hasOwn(COMMANDS, word);
}
