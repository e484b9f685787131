/** The man page, made from the tables; `npm run build` writes it. */
import { COMMANDS, type CommandSpec } from './commands.js';
import { ABOUT, COMMON, EXAMPLES, EXIT_CODES } from './help.js';
import { helpOf, OPTIONS, type OptionSpec } from './options.js';

/** torrent-dl(1) in the macros of man(7). `date` is that of the page. */
export function formatManPage(version: string, date: Date): string {
  const options = [...Object.values<OptionSpec>(OPTIONS), ...COMMON];
  return [
    `.TH TORRENT-DL 1 ${date.toISOString().slice(0, 10)} "torrent-dl ${version}"`,
    '.SH NAME',
    `torrent-dl \\- ${escaped('download what a torrent describes')}`,
    '.SH SYNOPSIS',
    '.B torrent-dl',
    escaped('[options] <torrent>'),
    ...Object.entries<CommandSpec>(COMMANDS).flatMap(([name, { operand }]) => [
      '.br',
      `.B torrent-dl ${name}`,
      escaped(`[options] ${operand}`),
    ]),
    '.SH DESCRIPTION',
    escaped(ABOUT),
    '.SH OPTIONS',
    ...optionList(options),
    '.SH COMMANDS',
    escaped('A torrent whose file is called like one of these is written ./info.'),
    ...Object.entries<CommandSpec>(COMMANDS).flatMap(commandSection),
    '.SH "EXIT STATUS"',
    ...EXIT_CODES.flatMap(([codes, meaning]) => ['.TP', `.B ${escaped(codes)}`, escaped(meaning)]),
    '.SH EXAMPLES',
    ...exampleList(EXAMPLES),
    '',
  ].join('\n');
}

function commandSection([name, { operand, about, options, examples }]: [string, CommandSpec]): string[] {
  return [
    `.SS "torrent\\-dl ${name} ${escaped(operand)}"`,
    escaped(about),
    ...optionList(Object.values(options)),
    ...exampleList(examples),
  ];
}

function optionList(options: readonly OptionSpec[]): string[] {
  return options.flatMap((option) => ['.TP', `.B ${escaped(option.flags)}`, escaped(`${helpOf(option)}.`)]);
}

function exampleList(examples: readonly (readonly [command: string, meaning: string])[]): string[] {
  return examples.flatMap(([command, meaning]) => ['.TP', `.B ${escaped(command)}`, escaped(meaning)]);
}

/** Text that roff shows as it is: no command, no ligature of dashes, no byte that an old one cannot read. */
function escaped(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll("'", '\\(aq')
    .replaceAll('"', '\\(dq')
    .replace(/^\./, '\\&.')
    .replace(
      /[^\x20-\x7e]/gu,
      (character) => `\\[u${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}]`,
    );
}
