/**
 * How cost grows: `node --import tsx test/bench/scale.ts` prints the tables of README.md beside it. The real executable
 * starts huge torrents (whose data nobody has) and holds hundreds of idle peers. To be run by root, or where 1 TiB is free.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import bencode from 'bencode';
import { encodeHandshake } from '../../src/peer/handshake.js';
import { encodeMessage, MESSAGE } from '../../src/peer/wire.js';
import { randomBytes } from '../helpers/torrent.js';

const EXECUTABLE = fileURLToPath(new URL('../../bin/torrent-dl.js', import.meta.url));
const MIB = 1024 * 1024;
const IDLE_PEERS = 500;
const IDLE_SECONDS = 20;

interface Huge {
  readonly file: string;
  readonly infoHash: Buffer;
  readonly hashesLength: number;
}

/** A torrent of that many pieces, with hashes that nothing has. */
async function makeHuge(folder: string, pieceCount: number, pieceLength: number): Promise<Huge> {
  const pieces = randomBytes('huge', pieceCount * 20);
  const info = { length: pieceCount * pieceLength, name: `huge-${pieceCount}`, 'piece length': pieceLength, pieces };
  const file = path.join(folder, `${info.name}.torrent`);
  await writeFile(file, bencode.encode({ info }));
  return { file, infoHash: createHash('sha1').update(bencode.encode(info)).digest(), hashesLength: pieces.length };
}

function start(huge: Huge, out: string, ...words: string[]): ChildProcess {
  return spawn(process.execPath, [EXECUTABLE, huge.file, '-q', '--no-dht', '--no-lsd', '-o', out, ...words], {
    stdio: 'inherit',
  });
}

/** A field of /proc/PID/status, in MiB. */
function memory(child: ChildProcess, field: 'VmHWM' | 'VmRSS'): number {
  const status = readFileSync(`/proc/${child.pid}/status`, 'latin1');
  return Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1]) / 1024;
}

/** CPU time so far, in seconds. */
function cpuTime(child: ChildProcess): number {
  const fields = readFileSync(`/proc/${child.pid}/stat`, 'latin1').split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** From the start of the program to its first request, in seconds; peak memory beyond the hashes, in MiB. */
async function firstRequest(folder: string, pieceCount: number, pieceLength: number): Promise<[number, number]> {
  const huge = await makeHuge(folder, pieceCount, pieceLength);
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  const startedAt = performance.now();
  const child = start(huge, path.join(folder, 'out'), '--peer', `127.0.0.1:${port}`);
  const [socket] = (await once(server, 'connection')) as [net.Socket];
  const greeting = [encodeHandshake({ infoHash: huge.infoHash, peerId: Buffer.alloc(20, 65) })];
  socket.write(Buffer.concat([...greeting, encodeMessage(MESSAGE.haveAll), encodeMessage(MESSAGE.unchoke)]));
  let received = Buffer.alloc(0);
  const request = Buffer.from([0, 0, 0, 13, MESSAGE.request]);
  while (!received.includes(request))
    received = Buffer.concat([received, ((await once(socket, 'data')) as [Buffer])[0]]);
  const seconds = (performance.now() - startedAt) / 1000;
  const peak = memory(child, 'VmHWM') - huge.hashesLength / MIB;
  child.kill('SIGKILL');
  await once(child, 'exit');
  socket.destroy();
  server.close();
  return [seconds, peak];
}

/** CPU share in percent and memory of one peer in KiB, with 500 connected that say nothing. */
async function idlePeers(folder: string): Promise<[number, number]> {
  const huge = await makeHuge(folder, 10_000, 262_144);
  const port = 21_000 + (process.pid % 20_000);
  const child = start(huge, path.join(folder, 'idle'), '-p', String(port), '--max-peers', String(IDLE_PEERS));
  await sleep(1500);
  const before = memory(child, 'VmRSS');
  const handshake = Buffer.from(encodeHandshake({ infoHash: huge.infoHash, peerId: Buffer.alloc(20, 66) }));
  const sockets: net.Socket[] = [];
  for (let n = 0; n < IDLE_PEERS; n++) {
    const socket = net.connect({ host: '127.0.0.1', port, localAddress: `127.0.${1 + (n >> 7)}.${1 + (n & 127)}` });
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    socket.write(Buffer.concat([handshake, encodeMessage(MESSAGE.bitfield, randomBytes(n, 1250))]));
    socket.resume();
    sockets.push(socket);
  }
  await sleep(2000);
  const cpuBefore = cpuTime(child);
  await sleep(IDLE_SECONDS * 1000);
  const share = ((cpuTime(child) - cpuBefore) / IDLE_SECONDS) * 100;
  const each = ((memory(child, 'VmRSS') - before) * 1024) / IDLE_PEERS;
  child.kill('SIGKILL');
  await once(child, 'exit');
  for (const socket of sockets) socket.destroy();
  return [share, each];
}

const folder = await mkdtemp(path.join(os.tmpdir(), 'torrent-dl-scale-'));
// Nobody starts a torrent without room for it; this one is promised more than there is, for nothing is written.
const isMounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4T', 'tmpfs', folder]).status === 0;
try {
  process.stdout.write('| torrent | first request | peak memory beyond the hashes |\n|---|---|---|\n');
  for (const [name, count, length] of [
    ['1 GiB, 256 KiB pieces', 4096, 262_144],
    ['1 TiB, 4 MiB pieces', 262_144, 4_194_304],
    ['a million pieces of 256 KiB', 1_000_000, 262_144],
  ] as const) {
    const [seconds, peak] = await firstRequest(folder, count, length);
    process.stdout.write(`| ${name} | ${seconds.toFixed(2)} s | ${peak.toFixed(0)} MiB |\n`);
  }
  const [share, each] = await idlePeers(folder);
  process.stdout.write(`\n${IDLE_PEERS} idle peers: ${share.toFixed(1)} % of a core, ${each.toFixed(0)} KiB each\n`);
} finally {
  if (isMounted) spawnSync('umount', ['-l', folder]);
  await rm(folder, { recursive: true, force: true });
}
