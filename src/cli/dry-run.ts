/** `--dry-run`: what a download would begin with. */
import {
  checkDownload,
  checkManifest,
  escapeControl,
  TorrentDlError,
  type DryRun,
  type Metainfo,
  type SourceStatus,
} from '../index.js';

import { engineOptions } from './engine-options.js';
import { describeError, exitCodeOf } from './exit.js';
import { factsOfSource } from './facts.js';
import { formatBytes, formatPercent } from './format.js';
import { readTorrent, withoutSecrets } from './inputs.js';
import { jsonLine } from './json.js';
import type { Options } from './options.js';
import { runWork } from './work.js';

const SHOWN_CLASHES = 10;

/** Prints a report on stdout and gives the code that the run would begin with: 0 when it would begin. */
export async function dryRun(operand: string, options: Options): Promise<number> {
  const { out = '.', quiet = false, verbose = false, json = false } = options;
  return await runWork(async (signal) => {
    const result = await checkDownload(operand === '-' ? await readTorrent(process.stdin, signal) : operand, {
      ...engineOptions(options),
      signal,
      onNotice: ({ level, text }) => {
        if (level === 'warning' ? !quiet : verbose) process.stderr.write(`torrent-dl: ${level}: ${text}\n`);
      },
    });
    const problem = result.problem ?? manifestProblem(result.metainfo, options);
    const exitCode = problem ? exitCodeOf(problem) : 0;
    const report = problem ? { ...result, problem } : result;
    if (json) process.stdout.write(jsonLine(factsOf(operand, report, out, exitCode)));
    else if (!quiet) process.stdout.write(format(report, out));
    if (problem) process.stderr.write(`${describeError(problem, Boolean(process.env['DEBUG']))}\n`);
    return exitCode;
  });
}

/** Why a list of digests could not be written. */
function manifestProblem({ files, name }: Metainfo, { manifest, out }: Options): Error | undefined {
  if (!manifest) return undefined;
  const paths = files.map((file) => file.path);
  try {
    checkManifest(paths, { out, name, algorithm: manifest });
    return undefined;
  } catch (error) {
    return error as Error;
  }
}

/** The same for programs: see docs/json.md. */
function factsOf(source: string, result: DryRun, out: string, exitCode: number): object {
  const { metainfo, wanted, disk, problem, isComplete, sources, peers } = result;
  const { clashes, provenLength, unprovenLength, space } = disk;
  return {
    ...{ type: 'dry-run', version: 1, time: new Date().toISOString(), source: withoutSecrets(source) },
    torrent: Buffer.from(metainfo.infoHash).toString('hex'),
    ...{ name: metainfo.name, out, ...wanted },
    ...{ provenLength, unprovenLength, neededLength: space?.needed, freeLength: space?.free },
    clashes: clashes.map(({ code, message }) => ({ code, message })),
    trackers: sources.map(factsOfSource),
    ...{ peers, isComplete, wouldBegin: !problem },
    ...(problem && { code: problem instanceof TorrentDlError ? problem.code : undefined, message: problem.message }),
    exitCode,
  };
}

function format(result: DryRun, out: string): string {
  const { metainfo, wanted, disk, isComplete, sources, peers } = result;
  const { files, totalLength } = wanted;
  const { clashes, provenLength, unprovenLength, space } = disk;
  const share = formatPercent(peers.availability);
  const lines: (readonly [label: string, text: string])[] = [
    ['name', escapeControl(metainfo.name)],
    ['size', `${formatBytes(totalLength)} in ${files === 1 ? '1 file' : `${files} files`}`],
    ['folder', escapeControl(out)],
    ['there', `${formatBytes(provenLength)} proven, ${formatBytes(unprovenLength)} to be checked first`],
    ...(space ? [['space', formatSpace(space)] as const] : []),
    ...clashes.slice(0, SHOWN_CLASHES).map(({ message }) => ['clash', escapeControl(message)] as const),
    ...(clashes.length > SHOWN_CLASHES ? [['', `and ${clashes.length - SHOWN_CLASHES} more`] as const] : []),
    ...sources.map((source) => ['source', escapeControl(formatSource(source))] as const),
    ...(isComplete
      ? []
      : [
          [
            'peers',
            `${peers.answered} of ${peers.known} answered, ${peers.seeds} with everything; ${share} of what is missing`,
          ] as const,
        ]),
    ['result', resultOf(result)],
  ];
  return lines.map(([label, text]) => `${label.padEnd(8)}${text}\n`).join('');
}

function resultOf({ isComplete, problem, disk }: DryRun): string {
  if (isComplete) return 'complete already';
  if (problem) return 'would not begin';
  return disk.isAllThere ? 'would begin, with a check of what is there' : 'would begin';
}

function formatSpace({ needed, free }: NonNullable<DryRun['disk']['space']>): string {
  return `${formatBytes(needed)} needed, ${free === undefined ? 'free space unknown' : `${formatBytes(free)} free`}`;
}

/** `udp://…: 5 peers, 3 seeds, 2 leechers`, or why it says nothing. */
function formatSource({ name, state, peers, seeds, leechers, message }: SourceStatus): string {
  const counts = Object.entries({ peers, seeds, leechers }).flatMap(([noun, count]) =>
    count === undefined ? [] : `${count} ${noun}`,
  );
  const detail = state === 'working' && counts.length > 0 ? counts.join(', ') : (message ?? STATES[state]);
  return `${name}: ${detail}`;
}

const STATES: Readonly<Record<SourceStatus['state'], string>> = {
  idle: 'not asked',
  asking: 'no answer yet',
  working: 'answered',
  failed: 'failed',
};
