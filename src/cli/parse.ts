/** Words of the command line → what they ask for. The tables say what there is; this knows how it is spelled. */
import { readFileSync } from 'node:fs';
import { Command, CommanderError, Option } from 'commander';

import { COMMANDS, isCommandName, type Call, type CommandName, type CommandSpec } from './commands.js';
import { formatCommandHelp, formatCommandUsage, formatHelp, formatUsage } from './help.js';
import { OPTIONS, wantsToSeed, type Options, type OptionTable } from './options.js';
import { configPath, formatSettings, isSettable, readConfig, readEnvironment, SettingError } from './settings.js';
import type { Setting, Settings } from './settings.js';

/** What a command line asks for: a download, a sub-command, or some text to print. */
export type CommandLine =
  | { readonly kind: 'download'; readonly torrents: readonly string[]; readonly options: Options }
  | ({ readonly kind: 'command' } & Call)
  | { readonly kind: 'text'; readonly text: string }
  | Mistake
  | { readonly kind: 'usage'; readonly text: string };

interface Mistake {
  readonly kind: 'mistake';
  readonly message: string;
}

/** Reads the words after the program's name. Never throws on what a user can type. */
export function parseCommandLine(argv: readonly string[], env: NodeJS.ProcessEnv = process.env): CommandLine {
  const [first] = argv;
  return isCommandName(first) ? parseCall(first, argv.slice(1), env) : parseDownload(argv, env);
}

function parseDownload(argv: readonly string[], env: NodeJS.ProcessEnv): CommandLine {
  const words = readWords('torrent-dl', OPTIONS, argv, env, formatHelp);
  if (words.kind !== 'words') return words;
  const { operands: torrents, options } = words;
  const [torrent] = torrents;
  const { inputFile: lists = [] } = options as Options;
  if (torrent === undefined && lists.length === 0) return { kind: 'usage', text: formatUsage() };
  if (torrents.includes('')) return mistake('the name of the torrent is empty');
  if (isCommandName(torrent) && !argv.includes('--')) {
    return mistake(`a sub-command goes first: torrent-dl ${torrent} …; a file of that name is written ./${torrent}`);
  }
  if ([...torrents, ...lists].filter((word) => word === '-').length > 1) {
    return mistake('standard input can be read once only: - stands there twice');
  }
  const isSeveral = torrents.length !== 1 || lists.length > 0;
  const single = isSeveral ? whatIsForOne(options) : undefined;
  if (single !== undefined) return mistake(`${single} is for one torrent, not for several`);
  return { kind: 'download', torrents, options };
}

/** The first option that makes no sense with several torrents. */
function whatIsForOne({ list, dryRun, out, name }: Options): string | undefined {
  if (list) return '--list';
  if (dryRun) return '--dry-run';
  if (out === '-') return '-o -';
  return name === undefined ? undefined : '--name';
}

function parseCall(command: CommandName, argv: readonly string[], env: NodeJS.ProcessEnv): CommandLine {
  const spec: CommandSpec = COMMANDS[command];
  const words = readWords(`torrent-dl ${command}`, spec.options, argv, env, () => formatCommandHelp(command, spec));
  if (words.kind !== 'words') return words;
  const [operand, ...others] = words.operands;
  if (operand === undefined) return { kind: 'usage', text: formatCommandUsage(command, spec) };
  if (operand === '') return mistake(`${spec.operand} is empty`);
  if (others.length > 0) return mistake(`${command}: one ${spec.operand} is expected, not several`);
  if (spec.choices?.includes(operand) === false) {
    return mistake(`${command}: ${spec.operand} is one of ${spec.choices.join(', ')}, not "${operand}"`);
  }
  return { kind: 'command', command, operand, options: words.options };
}

type Words =
  | Mistake
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'words'; readonly operands: readonly string[]; readonly options: Record<string, unknown> };

