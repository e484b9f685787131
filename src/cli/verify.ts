/** `torrent-dl verify`: are the files on disk what the torrent says? */
import {
  download,
  escapeControl,
  verifyTorrent,
  type FileReport,
  type FileState,
  type Metainfo,
  type VerifyReport,
} from '../index.js';

import type { OptionsOfCall } from './commands.js';
import { formatBytes } from './format.js';
import { HashLine } from './hash-line.js';
import { jsonLine } from './json.js';
import { run } from './run.js';
import { readMetainfoOf, runWork } from './work.js';

const EXIT_UNREADABLE = 5;
const EXIT_DAMAGED = 6;

/**
 * Prints a report on stdout and gives the exit code: 0, 5 when something cannot be read, 6 when something is wrong. With
 * `repair` it then downloads what is not right, and the exit code is that of the download.
 */
export async function verify(operand: string, options: OptionsOfCall<'verify'>): Promise<number> {
  const { out = '.', quiet = false, json = false, repair = false } = options;
  let damaged: Metainfo | undefined;
  const verified = await runWork(async (signal) => {
    const metainfo = await readMetainfoOf(operand, signal);
    let report: VerifyReport;
    let work: string;
    {
      using line = new HashLine(process.stderr, process.env, quiet);
      report = await verifyTorrent(metainfo, out, { signal, onProgress: line.update });
      work = line.summary();
    }
    const exitCode = exitCodeOf(report);
    if (json) process.stdout.write(jsonLine(factsOf(report, out, exitCode)));
    else if (!quiet) process.stdout.write(format(report, work));
    if (!report.isComplete) damaged = metainfo;
    return exitCode;
  });
  if (!repair || !damaged) return verified;
  const torrent = damaged; // read once: it may have come by standard input
  const named = operand === '-' ? 'standard input' : operand;
  return await run([named], { ...options, out, recheck: true }, (_source, given) => download(torrent, given));
}

/** Unreadable goes first: who mends that can ask again. */
function exitCodeOf({ files, isComplete }: VerifyReport): number {
  if (files.some(({ state }) => state === 'unreadable')) return EXIT_UNREADABLE;
  return isComplete ? 0 : EXIT_DAMAGED;
}

function factsOf({ metainfo, pieces, files, isComplete }: VerifyReport, out: string, exitCode: number): object {
  const { count, ok, corrupt, missing } = pieces;
  return {
    ...{
      type: 'verify',
      version: 1,
      name: metainfo.name,
      infoHash: Buffer.from(metainfo.infoHash).toString('hex'),
      out,
    },
    isComplete,
    pieces: { count, ok, corrupt, missing },
    files,
    exitCode,
  };
}

const STATE_WIDTH = 'unreadable'.length;

/** A line for each file, and one for all. */
function format({ metainfo, pieces, files }: VerifyReport, work: string): string {
  const lines = files.map((file) => {
    return `${file.state.padEnd(STATE_WIDTH)}  ${escapeControl(file.path)}${detailOf(file)}\n`;
  });
  const counts = new Map<FileState, number>();
  for (const { state } of files) counts.set(state, (counts.get(state) ?? 0) + 1);
  const states = [...counts].map(([state, count]) => `${count} ${state}`).join(', ');
  const name = escapeControl(metainfo.name);
  return `${lines.join('')}${name}: ${states || 'no files'}; ${pieces.ok} of ${pieces.count} pieces ok\nhashed ${work}\n`;
}

function detailOf({ state, size = 0, length, pieces, badPieces, reason }: FileReport): string {
  switch (state) {
    case 'ok':
    case 'missing':
      return '';
    case 'damaged':
      return `: ${badPieces} of ${pieces} pieces wrong`;
    case 'unproven':
      return ': it shares a piece with a file that is not all there';
    case 'too short':
    case 'too long':
      return `: ${formatBytes(size)} of ${formatBytes(length)} (${size} of ${length} bytes)`;
    case 'unreadable':
      return `: ${escapeControl(reason ?? 'unknown reason')}`;
  }
}
