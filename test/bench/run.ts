/**
 * `npm run bench`: the hot functions one by one, and a whole download from an embedded seed, beside the figures that were
 * committed last (`figures.json`). `npm run bench -- --save` commits to new ones. Machines differ and are noisy: what
 * counts is the ratio, on one quiet machine.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { benchBencode, benchMetainfo } from './metainfo.js';
import { benchDisk } from './disk.js';
import { benchDownload } from './download.js';
import { benchFetch, benchWire } from './wire.js';
import { benchPicker } from './picker.js';

/** One row: more is better for rates, less for times. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: 'MiB/s' | 'ns' | 'ms' | 's' | 'MiB';
}

const FIGURES = new URL('figures.json', import.meta.url);

const committed = JSON.parse(await readFile(FIGURES, 'utf8').catch(() => '{}')) as Record<string, number>;
const measured: Record<string, number> = {};

print('', 'now', 'committed', 'change');
for (const bench of [benchWire, benchFetch, benchPicks, benchBencode, benchMetainfo, benchDisk, benchDownload]) {
  for (const { name, value, unit } of await bench()) {
    const before = committed[name];
    const change =
      before === undefined ? '' : `${value >= before ? '+' : ''}${Math.round((value / before - 1) * 100)} %`;
    print(name, `${show(value)} ${unit}`, before === undefined ? '' : show(before), change);
    measured[name] = Number(value.toPrecision(3));
  }
}
if (process.argv.includes('--save')) await writeFile(FIGURES, `${JSON.stringify(measured, undefined, 2)}\n`);

function benchPicks(): Figure[] {
  benchPicker(1000, 10); // warms up
  return [1e3, 1e4, 1e5, 1e6].map((pieces) => {
    const value = benchPicker(pieces, 100).pick;
    return { name: `pick of ${pieces.toLocaleString('en')} pieces, 100 peers`, value, unit: 'ns' };
  });
}

function show(value: number): string {
  return value >= 100 ? String(Math.round(value)) : value.toPrecision(3);
}

function print(name: string, now: string, before: string, change: string): void {
  process.stdout.write(`${name.padEnd(52)}${now.padStart(14)}${before.padStart(12)}${change.padStart(9)}\n`);
}
