/** `npm run soak:kill`: a download that is killed 200 times, and a table of what was lost. */
import { parseArgs } from 'node:util';
import { killAgainAndAgain, MOST_AGAIN, type Kill } from '../faults/kill.js';

const KILLS_PER_DOWNLOAD = 20;
const KIB = 1024;

const { values } = parseArgs({ options: { kills: { type: 'string', default: '200' } } });
const wanted = Number(values.kills);
if (!(wanted > 0)) throw new Error('no such number of kills');

const kills: Kill[] = [];
process.stdout.write('  kill   sent before it (KiB)   to be fetched again (KiB)\n');
while (kills.length < wanted) {
  const count = Math.min(KILLS_PER_DOWNLOAD, wanted - kills.length);
  await killAgainAndAgain({ kills: count, perRun: KIB * KIB, onKill });
}

const again = kills.map((kill) => kill.again).sort((one, other) => one - other);
const share = (part: number): string => kib(again[Math.min(again.length - 1, Math.floor(again.length * part))]!);
process.stdout.write(`\n${again.length} kills, every byte right at the end. To be fetched again per kill:\n`);
process.stdout.write(`  half of them at most ${share(0.5)}, 95 % at most ${share(0.95)}, all at most ${share(1)}\n`);
if (again.at(-1)! > MOST_AGAIN) {
  process.stdout.write(`  more than the ${kib(MOST_AGAIN)} that are allowed\n`);
  process.exitCode = 1;
}

function onKill(kill: Kill): void {
  kills.push(kill);
  process.stdout.write(`${String(kills.length).padStart(6)}${pad(kill.sent)}${pad(kill.again)}\n`);
}

function pad(bytes: number): string {
  return Math.round(bytes / KIB)
    .toLocaleString('en')
    .padStart(24);
}

function kib(bytes: number): string {
  return `${Math.ceil(bytes / KIB).toLocaleString('en')} KiB`;
}
