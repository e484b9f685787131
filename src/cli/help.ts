/** The texts of `--help` and of a call without operands; at most 80 columns. */
import { COMMANDS, type CommandSpec } from './commands.js';
import { helpOf, OPTIONS, type OptionSpec, type OptionTable } from './options.js';

const COLUMNS = 80;

/** Exit codes and what they mean, as `exit.ts` gives them. */
export const EXIT_CODES: readonly (readonly [codes: string, meaning: string])[] = [
  ['0', 'every file is complete and verified'],
  ['1', 'a bug; please report it'],
  ['2', 'wrong option or argument'],
  ['3', 'the torrent is not valid'],
  ['4', 'nobody to download from'],
  ['5', 'files cannot be read or written, or no more can be opened'],
  ['6', 'the data does not match its hashes'],
  ['7', 'a time limit passed; run again to resume'],
  ['8', 'a command of --on-file or --on-complete failed'],
  ['129, 130, 143', 'stopped by SIGHUP, SIGINT, SIGTERM; run again to resume'],
  ['141', 'the reader of standard output went away'],
];

export const EXAMPLES: readonly (readonly [command: string, meaning: string])[] = [
  ['torrent-dl debian.torrent', 'download into the current folder'],
  ['torrent-dl -o ~/iso debian.torrent', '… into another folder'],
  ['torrent-dl --seed debian.torrent', '… and share it until Ctrl-C'],
  ["torrent-dl 'magnet:?xt=urn:btih:…'", 'what a magnet link stands for'],
  ['torrent-dl https://example.org/x', 'a torrent by its URL'],
  ['torrent-dl -o - --tar x.torrent | tar x', 'unpacked as it comes'],
  ['curl -sL URL | torrent-dl -q -o iso -', 'from standard input, no output'],
];

const USAGE = 'Usage: torrent-dl [options] <torrent>…';

/** What the program is for, a paragraph. */
export const ABOUT =
  'Downloads what a torrent describes: a .torrent file, its URL, a magnet link, an info hash, or "-" for standard ' +
  'input. An interrupted download goes on where it stopped: run the same command again. A duration is 90, 90s, 5m or ' +
  '2h. Options can also be set by variables such as TORRENT_DL_OUT or TORRENT_DL_DHT=false, and in a file by lines such ' +
  'as "max-peers = 50" or "dht = false"; --print-config shows what holds.';

const ABOUT_COMMANDS =
  'See torrent-dl <command> --help. A torrent whose file is called like one of these is written ./info.';

/** What can be asked of every command. */
export const COMMON: readonly OptionSpec[] = [
  { group: 'Output', flags: '--version', help: 'print the version' },
  { group: 'Output', flags: '-h, --help', help: 'print this help' },
];

/** What `--help` prints: examples first, sub-commands, options by group, exit codes last. */
export function formatHelp(): string {
  const summaries = Object.entries<CommandSpec>(COMMANDS).map(
    ([name, { operand, summary }]) => [`${name} ${operand}`, summary] as const,
  );
  return [
    `${USAGE}\n       torrent-dl <command> [options] …\n`,
    paragraph(ABOUT),
    section('Examples', table(EXAMPLES)),
    section('Commands', `${table(summaries)}\n${paragraph(ABOUT_COMMANDS, '  ')}`),
    ...optionSections([...Object.values<OptionSpec>(OPTIONS), ...COMMON]),
    section('Exit codes', table(EXIT_CODES)),
    '',
  ].join('\n');
}

/** What `torrent-dl <command> --help` prints. */
export function formatCommandHelp(name: string, spec: CommandSpec): string {
  const options = [
    ...Object.values<OptionSpec>(spec.options satisfies OptionTable),
    ...COMMON.map((row) => ({ ...row, group: 'Options' })),
  ];
  return [
    `${commandUsage(name, spec)}\n`,
    paragraph(spec.about),
    section('Examples', table(spec.examples)),
    ...optionSections(options),
    '',
  ].join('\n');
}

/** What a call without operands prints. */
export function formatUsage(): string {
  return `${USAGE}\nTry 'torrent-dl --help' for examples and options.\n`;
}

/** What a sub-command without its operand prints. */
export function formatCommandUsage(name: string, spec: CommandSpec): string {
  return `${commandUsage(name, spec)}\nTry 'torrent-dl ${name} --help' for examples and options.\n`;
}

function commandUsage(name: string, { operand }: CommandSpec): string {
  return `Usage: torrent-dl ${name} [options] ${operand}`;
}

function section(heading: string, body: string): string {
  return `\n${heading}:\n${body}`;
}

function optionSections(options: readonly OptionSpec[]): string[] {
  const groups = [...new Set(options.map((option) => option.group))];
  return groups.map((group) => section(group, table(options.filter((row) => row.group === group).map(columns))));
}

function paragraph(text: string, indent = ''): string {
  return wrap(text, COLUMNS - indent.length)
    .map((line) => indent + line)
    .join('\n');
}

/** Options without a short form are indented, so that the long ones stand below each other. */
function columns(option: OptionSpec): readonly [string, string] {
  const { flags } = option;
  return [flags.startsWith('--') ? `    ${flags}` : flags, helpOf(option)];
}

function table(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows
    .flatMap(([left, right]) =>
      wrap(right, COLUMNS - width - 4).map((line, at) => `  ${(at === 0 ? left : '').padEnd(width)}  ${line}`),
    )
    .join('\n');
}

/** A text in lines of at most `most` characters, broken between words. */
function wrap(text: string, most: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= most) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
