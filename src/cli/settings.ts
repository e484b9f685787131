/** What holds for every run of a user: environment variables and a configuration file, named after the options. */
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { InvalidArgumentError } from 'commander';

import { kebabOf, OPTIONS, type OptionSpec, type OptionTable } from './options.js';
import { wordsOf } from './system-words.js';
import { switchOf } from './values.js';

/** A setting that makes no sense; the message names where it was found. */
export class SettingError extends Error {}

/** A value with the words that it was given in; several when an option is repeatable. */
export interface Setting {
  readonly value: unknown;
  readonly words: readonly string[];
}

export type Settings = ReadonlyMap<string, Setting>;

const PREFIX = 'TORRENT_DL_';

/** Nothing that a person writes is near that size. */
const MOST_LENGTH = 1024 * 1024;

/**
 * What the environment sets of `table`: `TORRENT_DL_OUT` and so on. An empty value is as if it were not there.
 * @throws {SettingError} which names the variable; also of one that is no setting of downloads
 */
export function readEnvironment(table: OptionTable, env: NodeJS.ProcessEnv): Settings {
  const settings = new Map<string, Setting>();
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith(PREFIX) || text === undefined || text === '') continue;
    const key = KEYS.get(name.slice(PREFIX.length).toLowerCase().replaceAll('_', '-'));
    if (key === undefined)
      throw new SettingError(`environment variable ${name}: there is no such setting${hintFor(name)}`);
    const spec = table[key];
    if (!spec || !isSettable(key, spec)) continue;
    const words = spec.isList ? text.trim().split(/\s+/) : [text];
    const where = `environment variable ${name}`;
    settings.set(key, {
      value: words.reduce((value: unknown, word) => readValue(spec, word, value, where), undefined),
      words,
    });
  }
  return settings;
}

/** `TORRENT_DL_NO_DHT` → `; TORRENT_DL_DHT=false does that`. */
function hintFor(name: string): string {
  const positive = name.slice(PREFIX.length + 'NO_'.length);
  const isKnown = name.startsWith(`${PREFIX}NO_`) && KEYS.has(positive.toLowerCase().replaceAll('_', '-'));
  return isKnown ? `; ${PREFIX}${positive}=false does that` : '';
}

/** Where the configuration file is (XDG base directories); a variable that is no absolute path is as if it were not there. */
export function configPath(env: NodeJS.ProcessEnv): string {
  const { XDG_CONFIG_HOME: folder = '' } = env;
  return path.join(path.isAbsolute(folder) ? folder : path.join(homedir(), '.config'), 'torrent-dl', 'config');
}

/**
 * What a configuration file sets of `table`: lines `max-peers = 50`, comment lines that begin with `#`; a line of a
 * repeatable option adds to those before. Settings that are none of `table` but of downloads are passed over.
 * @throws {SettingError} which names file and line; also when the file cannot be read, or is not there and `isRequired`
 */
export function readConfig(table: OptionTable, file: string, isRequired: boolean): Settings {
  return parseConfig(table, file, readLines(file, isRequired));
}

/** The same for the lines of a file that was read; `file` is its name in errors. @throws {SettingError} */
export function parseConfig(table: OptionTable, file: string, lines: readonly string[]): Settings {
  const settings = new Map<string, Setting>();
  for (const [at, line] of lines.entries()) {
    const text = line.trim();
    if (text === '' || text.startsWith('#')) continue;
    const where = `${file}, line ${at + 1}`;
    const [, name, words] = /^([a-z][a-z-]*)\s*=\s*(.*)$/.exec(text) ?? [];
    if (name === undefined || words === undefined) throw new SettingError(`${where}: not "name = value"`);
    const key = KEYS.get(name);
    if (key === undefined) throw new SettingError(`${where}: there is no setting "${name}"`);
    const spec = table[key];
    if (!spec || spec.isFlagOnly) continue;
    const before = settings.get(key);
    const value = readValue(spec, words, before?.value, `${where}: ${name}`);
    settings.set(key, { value, words: Array.isArray(value) && before ? [...before.words, words] : [words] });
  }
  return settings;
}

function readLines(file: string, isRequired: boolean): string[] {
  try {
    const bytes = readFileSync(file);
    if (bytes.length > MOST_LENGTH) throw new SettingError(`${file} is too long for a configuration file`);
    return linesOf(bytes);
  } catch (error) {
    if (error instanceof SettingError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    if (!isRequired && (code === 'ENOENT' || code === 'ENOTDIR')) return [];
    const why = code === 'ENOENT' ? 'no such file' : code === 'EISDIR' ? 'it is a folder' : wordsOf(error as Error);
    throw new SettingError(`cannot read the configuration file ${file}: ${why}`);
  }
}

/** The lines of a text file, whichever way they end. */
export function linesOf(bytes: Uint8Array): string[] {
  return Buffer.from(bytes)
    .toString('utf8')
    .replace(/^\ufeff/, '')
    .split(/\r?\n/);
}

/** Names in configuration files → keys of `OPTIONS`. */
const KEYS: ReadonlyMap<string, string> = new Map(
  Object.entries<OptionSpec>(OPTIONS).flatMap(([key, spec]) => (spec.isFlagOnly ? [] : [[kebabOf(key), key]])),
);

/** Settings are for options of downloads, and for their namesakes of sub-commands. */
export function isSettable(key: string, spec: OptionSpec): boolean {
  return Object.hasOwn(OPTIONS, key) && !spec.isFlagOnly;
}

/** `previous` is what the same setting said before. @throws {SettingError} which names `where` */
function readValue({ parse }: OptionSpec, text: string, previous: unknown, where: string): unknown {
  try {
    return parse ? parse(text, previous as never) : switchOf(text);
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    throw new SettingError(`${where}: ${error.message}`);
  }
}

/**
 * Every setting with its value and where it comes from, as a configuration file that gives the same; what nobody set is
 * a comment. The first of `sources` wins.
 */
export function formatSettings(sources: readonly (readonly [from: string, settings: Settings])[]): string {
  const taken = new Set<string>();
  const sections = sources.flatMap(([from, settings]) => {
    const own = [...settings].filter(([key]) => KEYS.has(kebabOf(key)) && !taken.has(key));
    for (const [key] of own) taken.add(key);
    const lines = own.flatMap(([key, { words }]) => words.map((text) => `${kebabOf(key)} = ${text}\n`));
    return lines.length > 0 ? [`# from ${from}\n${lines.join('')}`] : [];
  });
  const left = [...KEYS].filter(([, key]) => !taken.has(key));
  const lines = left.map(([name, key]) => `# ${name} = ${defaultOf(OPTIONS[key as keyof typeof OPTIONS])}`.trimEnd());
  return [...sections, `# by default\n${lines.join('\n')}\n`].join('\n');
}

function defaultOf({ otherwise, parse, flags }: OptionSpec): string {
  if (otherwise !== undefined) return otherwise;
  return parse ? '' : flags.includes('--no-') ? 'true' : 'false';
}
