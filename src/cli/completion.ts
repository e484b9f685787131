/** `torrent-dl completion`: what a shell needs to complete our words, made from the tables. */
import { Option } from 'commander';

import { COMMANDS, type CommandSpec } from './commands.js';
import { COMMON } from './help.js';
import { OPTIONS, type OptionSpec, type OptionTable } from './options.js';

/** What stands in the place of an option's value. */
type ValueKind = 'none' | 'folder' | 'file' | 'other';

/** An option as shells want it. */
interface Switch {
  readonly short?: string;
  readonly long: string;
  readonly help: string;
  readonly value: ValueKind;
}

/** A command with its options; the main one has no name. */
interface Words {
  readonly name: string;
  readonly summary: string;
  readonly switches: readonly Switch[];
  readonly choices?: readonly string[] | undefined;
}

const SHELLS = { bash: formatBash, zsh: formatZsh, fish: formatFish } as const;

/** Prints the script on stdout and gives the exit code. */
export function completion(shell: string): number {
  process.stdout.write(SHELLS[shell as keyof typeof SHELLS](allWords()));
  return 0;
}

function allWords(): Words[] {
  const commands = Object.entries<CommandSpec>(COMMANDS).map(([name, { summary, options, choices }]) => {
    return { name, summary, switches: switchesOf(options), choices };
  });
  return [{ name: '', summary: '', switches: switchesOf(OPTIONS) }, ...commands];
}

function switchesOf(table: OptionTable): Switch[] {
  return [...Object.values(table), ...COMMON].map(({ flags, help }: OptionSpec) => {
    const { short, long } = new Option(flags);
    const kind = /<(\w+)/.exec(flags)?.[1];
    const value = kind === undefined ? 'none' : kind === 'dir' ? 'folder' : kind === 'file' ? 'file' : 'other';
    return { ...(short !== undefined && { short }), long: long!, help, value };
  });
}

// ── bash ────────────────────────────────────────────────────────────────────────────────────────────────────────────

function formatBash(all: readonly Words[]): string {
  const [main, ...commands] = all;
  const branch = ({ name, switches, choices = [] }: Words): string => {
    const flags = switches.flatMap(({ short, long }) => (short === undefined ? [long] : [short, long]));
    const taking = (kind: ValueKind): string =>
      switches
        .filter(({ value }) => value === kind)
        .flatMap(({ short, long }) => (short === undefined ? [long] : [short, long]))
        .join(' ');
    return [
      `    ${name === '' ? '*' : name})`,
      `      options='${flags.join(' ')}'`,
      `      folders='${taking('folder')}' files='${taking('file')}' others='${taking('other')}'`,
      `      choices='${choices.join(' ')}' ;;`,
    ].join('\n');
  };
  return `# bash completion of torrent-dl; in ~/.bashrc: eval "$(torrent-dl completion bash)"
_torrent_dl() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]}
  local options folders files others choices commands='${commands.map(({ name }) => name).join(' ')}'
  if [[ $current == = ]]; then
    current=
  elif [[ $previous == = ]]; then
    previous=\${COMP_WORDS[COMP_CWORD-2]}
  fi
  case \${COMP_WORDS[1]} in
${[...commands, main!].map(branch).join('\n')}
  esac
  COMPREPLY=()
  if [[ " $folders " == *" $previous "* ]]; then
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -d -- "$current")
  elif [[ " $files " == *" $previous "* ]]; then
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
  elif [[ " $others " == *" $previous "* ]]; then
    return
  elif [[ $current == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
  elif [[ -n $choices ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$current")
  else
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(
      [[ $COMP_CWORD -eq 1 ]] && compgen -W "$commands" -- "$current"
      compgen -f -- "$current"
    )
  fi
}
complete -F _torrent_dl torrent-dl
`;
}

// ── zsh ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

function formatZsh(all: readonly Words[]): string {
  const [main, ...commands] = all;
  const actions = { folder: ':folder:_files -/', file: ':file:_files', other: ':value: ', none: '' } as const;
  const specs = ({ switches }: Words): string[] =>
    switches.flatMap(({ short, long, help, value }) => {
      const text = help.replace(/[[\]:\\]/g, '\\$&');
      return (short === undefined ? [long] : [short, long]).map((flag) => {
        const glued = value === 'none' ? '' : flag.startsWith('--') ? '=' : '+';
        return inQuotes(`*${flag}${glued}[${text}]${actions[value]}`);
      });
    });
  const branch = (words: Words): string => {
    const operand = words.choices ? `1:word:(${words.choices.join(' ')})` : '*:file:_files';
    const body = [...specs(words), inQuotes(operand)].map((spec) => ` \\\n        ${spec}`).join('');
    return `      ${words.name})\n        _arguments -s -S${body}\n        return ;;`;
  };
  const list = commands.map(({ name, summary }) => `    ${inQuotes(`${name}:${summary}`)}`).join('\n');
  return `#compdef torrent-dl
# zsh completion of torrent-dl; in ~/.zshrc, after compinit: eval "$(torrent-dl completion zsh)"
_torrent_dl() {
  local -a commands=(
${list}
  )
  if (( CURRENT > 2 )); then
    local command=$words[2]
    case $command in
      ${commands.map(({ name }) => name).join('|')}) shift words; (( CURRENT-- )) ;;
    esac
    case $command in
${commands.map(branch).join('\n')}
    esac
  else
    _describe -t commands command commands
  fi
  _arguments -s -S${specs(main!)
    .map((spec) => ` \\\n    ${spec}`)
    .join('')} \\
    '*:torrent:_files'
}
if [[ \${funcstack[1]} == _torrent_dl ]]; then
  _torrent_dl "$@"
else
  compdef _torrent_dl torrent-dl
fi
`;
}

// ── fish ────────────────────────────────────────────────────────────────────────────────────────────────────────────

function formatFish(all: readonly Words[]): string {
  const [main, ...commands] = all;
  const names = commands.map(({ name }) => name).join(' ');
  const actions = { folder: " -x -a '(__fish_complete_directories)'", file: ' -r -F', other: ' -x', none: '' } as const;
  const lines = (condition: string, { switches, choices }: Words): string[] => [
    ...switches.map(({ short, long, help, value }) => {
      const flags = `${short === undefined ? '' : ` -s ${short.slice(1)}`} -l ${long.slice(2)}`;
      return `complete -c torrent-dl -n ${condition}${flags}${actions[value]} -d ${inQuotes(help)}`;
    }),
    ...(choices ? [`complete -c torrent-dl -n ${condition} -f -a '${choices.join(' ')}'`] : []),
  ];
  return [
    '# fish completion of torrent-dl; in config.fish: torrent-dl completion fish | source',
    ...commands.map(
      ({ name, summary }) => `complete -c torrent-dl -n __fish_use_subcommand -a ${name} -d ${inQuotes(summary)}`,
    ),
    ...lines(`'not __fish_seen_subcommand_from ${names}'`, main!),
    ...commands.flatMap((words) => lines(`'__fish_seen_subcommand_from ${words.name}'`, words)),
    '',
  ].join('\n');
}

/** One word, whatever is in it, for zsh and fish: `'it'\''s'`. */
function inQuotes(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
