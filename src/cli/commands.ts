/** The sub-commands, each declared once: what they take, what they say in the help. `main.ts` runs them. */
import type { ChosenOf, OptionTable } from './options.js';

export interface CommandSpec {
  /** What stands behind its name in the usage; a word in `<…>` has to be there. */
  readonly operand: string;
  /** A few words for lists. */
  readonly summary: string;
  /** A paragraph for its own help. */
  readonly about: string;
  /**
   * An option that is the same object as in `OPTIONS` can also be set by environment and configuration file; one that
   * only has the same name cannot.
   */
  readonly options: OptionTable;
  readonly examples: readonly (readonly [command: string, meaning: string])[];
  /** What the operand can be, when that is a word of ours. */
  readonly choices?: readonly string[];
}

const JSON_OPTION = { group: 'Options', flags: '--json', help: 'print one JSON object' } as const;

export const COMMANDS = {
  info: {
    operand: '<torrent>',
    summary: 'show what a torrent or a magnet link says',
    about:
      'Shows what a torrent says: name, info hash, magnet link, sizes, files, trackers, web seeds. ' +
      'The torrent is a file, its URL, a magnet link, or "-" for standard input. No peer is asked.',
    options: { json: JSON_OPTION },
    examples: [
      ['torrent-dl info debian.torrent', 'for people'],
      ['torrent-dl info --json - <x.torrent | jq .infoHash', 'for programs'],
    ],
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

export function isCommandName(word: string | undefined): word is CommandName {
  return word !== undefined && Object.hasOwn(COMMANDS, word);
}
