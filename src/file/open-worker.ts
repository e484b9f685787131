import { Worker } from 'node:worker_threads';

/**
 * Starts the thread whose module `name` (no ending) lies beside this one; in a thread from sources, as in tests, their
 * loader is set up first.
 */
export function openWorker(name: string, workerData: unknown): Worker {
  const ending = /\.(ts|cjs)$/.exec(new URL(import.meta.url).pathname)?.[0] ?? '.js';
  const file = new URL(`./${name}${ending}`, import.meta.url);
  if (ending !== '.ts') return new Worker(file, { workerData, execArgv: [] });
  const loader = JSON.stringify(import.meta.resolve('tsx/esm/api'));
  // A URL of `data:` in its place would be more than the coverage of newer Node versions understands.
  const script = `import(${loader}).then(({ register }) => (register(), import(${JSON.stringify(file.href)})))`;
  return new Worker(script, { eval: true, workerData });
}
