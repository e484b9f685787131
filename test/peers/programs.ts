/** The real programs of the bench: how each is told to share one torrent, and how it says that it is done. */
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import { timeout, whichProgram, type Host, type Program } from './network.js';

/** What a program has to do. */
export interface Job {
  /** Path of the `.torrent` file. */
  readonly torrent: string;
  /** Folder that holds, or is to hold, the content. */
  readonly folder: string;
  /** Whether the content is there already. */
  readonly isSeed: boolean;
  /** Bytes per second; no limit when missing. */
  readonly uploadLimit?: number;
}

/** A program at work on a job. */
export interface Peer {
  /** `address:port` where it listens. */
  readonly address: string;
  readonly program: Program;
  /** Resolves when a leecher says that it has everything. @throws when that takes longer than `withinMs` */
  finished(withinMs: number): Promise<void>;
}

export const PROGRAMS = {
  aria2: { command: 'aria2c', package: 'aria2', start: startAria2 },
  libtorrent: { command: '/usr/bin/python3', package: 'python3-libtorrent', start: startLibtorrent },
  rtorrent: { command: 'rtorrent', package: 'rtorrent', start: startRtorrent },
  transmission: { command: 'transmission-daemon', package: 'transmission-daemon', start: startTransmission },
} as const;

export type ProgramName = keyof typeof PROGRAMS;

export const PROGRAM_NAMES = Object.keys(PROGRAMS) as ProgramName[];

/** The package that lacks for a program to run, undefined when all is there. */
export function missingPackage(name: ProgramName | 'opentracker'): string | undefined {
  if (name === 'opentracker') return whichProgram('opentracker') === undefined ? 'opentracker' : undefined;
  const { command, package: missing } = PROGRAMS[name];
  if (name === 'libtorrent') {
    return spawnSync(command, ['-c', 'import libtorrent'], { stdio: 'ignore' }).status === 0 ? undefined : missing;
  }
  return whichProgram(command) === undefined ? missing : undefined;
}

/** An opentracker that serves some torrents; Debian's build insists on a whitelist and on running as nobody. */
export class Tracker {
  static readonly port = 6969;
  readonly #host: Host;
  readonly #infoHashes: readonly Buffer[];

  constructor(host: Host, folder: string, ...infoHashes: readonly Buffer[]) {
    this.#host = host;
    this.#infoHashes = infoHashes;
    mkdirSync(folder);
    chmodSync(folder, 0o755);
    writeFileSync(path.join(folder, 'whitelist'), infoHashes.map((hash) => `${hash.toString('hex')}\n`).join(''));
    const listen = ['-i', host.address, '-p', String(Tracker.port), '-P', String(Tracker.port)];
    host.start('opentracker', [...listen, '-u', 'nobody', '-d', folder, '-w', 'whitelist'], { cwd: folder });
  }

  /** Announce URL of the tracker that runs on `host`. */
  static url(host: Host): string {
    return `http://${host.address}:${Tracker.port}/announce`;
  }

  /** Waits until so many seeds and leechers have announced themselves for the first torrent, or for another. */
  async counts(seeds: number, leechers: number, withinMs = 40_000, infoHash = this.#infoHashes[0]!): Promise<void> {
    const escaped = [...infoHash].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
    const url = `http://${this.#host.address}:${Tracker.port}/scrape?info_hash=${escaped}`;
    const args = [pathOf('await-swarm.js'), url, String(seeds), String(leechers), String(withinMs)];
    await this.#host.start(process.execPath, args).exits(0, withinMs + 5000);
  }
}

function startAria2(host: Host, job: Job): Peer {
  const port = 7001;
  const { marker, script } = writeDoneScript(`${job.folder}-aria2`);
  const program = host.start('aria2c', [
    ...['--no-conf', '--enable-dht=false', '--enable-dht6=false', '--bt-enable-lpd=false', '--file-allocation=none'],
    ...['--summary-interval=0', '--console-log-level=notice', '--show-console-readout=false', '--allow-overwrite=true'],
    ...[`--listen-port=${port}`, `--dir=${job.folder}`, `--on-bt-download-complete=${script}`],
    ...(job.isSeed ? ['--check-integrity=true', '--bt-seed-unverified=false', '--seed-ratio=0.0'] : []),
    ...(job.uploadLimit === undefined ? [] : [`--max-upload-limit=${job.uploadLimit}`]),
    job.torrent,
  ]);
  return { address: `${host.address}:${port}`, program, finished: (withinMs) => exists(marker, program, withinMs) };
}

function startLibtorrent(host: Host, job: Job): Peer {
  return startLibtorrentWith(host, job, []);
}

