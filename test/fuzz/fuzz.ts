import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { mutate, randomFrom } from './mutate.js';
import { TARGETS, type Target } from './targets.js';
import type { Finding, Task } from './worker.js';

const HANG_MS = 10_000; // long enough on any machine
const START_MS = 10_000;
const MOST_MEMORY_MIB = 192;
const LOOK_EVERY_MS = 100;

/** A thread does not inherit the loader of TypeScript. */
const SCRIPT = new URL(
  `data:text/javascript,${encodeURIComponent(
    `import { register } from ${JSON.stringify(import.meta.resolve('tsx/esm/api'))}; register();
     await import(${JSON.stringify(new URL('worker.ts', import.meta.url).href)});`,
  )}`,
);

export interface Limits {
  readonly inputs?: number;
  readonly forMs?: number;
  /** A batch of 256 inputs that takes longer hangs. */
  readonly hangMs?: number;
}

export interface Outcome {
  readonly executed: number;
  readonly finding?: Finding;
}

/** Feeds a target in a thread of its own, where a hang, too much memory and an error that is not allowed are findings. */
export async function fuzz(
  target: Target,
  seed: number,
  { inputs = Infinity, forMs = Infinity, hangMs = HANG_MS }: Limits,
): Promise<Outcome> {
  const progress = new SharedArrayBuffer(16);
  const shown = new BigInt64Array(progress);
  shown[1] = BigInt(Date.now() + START_MS); // until it runs
  const task: Task = { target: target.name, seed, inputs, progress };
  const worker = new Worker(SCRIPT, { workerData: task, resourceLimits: { maxOldGenerationSizeMb: MOST_MEMORY_MIB } });
  let finding: Finding | undefined;
  const executed = (): number => Number(Atomics.load(shown, 0)) + 1;
  const blame = (error: string): Finding => ({ input: nthInput(target, seed, executed()), error });
  worker.on('message', (found: Finding) => (finding = found));
  worker.on('error', (error) => (finding ??= blame(String(error))));
  const ended = new Promise<true>((resolve) => worker.on('exit', () => resolve(true)));
  const endsAt = Date.now() + forMs;
  while (!(await Promise.race([ended, sleep(LOOK_EVERY_MS, false, { ref: false })]))) {
    const isHung = Date.now() - Number(Atomics.load(shown, 1)) > hangMs;
    if (isHung) finding ??= blame(`no end after ${hangMs / 1000} s`);
    if (isHung || Date.now() > endsAt) {
      await worker.terminate();
      break;
    }
  }
  return { executed: executed(), ...(finding && { finding }) };
}

/** The input that a thread was at when it could not say so itself. */
function nthInput(target: Target, seed: number, count: number): Uint8Array {
  const random = randomFrom(seed);
  const seeds = target.seeds();
  let input = mutate(seeds, random);
  for (let at = 1; at < count; at++) input = mutate(seeds, random);
  return input;
}

export function targetsNamed(name: string | undefined): readonly Target[] {
  return name === undefined ? TARGETS : TARGETS.filter((target) => target.name === name);
}
