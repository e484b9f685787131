/** What the tests of real programs share: a network, a tracker, a torrent with every oddity, and comparisons. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { contentFiles, makeTorrent, randomBytes, writeContent, type MadeTorrent } from '../helpers/torrent.js';
import { Network, whyNoNetwork, type Host, type Program } from './network.js';
import { missingPackage, PROGRAMS, Tracker, until, type Job, type Peer, type ProgramName } from './programs.js';

const OUR_PORT = 7000;
const EXECUTABLE = fileURLToPath(new URL('../../bin/torrent-dl.js', import.meta.url));

/** What a test that needs these programs is skipped for; on CI nothing may be skipped. */
export function needs(...names: readonly (ProgramName | 'opentracker')[]): { skip: string | false } {
  const packages = names.map(missingPackage).filter((name) => name !== undefined);
  const reason = whyNoNetwork() ?? (packages.length > 0 ? `not installed: ${packages.join(', ')}` : undefined);
  return { skip: reason !== undefined && !process.env['CI'] ? reason : false };
}

export interface BenchOptions {
  /** Bytes of the big file. Default 6 MiB. */
  readonly size?: number;
  readonly pieceLength?: number;
  /** BEP 27. Default false. */
  readonly isPrivate?: boolean;
}

/** A network with a tracker and one torrent, made for one test. */
export class Bench implements AsyncDisposable {
  readonly network = new Network();
  readonly ours: Host;
  readonly torrent: MadeTorrent;
  readonly torrentFile: string;
  readonly tracker: Tracker;
  readonly #folder: string;
  #peers = 0;

  /** Runs a test on a bench; when it fails, the programs' last words are in the error. */
  static async run(options: BenchOptions, body: (bench: Bench) => Promise<void>): Promise<void> {
    const folder = await mkdtemp(path.join(tmpdir(), 'torrent-dl-peers-'));
    await chmod(folder, 0o755); // opentracker runs as nobody
    await using bench = new Bench(folder, options);
    try {
      await writeFile(bench.torrentFile, bench.torrent.bytes);
      await body(bench);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      throw new Error(`${message}\n${bench.network.logs()}`, { cause: error });
    }
  }

  private constructor(folder: string, options: BenchOptions) {
    this.#folder = folder;
    const trackerHost = this.network.addHost('tracker');
    this.ours = this.network.addHost('ours');
    this.torrent = oddTorrent(Tracker.url(trackerHost), options);
    this.torrentFile = path.join(folder, 'test.torrent');
    this.tracker = new Tracker(trackerHost, path.join(folder, 'tracker'), this.torrent.infoHash);
  }

  /** A fresh folder name of this bench. */
  folder(name: string): string {
    return path.join(this.#folder, name);
  }

  /** A host with a program that has everything. */
  async seeder(name: ProgramName, uploadLimit?: number): Promise<Peer> {
    const job = await this.seedJob(name);
    return PROGRAMS[name].start(this.network.addHost(name), uploadLimit === undefined ? job : { ...job, uploadLimit });
  }

  /** Content on disk, for a seeder. */
  async seedJob(name: string): Promise<Job> {
    const folder = this.folder(`${name}-${++this.#peers}`);
    await writeContent(this.torrent, folder);
    return { torrent: this.torrentFile, folder, isSeed: true };
  }

  /** A host with a program that has nothing yet. */
  async leecher(name: ProgramName): Promise<Peer & { readonly folder: string; readonly host: Host }> {
    const folder = this.folder(`${name}-${++this.#peers}`);
    await mkdir(folder);
    const host = this.network.addHost(name);
    const peer = PROGRAMS[name].start(host, { torrent: this.torrentFile, folder, isSeed: false });
    return { ...peer, folder, host };
  }

  /** Our program, on our host. */
  torrentDl(out: string, ...words: readonly string[]): Program {
    return this.torrentDlWith({}, out, ...words);
  }

  /** The same, with more in its environment. */
  torrentDlWith(env: NodeJS.ProcessEnv, out: string, ...words: readonly string[]): Program {
    const args = [EXECUTABLE, '--out', out, '--port', String(OUR_PORT), ...words, this.torrentFile];
    const cache = { XDG_CACHE_HOME: this.folder('cache') };
    return this.ours.start(process.execPath, args, { env: { CI: '1', ...cache, ...env } });
  }

  /** One more machine. */
  addHost(name: string): Host {
    return this.network.addHost(name);
  }

  /** Waits until a program has printed something. */
  async says(program: Program, pattern: RegExp, withinMs: number): Promise<void> {
    await until(() => pattern.test(program.output), program, withinMs);
  }

  /** Waits until our host has received so many bytes. */
  async receives(program: Program, bytes: number, withinMs: number): Promise<void> {
    await until(() => this.ours.traffic().received >= bytes, program, withinMs);
  }

  /** `address:port` where our program listens. */
  get ourAddress(): string {
    return `${this.ours.address}:${OUR_PORT}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.network[Symbol.asyncDispose]();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** Compares every file, byte for byte. `mayLackEmpty`: transmission does not make files of length zero. */
export async function assertContent(
  torrent: MadeTorrent,
  folder: string,
  { mayLackEmpty = false } = {},
): Promise<void> {
  for (const { path: name, data } of contentFiles(torrent)) {
    const file = path.join(folder, name);
    if (mayLackEmpty && data.length === 0 && !existsSync(file)) continue;
    const found = await readFile(file);
    assert.ok(found.equals(data), `${name} differs (${found.length} bytes, ${data.length} expected)`);
  }
}

/** Nested folders, names beyond ASCII, a file of no bytes, files smaller than a piece and a last piece of one byte. */
function oddTorrent(tracker: string, options: BenchOptions): MadeTorrent {
  const { size = 6 * 2 ** 20, pieceLength = 65_536, isPrivate = false } = options;
  const small = [
    { path: 'readme.txt', data: Buffer.from('hello\n') },
    { path: 'a/b/c/deep.bin', data: randomBytes('deep', 100_001) },
    { path: 'empty', data: Buffer.alloc(0) },
    { path: 'Käse/東京 ☃.bin', data: randomBytes('tokyo', 300_000) },
  ];
  const used = small.reduce((sum, file) => sum + file.data.length, 0);
  const total = Math.ceil(size / pieceLength) * pieceLength + 1;
  const content = [...small, { path: 'z/big.bin', data: randomBytes('big', total - used) }];
  return makeTorrent(content, { name: 'Ünï & test', pieceLength, isPrivate, trackers: [[tracker]] });
}
