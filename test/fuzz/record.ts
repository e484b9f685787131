/**
 * `node --import tsx test/fuzz/record.ts`: records what real clients say to a downloader, as seeds of the fuzzer, in
 * `test/fixtures/sessions/<client>.bin`. They talk of a torrent of 13 pieces.
 */
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Bench, needs } from '../peers/bench.js';
import { PROGRAM_NAMES } from '../peers/programs.js';

const PIECES = 12; // and one of a single byte
const folder = fileURLToPath(new URL('../fixtures/sessions/', import.meta.url));
mkdirSync(folder, { recursive: true });

for (const name of PROGRAM_NAMES) {
  const { skip } = needs(name, 'opentracker');
  if (skip !== false) {
    process.stdout.write(`${name}: ${skip}\n`);
    continue;
  }
  await Bench.run({ size: PIECES * 65_536 }, async (bench) => {
    const { address } = await bench.seeder(name);
    await bench.tracker.counts(1, 0);
    const [host = '', port = ''] = address.split(':');
    const dialler = fileURLToPath(new URL('dial.ts', import.meta.url));
    const words = [host, port, bench.torrent.infoHash.toString('hex'), `${folder}${name}.bin`];
    await bench.ours.start(process.execPath, ['--import', 'tsx', dialler, ...words]).exits(0, 30_000);
  });
  process.stdout.write(`${name}: recorded\n`);
}
