/** The texts of `--help` and of a call without operands; at most 80 columns. */

const COLUMNS = 80;

/** A row of the help: an option under a heading. */
export interface HelpRow {
  readonly group: string;
  readonly flags: string;
  readonly help: string;
}

/** Exit codes and what they mean, as `exit.ts` gives them. */
export const EXIT_CODES: readonly (readonly [codes: string, meaning: string])[] = [
  ['0', 'every file is complete and verified'],
  ['1', 'a bug; please report it'],
  ['2', 'wrong option or argument'],
  ['3', 'the torrent is not valid'],
  ['4', 'nobody to download from'],
  ['5', 'files cannot be read or written'],
  ['6', 'the data does not match its hashes'],
  ['7', 'a time limit passed; run again to resume'],
  ['129, 130, 143', 'stopped by SIGHUP, SIGINT, SIGTERM; run again to resume'],
  ['141', 'the reader of standard output went away'],
];

const EXAMPLES: readonly (readonly [command: string, meaning: string])[] = [
  ['torrent-dl debian.torrent', 'download into the current folder'],
  ['torrent-dl -o ~/iso debian.torrent', '… into another folder'],
  ['torrent-dl --seed debian.torrent', '… and share it until Ctrl-C'],
  ["torrent-dl 'magnet:?xt=urn:btih:…'", 'what a magnet link stands for'],
  ['torrent-dl https://example.org/x', 'a torrent by its URL'],
  ['curl -sL URL | torrent-dl -q -o iso -', 'from standard input, no output'],
];

const USAGE = 'Usage: torrent-dl [options] <torrent>';

/** What `--help` prints: examples first, options by group, exit codes last. */
export function formatHelp(options: readonly HelpRow[]): string {
  const groups = [...new Set(options.map((option) => option.group))];
  const sections = [
    ['Examples:', table(EXAMPLES)],
    ...groups.map((group) => [`${group}:`, table(options.filter((row) => row.group === group).map(columns))]),
    ['Exit codes:', table(EXIT_CODES)],
  ];
  return [
    USAGE,
    '',
    'Downloads what a torrent describes: a .torrent file, its URL, a magnet link or',
    'an info hash. An interrupted download goes on where it stopped: run the same',
    'command again. A duration is 90, 90s, 5m or 2h. Options can be set by variables',
    'such as TORRENT_DL_OUT or TORRENT_DL_DHT=false, too.',
    ...sections.map(([heading, body]) => `\n${heading}\n${body}`),
    '',
  ].join('\n');
}

/** What a call without operands prints. */
export function formatUsage(): string {
  return `${USAGE}\nTry 'torrent-dl --help' for examples and options.\n`;
}

/** Options without a short form are indented, so that the long ones stand below each other. */
function columns({ flags, help }: HelpRow): readonly [string, string] {
  return [flags.startsWith('--') ? `    ${flags}` : flags, help];
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