/** A libtorrent that no tracker tells of: it only dials `target`. */
export function startDialler(host: Host, job: Job, target: string): Peer {
  return startLibtorrentWith(host, job, ['--dial', target]);
}

function startLibtorrentWith(host: Host, job: Job, words: readonly string[]): Peer {
  const port = 7002;
  const program = host.start('/usr/bin/python3', [
    ...[pathOf('libtorrent-peer.py'), job.torrent, job.folder, host.address, String(port)],
    ...(job.isSeed ? [] : ['--leech']),
    ...(job.uploadLimit === undefined ? [] : ['--upload', String(job.uploadLimit)]),
    ...words,
  ]);
  return {
    address: `${host.address}:${port}`,
    program,
    finished: (withinMs) => says(program, /^finished$/m, withinMs),
  };
}

function startRtorrent(host: Host, job: Job): Peer {
  const port = 7003;
  const session = `${job.folder}-rtorrent`;
  const marker = path.join(session, 'finished');
  mkdirSync(session, { recursive: true });
  writeFileSync(
    path.join(session, 'rc'),
    [
      'system.daemon.set = true',
      `directory.default.set = "${job.folder}"`,
      `session.path.set = "${session}"`,
      `network.port_range.set = ${port}-${port}`,
      'network.port_random.set = no',
      'dht.mode.set = disable',
      'trackers.use_udp.set = no',
      'protocol.encryption.set = allow_incoming',
      'protocol.pex.set = no',
      ...(job.uploadLimit === undefined ? [] : [`throttle.global_up.max_rate.set_kb = ${job.uploadLimit / 1024}`]),
      `method.set_key = event.download.finished, mark, "execute.throw = touch, ${marker}"`,
      `load.start = "${job.torrent}"`,
      '',
    ].join('\n'),
  );
  const program = host.start('rtorrent', ['-n', '-o', `import=${path.join(session, 'rc')}`]);
  return { address: `${host.address}:${port}`, program, finished: (withinMs) => exists(marker, program, withinMs) };
}

function startTransmission(host: Host, job: Job): Peer {
  const port = 7004;
  const config = `${job.folder}-transmission`;
  const { marker, script } = writeDoneScript(config);
  const settings = {
    'bind-address-ipv4': host.address,
    'dht-enabled': false,
    'download-dir': job.folder,
    encryption: 0,
    'lpd-enabled': false,
    'peer-port': port,
    'pex-enabled': false,
    'port-forwarding-enabled': false,
    preallocation: 0,
    'rpc-enabled': true,
    'script-torrent-done-enabled': true,
    'script-torrent-done-filename': script,
    'speed-limit-up': Math.ceil((job.uploadLimit ?? 0) / 1000),
    'speed-limit-up-enabled': job.uploadLimit !== undefined,
    'utp-enabled': false,
  };
  writeFileSync(path.join(config, 'settings.json'), JSON.stringify(settings));
  const program = host.start('transmission-daemon', ['-f', '-g', config, '--log-info']);
  const add = `until transmission-remote 127.0.0.1 --add "$1" >/dev/null 2>&1; do sleep 0.1; done`;
  host.start('timeout', ['20', 'sh', '-c', add, 'add', job.torrent]);
  return { address: `${host.address}:${port}`, program, finished: (withinMs) => exists(marker, program, withinMs) };
}

/** A script that a program calls when it has everything, and the file that shows that it did. */
function writeDoneScript(folder: string): { readonly marker: string; readonly script: string } {
  mkdirSync(folder, { recursive: true });
  const marker = path.join(folder, 'finished');
  const script = path.join(folder, 'done.sh');
  writeFileSync(script, `#!/bin/sh\ntouch '${marker}'\n`, { mode: 0o755 });
  return { marker, script };
}

/** Waits until a program has printed something. */
async function says(program: Program, pattern: RegExp, withinMs: number): Promise<void> {
  await until(() => pattern.test(program.output), program, withinMs);
}

/** Waits until a program has made a file. */
async function exists(file: string, program: Program, withinMs: number): Promise<void> {
  await until(() => existsSync(file), program, withinMs);
}

/** Waits until something is true. @throws when the program ends before that or it takes longer than `withinMs` */
export async function until(isTrue: () => boolean, program: Program, withinMs: number): Promise<void> {
  const end = Date.now() + withinMs;
  while (!isTrue()) {
    if (!program.isRunning) throw new Error(`${program.title} ended before its time`);
    if (Date.now() > end) throw new Error(`${program.title} is not there after ${withinMs / 1000} s`);
    await Promise.race([program.exit, timeout(50)]);
  }
}

/** Path of a script in this folder. */
export function pathOf(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}
