/**
 * `npm run soak -- --minutes 60`: a swarm of our processes and of real clients that come and go, with two hundred peers of
 * all kinds, for as long as wanted. In the middle a program embeds the library; it must not grow, block or leave anything.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { makeTorrent, randomBytes } from '../helpers/torrent.js';
import { Network, timeout, type Host, type Program } from '../peers/network.js';
import { missingPackage, PROGRAM_NAMES, PROGRAMS, Tracker } from '../peers/programs.js';
import type { Last, Turn } from './embed.js';

const MIB = 2 ** 20;
const LENGTH = 64 * MIB;
const EMBED_PORT = 7000;
/** Peers of the crowd: each has an address of its own, for few may come from one. */
const CROWD = 220;
const SLOTS = 5;
const ACT_EVERY_MS = 6000;
const UPLOAD_LIMIT = MIB / 2;
/** The longest that a turn at the end may take before it is ended by force. */
const LAST_TURN_MS = 180_000;

const MOST_DELAY_MS = 50;
const RESOLUTION_MS = 5;
const MOST_GROWTH = 1.05;
const EXECUTABLE = fileURLToPath(new URL('../../bin/torrent-dl.js', import.meta.url));

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '60' } } });
const seconds = Number(values.minutes) * 60;
if (!(seconds > 0)) throw new Error('no such number of minutes');

/** A host where now one program runs, now another. */
interface Slot {
  readonly host: Host;
  program: Program | undefined;
  folder: string;
}

/** How late this process is, which does next to nothing: what the machine itself adds. */
const idle = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
const folder = await mkdtemp(path.join(tmpdir(), 'torrent-dl-soak-'));
try {
  await using network = new Network();
  process.exitCode = report(await soak(network)) ? 0 : 1;
} finally {
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
}

async function soak(network: Network): Promise<string> {
  const trackerHost = network.addHost('tracker');
  const torrent = makeTorrent(randomBytes('soak', LENGTH), {
    pieceLength: 131_072,
    trackers: [[Tracker.url(trackerHost)]],
  });
  const torrentFile = path.join(folder, 'soak.torrent');
  const content = path.join(folder, torrent.name);
  writeFileSync(torrentFile, torrent.bytes);
  writeFileSync(content, randomBytes('soak', LENGTH));
  if (missingPackage('opentracker') !== undefined) throw new Error('not installed: opentracker');
  new Tracker(trackerHost, path.join(folder, 'tracker'), torrent.infoHash);

  const ours = network.addHost('ours');
  const embedded = ours.start(process.execPath, [
    ...['--expose-gc', '--import', 'tsx', fileURLToPath(new URL('embed.ts', import.meta.url))],
    ...['--torrent', torrentFile, '--content', content, '--out', path.join(folder, 'embedded')],
    ...['--port', String(EMBED_PORT), '--seconds', String(seconds)],
  ]);
  const crowd = network.addHost('crowd', CROWD);
  crowd.start(process.execPath, [
    ...['--import', 'tsx', fileURLToPath(new URL('crowd.ts', import.meta.url))],
    ...[torrentFile, content, ours.address, String(EMBED_PORT), ...crowd.addresses],
  ]);

  const names = PROGRAM_NAMES.filter((name) => missingPackage(name) === undefined);
  const slots: Slot[] = Array.from({ length: SLOTS }, (_, n) => {
    return { host: network.addHost(`slot${n}`), program: undefined, folder: path.join(folder, `slot${n}`) };
  });
  idle.enable();
  const endsAt = performance.now() + seconds * 1000 + LAST_TURN_MS;
  for (let act = 0; embedded.isRunning && performance.now() < endsAt; act++) {
    const slot = slots[act % SLOTS]!;
    await stop(slot);
    mkdirSync(slot.folder);
    const name = names[Math.floor(Math.random() * (names.length + 2))]; // ours twice as often as each of the others
    const peer = `${ours.address}:${EMBED_PORT}`;
    const job = { torrent: torrentFile, folder: slot.folder, isSeed: false, uploadLimit: UPLOAD_LIMIT };
    slot.program = name
      ? PROGRAMS[name].start(slot.host, job).program
      : slot.host.start(process.execPath, [
          ...[EXECUTABLE, torrentFile, '--out', slot.folder, '--seed', '--quiet', '--peer', peer],
          ...['--no-dht', '--no-lsd', '--upload-limit', String(UPLOAD_LIMIT)],
        ]);
    await Promise.race([embedded.exit, timeout(ACT_EVERY_MS)]);
  }
  await Promise.all(slots.map(stop));
  if (embedded.isRunning) throw new Error('the program that embeds us does not end');
  return embedded.output;
}

/** Asked to, or by force: as chance has it. */
async function stop(slot: Slot): Promise<void> {
  if (slot.program?.isRunning) {
    if (Math.random() < 0.5) slot.program.kill('SIGKILL');
    await slot.program.stop();
  }
  for (const suffix of ['', '-aria2', '-rtorrent', '-transmission']) {
    rmSync(slot.folder + suffix, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Prints what the program told, and whether all of that is as it should be. */
function report(output: string): boolean {
  const lines = output.split('\n').filter((line) => line.startsWith('{'));
  const told = lines.map((line) => JSON.parse(line) as Turn | Last);
  const turns = told.filter((line) => line.kind === 'turn');
  const last = told.find((line) => line.kind === 'last');
  process.stdout.write('  turn  seconds  peers  banned  most MiB   at rest: MiB   heap MiB   external MiB\n');
  for (const [at, turn] of turns.entries()) {
    const memory = [turn.mostRss, turn.rss, turn.heapUsed, turn.external].map((bytes) => (bytes / MIB).toFixed(1));
    const row = [at + 1, turn.seconds, turn.mostPeers, turn.bannedPeers, ...memory];
    const widths = [6, 9, 7, 8, 10, 15, 11, 15];
    process.stdout.write(`${row.map((value, column) => String(value).padStart(widths[column]!)).join('')}\n`);
  }
  if (!last) {
    process.stdout.write(`it ended before its time:\n${output}\n`);
    return false;
  }
  const half = turns.slice(Math.floor(turns.length / 2));
  const growth = half.length < 4 ? 1 : mean(half.slice(half.length >> 1)) / mean(half.slice(0, half.length >> 1));
  const idleMs = idle.percentile(99.9) / 1e6 - RESOLUTION_MS;
  const delay = `${last.delayMs.toFixed(1)} ms for 99.9 % (${idleMs.toFixed(1)} in an idle process beside it)`;
  process.stdout.write(
    `event loop late by ${delay}, ${last.mostDelayMs.toFixed(1)} at most; memory at rest × ${growth.toFixed(3)} over the last half; `,
  );
  process.stdout.write(last.active.length > 0 ? `left open: ${last.active.join(', ')}\n` : 'nothing left open\n');
  return last.delayMs < MOST_DELAY_MS && growth <= MOST_GROWTH && last.active.length === 0;
}

/** Of what a program holds at rest, in bytes. */
function mean(turns: readonly Turn[]): number {
  return turns.reduce((sum, turn) => sum + turn.heapUsed + turn.external, 0) / turns.length;
}
