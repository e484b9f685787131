import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { COMMANDS } from '../../src/cli/commands.js';
import { formatManPage } from '../../src/cli/man.js';
import { OPTIONS, type OptionTable } from '../../src/cli/options.js';
import { execute, tempFolder } from './execute.js';

const folder = await tempFolder();
mkdirSync(path.join(folder, 'some folder'));
writeFileSync(path.join(folder, 'some file'), '');

function without(program: string): string | false {
  return spawnSync(program, ['--version']).error ? `${program} is not installed` : false;
}

async function scriptFor(shell: string): Promise<string> {
  const { code, stdout, stderr } = await execute(['completion', shell]);
  assert.deepEqual([code, stderr], [0, '']);
  const file = path.join(folder, `completion.${shell}`);
  writeFileSync(file, stdout);
  return file;
}

test('bash completes commands, options, folders and files where they belong', { skip: without('bash') }, async () => {
  const file = await scriptFor('bash');
  const complete = (...words: string[]): string[] => {
    const code = `source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _torrent_dl; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const text = execFileSync('bash', ['--norc', '-c', code, file, 'torrent-dl', ...words], {
      cwd: folder,
      encoding: 'utf8',
    });
    return text.split('\n').filter(Boolean);
  };
  assert.deepEqual(complete('inf'), ['info']);
  assert.deepEqual(complete('--stall'), ['--stall-timeout']);
  assert.deepEqual(complete('verify', '--js'), ['--json']);
  assert.deepEqual(complete('verify', '--seed'), []);
  assert.deepEqual(complete('-o', 'some'), ['some folder']);
  assert.deepEqual(complete('--out', '=', 'some'), ['some folder']);
  assert.deepEqual(complete('create', '-o', 'some').sort(), ['some file', 'some folder']);
  assert.deepEqual(complete('info', 'some').sort(), ['some file', 'some folder']);
  assert.deepEqual(complete('--port', ''), []);
  assert.deepEqual(complete('completion', ''), ['bash', 'zsh', 'fish']);
  for (const name of Object.keys(COMMANDS)) assert.ok(complete('').includes(name), name);
});

test(
  'zsh reads the script, and asks for the options of the command that was typed',
  { skip: without('zsh') },
  async () => {
    const file = await scriptFor('zsh');
    const ask = (current: number, ...words: string[]): string => {
      const stubs = `compdef() { :; }; _describe() { print -l "describe $4" $commands; }; _arguments() { print -l -- "$@"; }`;
      const code = `${stubs}; file=$1; shift; CURRENT=$1; shift; words=("$@"); source $file; _torrent_dl`;
      return execFileSync('zsh', ['-f', '-c', code, 'zsh', file, String(current), 'torrent-dl', ...words], {
        encoding: 'utf8',
      });
    };
    assert.match(ask(2, ''), /info:show what[^]*\*--stall-timeout=\[give up after so long without data\]:value: \n/);
    const verify = ask(3, 'verify', '');
    assert.match(verify, /\*-o\+\[[^\]]*\]:folder:_files -\/\n\*--out=\[/);
    assert.doesNotMatch(verify, /--seed/);
    assert.match(ask(3, 'completion', ''), /1:word:\(bash zsh fish\)/);
    assert.match(ask(3, 'x.torrent', ''), /--seed/);
  },
);

test('fish completes commands and options', { skip: without('fish') }, async () => {
  const file = await scriptFor('fish');
  const complete = (line: string): string[] =>
    execFileSync('fish', ['--no-config', '-c', 'source $argv[1]; complete -C $argv[2]', file, line], {
      cwd: folder,
      encoding: 'utf8',
      env: { ...process.env, HOME: folder },
    })
      .split('\n')
      .filter(Boolean)
      .map((row) => row.split('\t')[0]!);
  assert.deepEqual(complete('torrent-dl inf'), ['info']);
  assert.deepEqual(complete('torrent-dl --stall'), ['--stall-timeout']);
  assert.deepEqual(complete('torrent-dl verify --js'), ['--json']);
  assert.deepEqual(complete('torrent-dl verify --see'), []);
  assert.deepEqual(complete('torrent-dl completion ').sort(), ['bash', 'fish', 'zsh']);
});

test('a shell that we do not know is refused by name', async () => {
  const { code, stderr } = await execute(['completion', 'tcsh']);
  assert.equal(code, 2);
  assert.match(stderr, /completion: <shell> is one of bash, zsh, fish, not "tcsh"/);
});

test('the man page names every option and command', () => {
  const page = formatManPage('1.2.3', new Date(0));
  assert.match(page, /^\.TH TORRENT-DL 1 1970-01-01 "torrent-dl 1\.2\.3"\n/);
  assert.match(page, /^[\x20-\x7e\n]*$/);
  const tables: OptionTable[] = [OPTIONS, ...Object.values(COMMANDS).map(({ options }) => options)];
  for (const { flags } of tables.flatMap((table) => Object.values(table))) {
    assert.ok(page.includes(`\n.B ${flags.replaceAll('-', '\\-')}\n`), flags);
  }
  for (const name of Object.keys(COMMANDS)) assert.ok(page.includes(`\n.SS "torrent\\-dl ${name} `), name);
});

test('a linter of man pages finds nothing in it', { skip: without('mandoc') }, () => {
  const page = readFileSync(new URL('../../dist/man/torrent-dl.1', import.meta.url));
  const { status, stdout } = spawnSync('mandoc', ['-Tlint', '-W', 'warning'], { input: page, encoding: 'utf8' });
  assert.equal(stdout, '');
  assert.equal(status, 0);
});
