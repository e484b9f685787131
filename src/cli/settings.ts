/** What holds for every run of a user: environment variables, named after the options that they stand for. */
import { InvalidArgumentError } from 'commander';

import { kebabOf, OPTIONS, type OptionSpec, type OptionTable } from './options.js';
import { switchOf } from './values.js';

/** A setting that makes no sense; the message names where it was found. */
export class SettingError extends Error {}

/** What the environment sets of `table`: `TORRENT_DL_OUT` and so on. An empty value is as if it were not there. */
export function readEnvironment(table: OptionTable, env: NodeJS.ProcessEnv): Record<string, unknown> {
  const settings: Record<string, unknown> = {};
  for (const [key, spec] of settable(table)) {
    const name = variableOf(key);
    const value = env[name];
    if (value === undefined || value === '') continue;
    settings[key] = readValue(spec, value, undefined, `environment variable ${name}`);
  }
  return settings;
}

/** The options that settings are for: those of downloads, and their namesakes of sub-commands. */
function settable(table: OptionTable): [key: string, spec: OptionSpec][] {
  return Object.entries(table).filter(([key, spec]) => Object.hasOwn(OPTIONS, key) && !spec.isFlagOnly);
}

/** `previous` is what the same setting said before. @throws {SettingError} which names `where` */
function readValue({ parse }: OptionSpec, value: string, previous: unknown, where: string): unknown {
  try {
    return parse ? parse(value, previous as never) : switchOf(value);
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    throw new SettingError(`${where}: ${error.message}`);
  }
}

/** `maxPeers` → `TORRENT_DL_MAX_PEERS` */
export function variableOf(key: string): string {
  return `TORRENT_DL_${kebabOf(key).replaceAll('-', '_').toUpperCase()}`;
}