/** Options and operands, in whatever order; for `--help` and `--version` their text. */
function readWords(
  name: string,
  table: OptionTable,
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
  helpText: () => string,
): Words {
  let printed = '';
  const program = new Command(name)
    .argument('[operands...]')
    .helpOption('-h, --help')
    .version(`torrent-dl ${packageVersion()}`, '--version')
    .configureHelp({ formatHelp: helpText })
    .configureOutput({ writeOut: (text) => (printed += text), outputError: () => undefined })
    .exitOverride();
  const given = addOptions(program, table);
  try {
    program.parse(argv, { from: 'user' });
    const { config, printConfig, ...flags } = program.opts<Flags>();
    const sources = settingsOf(table, config, env);
    if (printConfig) return { kind: 'text', text: formatSettings([['the command line', given(flags)], ...sources]) };
    const options: Record<string, unknown> = {};
    for (const [, settings] of sources.toReversed()) overlay(options, valuesOf(settings)); // the stronger last
    overlay(options, flags);
    const isStream = options['out'] === '-';
    if (flags['tar'] && !isStream) return mistake('--tar goes with -o -');
    if (flags['window'] !== undefined && !isStream) return mistake('--window goes with -o -');
    if (isStream && (options['onFile'] ?? options['onComplete'] ?? options['manifest'])) {
      return mistake('--on-file, --on-complete and --manifest need files, so they do not go with -o -');
    }
    if (flags['atomic'] && isStream) return mistake('--atomic needs files, so it does not go with -o -');
    if (flags['dryRun'] && isStream) return mistake('--dry-run looks at a folder, so it does not go with -o -');
    if (isStream && wantsToSeed(options)) return mistake('--seed needs files, so it does not go with -o -');
    if (options['quiet'] && options['verbose']) return mistake('--quiet and --verbose exclude each other');
    const clash = clashOf(options);
    if (clash !== undefined) return mistake(clash);
    return { kind: 'words', operands: program.args, options };
  } catch (error) {
    if (error instanceof SettingError) return mistake(error.message);
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? { kind: 'text', text: printed } : mistake(reword(error));
  }
}

/** Why these options do not go together: standard output is there once. */
function clashOf({ json, print, print0, list, out }: Record<string, unknown>): string | undefined {
  const printing = print ? '--print' : '--print0';
  if (print && print0) return '--print and --print0 exclude each other';
  if ((print ?? print0) && json) return `${printing} does not go with --json, which tells of each file too`;
  if ((print ?? print0) && out === '-')
    return `${printing} does not go with -o -, where standard output is for the data`;
  if (list && json) return '--list is for people; torrent-dl info --json lists the files for programs';
  return undefined;
}

/** What commander gives: `--no-config` makes `config` false. */
interface Flags extends Record<string, unknown> {
  readonly config?: string | false;
  readonly printConfig?: boolean;
}

/** What environment and configuration file set, the stronger first. `config` is a file, or false for none. */
function settingsOf(
  table: OptionTable,
  config: string | false | undefined,
  env: NodeJS.ProcessEnv,
): (readonly [from: string, settings: Settings])[] {
  if (!Object.entries(table).some(([key, spec]) => isSettable(key, spec))) return []; // a wrong file is none of its business
  const environment = ['the environment', readEnvironment(table, env)] as const;
  if (config === false) return [environment];
  const file = config ?? configPath(env);
  return [environment, [file, readConfig(table, file, config !== undefined)]];
}

/** Puts what is stronger above; `quiet` of the environment gives way to a `--verbose`, and the other way round. */
function overlay(options: Record<string, unknown>, stronger: Record<string, unknown>): void {
  if (stronger['quiet']) delete options['verbose'];
  if (stronger['verbose']) delete options['quiet'];
  Object.assign(options, stronger);
}

function valuesOf(settings: Settings): Record<string, unknown> {
  return Object.fromEntries([...settings].map(([key, { value }]) => [key, value]));
}

/** Gives what tells, after parsing, in which words the settings among the flags were given. */
function addOptions(program: Command, table: OptionTable): (flags: Record<string, unknown>) => Settings {
  const words = new Map<string, string[]>();
  for (const { flags, help, parse } of Object.values(table)) {
    const option = new Option(flags, help);
    const positive = `--${option.name().replace(/^no-/, '')}`;
    // First, or the switch is on by default; it takes back what the environment says.
    if (option.negate && !program.options.some(({ long }) => long === positive)) {
      program.addOption(new Option(positive));
    }
    const key = option.attributeName();
    if (parse) {
      option.argParser((text: string, previous: unknown) => {
        const value = parse(text, previous as never);
        words.set(key, Array.isArray(value) ? [...(words.get(key) ?? []), text] : [text]);
        return value;
      });
    }
    program.addOption(option);
  }
  return (flags) => {
    const settings = Object.entries(flags).filter(([key]) => table[key] && isSettable(key, table[key]));
    return new Map<string, Setting>(
      settings.map(([key, value]) => [key, { value, words: words.get(key) ?? [String(value)] }]),
    );
  };
}

function mistake(message: string): Mistake {
  return { kind: 'mistake', message };
}

/** Commander's message as one of ours: lower case, one line, and of a URL, which may hold a passkey, only the scheme. */
function reword({ message }: CommanderError): string {
  return message
    .replace(/^error: /, '')
    .replace(/(:\/\/|magnet:).*(?=')/is, '$1…')
    .replace(' is invalid. ', ': ')
    .replaceAll('\n', ' ');
}

function packageVersion(): string {
  const file = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(file) as { version: string }).version;
}
