/**
 * `npm run fuzz`: damages real inputs of every parser, for a minute each, until something breaks that must not.
 * `npm run fuzz -- --minutes 4 --seed 7 --target 'magnet link'`. What is found lies in `test/fuzz/corpus/<target>/` then:
 * it stays there as a regression test.
 */
import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { fuzz, targetsNamed } from './fuzz.js';
import type { Finding } from './worker.js';

const { values } = parseArgs({
  options: { minutes: { type: 'string' }, seed: { type: 'string' }, target: { type: 'string' } },
});
const forMs = Number(values.minutes ?? 1) * 60_000;
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 32));
const targets = targetsNamed(values.target);
if (targets.length === 0 || !(forMs > 0) || !Number.isInteger(seed)) throw new Error('no such target, time or seed');

process.stdout.write(`seed ${seed}\n`);
let total = 0;
for (const target of targets) {
  const { executed, finding } = await fuzz(target, seed, { forMs });
  total += executed;
  process.stdout.write(`${target.name.padEnd(28)}${executed.toLocaleString('en').padStart(14)} inputs\n`);
  if (finding) await report(target.name, finding);
}
process.stdout.write(`${'all'.padEnd(28)}${total.toLocaleString('en').padStart(14)} inputs\n`);

async function report(target: string, { input, error }: Finding): Promise<void> {
  process.exitCode = 1;
  const folder = new URL(`corpus/${target.replaceAll(' ', '-')}/`, import.meta.url);
  const name = createHash('sha1').update(input).digest('hex').slice(0, 16);
  await mkdir(folder, { recursive: true });
  await writeFile(new URL(name, folder), input);
  process.stdout.write(`  found: ${error}\n  kept as ${name} (${input.length} bytes)\n`);
}
