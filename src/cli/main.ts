/** The command line's entry. Loads the engine only for a download, so that `--help` is there at once. */
import type { Call } from './commands.js';
import { keepDebugToOurselves } from './debug-names.js';
import { parseCommandLine, type CommandLine } from './parse.js';
import { wordsOf } from './system-words.js';

const EXIT_USAGE = 2;
const EXIT_OUTPUT_FAILED = 5;
const EXIT_OUTPUT_CLOSED = 141; // 128 + SIGPIPE

/** What may still run once all is closed, before the process is ended by force. */
const LINGER_MS = 2000;

/**
 * Runs the program with the words after its name. Sets `process.exitCode` and lets the event loop drain. `keepCode` is
 * called when a download has run the code that is worth keeping compiled.
 */
export async function main(argv: readonly string[], keepCode?: () => Promise<void>): Promise<void> {
  process.stdout.on('error', onOutputError);
  process.stderr.on('error', () => undefined); // nobody is left to tell
  await keepDebugToOurselves();
  process.exitCode = await execute(parseCommandLine(argv), keepCode);
  setTimeout(() => process.exit(), LINGER_MS).unref();
}

async function execute(commandLine: CommandLine, keepCode?: () => Promise<void>): Promise<number> {
  switch (commandLine.kind) {
    case 'text':
      process.stdout.write(commandLine.text);
      return 0;
    case 'usage':
      process.stderr.write(commandLine.text);
      return EXIT_USAGE;
    case 'mistake': {
      const { escapeControl } = await import('../index.js');
      process.stderr.write(`torrent-dl: ${escapeControl(commandLine.message)} (try --help)\n`);
      return EXIT_USAGE;
    }
    case 'command':
      return await call(commandLine);
    case 'download': {
      const { torrents, options } = commandLine;
      if (options.list) {
        const { list } = await import('./list.js');
        return await list(torrents[0]!, options);
      }
      if (options.dryRun) {
        const { dryRun } = await import('./dry-run.js');
        return await dryRun(torrents[0]!, options);
      }
      const [{ run }, { download }] = await Promise.all([import('./run.js'), import('../index.js')]);
      if (!keepCode) return await run(torrents, options, download);
      const { keepingCode } = await import('./warm-code.js');
      return await keepingCode(keepCode, download, (start) => run(torrents, options, start));
    }
  }
}

async function call(given: Call): Promise<number> {
  switch (given.command) {
    case 'info': {
      const { info } = await import('./info.js');
      return await info(given.operand, given.options);
    }
    case 'completion': {
      const { completion } = await import('./completion.js');
      return completion(given.operand);
    }
    case 'create': {
      const { create } = await import('./create.js');
      return await create(given.operand, given.options);
    }
    case 'metadata': {
      const { metadata } = await import('./metadata.js');
      return await metadata(given.operand, given.options);
    }
    case 'verify': {
      const { verify } = await import('./verify.js');
      return await verify(given.operand, given.options);
    }
  }
}

/** Who went away knows; that a disk is full has to be told. */
let isOutputBroken = false;

function onOutputError(error: NodeJS.ErrnoException): void {
  process.exitCode = error.code === 'EPIPE' ? EXIT_OUTPUT_CLOSED : EXIT_OUTPUT_FAILED;
  if (error.code === 'EPIPE' || isOutputBroken) return;
  isOutputBroken = true; // every further write fails as the first did
  process.stderr.write(`torrent-dl: cannot write to standard output: ${wordsOf(error)}\n`);
}
