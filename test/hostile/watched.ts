/** Runs the executable as a user does and notes what it takes of the machine. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { EXECUTABLE } from '../cli/execute.js';

const LOOK_EVERY_MS = 40;
const KILL_AFTER_MS = 60_000;
/** Linux counts CPU time in hundredths of a second, whatever its own clock does. */
const MS_PER_TICK = 10;

export interface Watched {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Most memory that was resident at a time, in MiB. */
  readonly peakMib: number;
  readonly lifeMs: number;
  /** CPU time as a part of its life: 1 is a whole core. */
  readonly cpuShare: number;
}

export interface WatchOptions {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Shell commands that come first, in the process that becomes ours: `ulimit -n 20`. */
  readonly before?: string;
  /** Called when it runs. */
  readonly onStart?: (pid: number) => void;
}

/** Without coverage and settings of whoever runs the tests: this is about the program that users have. */
export async function watched(args: readonly string[], { cwd, env, before, onStart }: WatchOptions): Promise<Watched> {
  const command = [process.execPath, EXECUTABLE, ...args];
  const [program = '', ...words] =
    before === undefined ? command : ['sh', '-c', `${before}; exec "$@"`, 'sh', ...command];
  const own = Object.entries(process.env).filter(([name]) => !/^(TORRENT_DL_|NODE_V8_COVERAGE|DEBUG)/.test(name));
  const startedAt = performance.now();
  const child = spawn(program, words, {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...Object.fromEntries(own), ...env },
    timeout: KILL_AFTER_MS,
    killSignal: 'SIGKILL',
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  let usage = { peakMib: 0, cpuMs: 0 };
  const timer = setInterval(() => (usage = usageOf(child.pid!) ?? usage), LOOK_EVERY_MS);
  onStart?.(child.pid!);
  const [code] = (await once(child, 'close')) as [number | null];
  clearInterval(timer);
  const lifeMs = performance.now() - startedAt;
  return { code, stdout, stderr, peakMib: usage.peakMib, lifeMs, cpuShare: usage.cpuMs / lifeMs };
}

/** What `/proc` says; undefined where there is none, or the process is gone. */
function usageOf(pid: number): { peakMib: number; cpuMs: number } | undefined {
  try {
    const peak = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    const times = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    if (peak === undefined) return undefined; // a zombie has none
    return { peakMib: Number(peak) / 1024, cpuMs: (Number(times[11]) + Number(times[12])) * MS_PER_TICK };
  } catch {
    return undefined;
  }
}
