/** A thread that feeds one target with damaged bytes, and shows on which input it is. */
import { parentPort, workerData } from 'node:worker_threads';
import { mutate, randomFrom } from './mutate.js';
import { FAILING, TARGETS } from './targets.js';

export interface Task {
  readonly target: string;
  readonly seed: number;
  /** How many inputs; Infinity until it is stopped. */
  readonly inputs: number;
  /** Which input is tried now, and when that began (ms since 1970): what a watchdog looks at. */
  readonly progress: SharedArrayBuffer;
}

/** An input that a parser must not have failed on. */
export interface Finding {
  readonly input: Uint8Array;
  readonly error: string;
}

const BATCH = 256;

const { target: name, seed, inputs, progress } = workerData as Task;
const target = [...TARGETS, ...FAILING].find((candidate) => candidate.name === name)!;
const shown = new BigInt64Array(progress);
const seeds = target.seeds();
const random = randomFrom(seed);

for (let count = 0; count < inputs; count++) {
  const input = mutate(seeds, random);
  if (count % BATCH === 0) Atomics.store(shown, 1, BigInt(Date.now()));
  Atomics.store(shown, 0, BigInt(count));
  try {
    target.run(input);
  } catch (error) {
    const finding: Finding = { input, error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
    parentPort!.postMessage(finding);
    break;
  }
}
