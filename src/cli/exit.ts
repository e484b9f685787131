/** Errors → what the user reads and the exit code. */
import {
  DiskError,
  escapeControl,
  HookError,
  MetainfoError,
  NoSourceError,
  OutputClosedError,
  TimeLimitError,
  TorrentDlError,
  UsageError,
  VerifyError,
  type Diagnosis,
} from '../index.js';

import { linesOfDiagnosis } from './diagnosis.js';

const CODES = [
  [UsageError, 2],
  [MetainfoError, 3],
  [NoSourceError, 4],
  [DiskError, 5],
  [VerifyError, 6],
  [TimeLimitError, 7],
  [HookError, 8],
  [OutputClosedError, 141], // 128 + SIGPIPE
] as const;

/** Exit code of a bug: whatever no other code stands for. */
export const EXIT_BUG = 1;

const SHOWN_CAUSES = 3;

/** The exit code for what ended a download (see `EXIT_CODES` in help.ts). */
export function exitCodeOf(error: unknown): number {
  return CODES.find(([type]) => error instanceof type)?.[1] ?? EXIT_BUG;
}

/** Its stable name, for programs. */
export function codeOf(error: unknown): string {
  return error instanceof TorrentDlError ? error.code : 'ERR_BUG';
}

/**
 * One line for the user, safe for a terminal; with `diagnosis` followed by a few that tell why, and with `isDebug` by the
 * stack and those of the causes.
 */
export function describeError(error: unknown, isDebug: boolean, diagnosis?: Diagnosis): string {
  const message = diagnosis && error instanceof Error ? error.message : messageOf(error);
  return [
    `torrent-dl: ${escapeControl(message)}`,
    ...(diagnosis ? linesOfDiagnosis(diagnosis).map((line) => `  ${line}`) : []),
    ...(isDebug ? [stackOf(error)] : []),
  ].join('\n');
}

/** What went wrong, with its causes. */
export function messageOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  if (isOutOfMemory(error)) return `not enough memory (${message})`;
  if (exitCodeOf(error) === EXIT_BUG) {
    const what = message.replace(/^bug: /, '') || 'unknown error';
    return `bug: ${what} (please report it, with the output of the same command under DEBUG='torrent-dl:*')`;
  }
  return error instanceof NoSourceError ? message + causesOf(error) : message;
}

/** The machine's fault, not ours: memory that the system or Node's own limits refuse. */
function isOutOfMemory(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code = '' } = error as NodeJS.ErrnoException;
  const isOfSystem = ['ENOMEM', 'ERR_MEMORY_ALLOCATION_FAILED', 'ERR_WORKER_OUT_OF_MEMORY'].includes(code);
  return isOfSystem || (error instanceof RangeError && error.message.includes('allocation failed'));
}

/** The first causes that the message does not name yet. */
function causesOf({ errors, message }: NoSourceError): string {
  const causes = [...new Set(errors.map((error) => error.message))].filter((cause) => !message.includes(cause));
  if (causes.length === 0) return '';
  const more = causes.length > SHOWN_CAUSES ? ` (and ${causes.length - SHOWN_CAUSES} more)` : '';
  return `: ${causes.slice(0, SHOWN_CAUSES).join('; ')}${more}`;
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return '';
  const stack = (error.stack ?? error.message).split('\n').map(escapeControl).join('\n');
  return error.cause === undefined ? stack : `${stack}\ncaused by ${stackOf(error.cause)}`;
}
