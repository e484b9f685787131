/** What every sub-command has in common: signals stop it, an error is a line on stderr and an exit code. */
import { format } from 'node:util';
import debug from 'debug';

import { OutputClosedError, readSource, UsageError, isMagnetLink, type Magnet, type Metainfo } from '../index.js';

import { describeError, exitCodeOf } from './exit.js';
import { readTorrent } from './inputs.js';
import { StopSignals } from './signals.js';

/** Runs `work` and gives the exit code; a signal aborts what `work` is given. */
export async function runWork(work: (signal: AbortSignal) => Promise<number>): Promise<number> {
  using signals = new StopSignals(
    process,
    () => undefined,
    (code) => process.exit(code),
  );
  debug.log = (...values: unknown[]) => process.stderr.write(`${format(...values)}\n`);
  try {
    const exitCode = await work(signals.signal);
    return signals.exitCode ?? exitCode;
  } catch (error) {
    if (signals.exitCode !== undefined) return signals.exitCode;
    const isTold = !(error instanceof OutputClosedError); // who closed it knows
    if (isTold) process.stderr.write(`${describeError(error, Boolean(process.env['DEBUG']))}\n`);
    return exitCodeOf(error);
  }
}

/** What an operand names: a path, a URL, a link, or `-` for standard input. */
export async function readOperand(operand: string, signal: AbortSignal): Promise<Metainfo | Magnet> {
  return await readSource(operand === '-' ? await readTorrent(process.stdin, signal) : operand, signal);
}

/** The same, of which the files are known. @throws {UsageError} for a magnet link */
export async function readMetainfoOf(operand: string, signal: AbortSignal): Promise<Metainfo> {
  const torrent = await readOperand(operand, signal);
  if (!isMagnetLink(torrent)) return torrent;
  throw new UsageError(
    'ERR_NO_METADATA',
    'the files of a magnet link are known to peers only; get its torrent first: torrent-dl metadata LINK -o x.torrent',
  );
}
