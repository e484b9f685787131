/** A network in which real programs and ours find each other in every way there is, each torrent in one way only. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { makeTorrent, randomBytes, writeContent, type MadeTorrent } from '../helpers/torrent.js';
import { assertContent } from './bench.js';
import { Network, timeout, type Host, type Program } from './network.js';
import { pathOf, Tracker, until } from './programs.js';

export const HOLDERS = ['libtorrent', 'transmission', 'aria2'] as const;
export type HolderName = (typeof HOLDERS)[number];

/** How we find a program. */
export const WAYS = ['x.pe', 'UDP tracker', 'HTTP tracker on IPv6', 'LSD', 'PEX', 'DHT'] as const;
export type Way = (typeof WAYS)[number];

/** How a program finds us. */
export const WAYS_TO_US = ['tracker', 'LSD', 'DHT'] as const;
export type WayToUs = (typeof WAYS_TO_US)[number];

const EXECUTABLE = fileURLToPath(new URL('../../bin/torrent-dl.js', import.meta.url));
const HOLDER_PORT = 7001;
const DHT_PORT = 7002;
const GOSSIP_PORT = 7003;
const IPV6_TRACKER_PORT = 7004;
const READY_WITHIN_MS = 25_000;
/** Transmission announces in the DHT, and then looks there, some 50 s after its start. */
const UPLOADS_WITHIN_MS = 110_000;
/** Transmission announces in a DHT of nine nodes or more. */
const DHT_NODES = 12;

/** A torrent that is to be found in one way, at one program or by one. */
interface Cell {
  readonly torrent: MadeTorrent;
  readonly file: string;
  readonly trackers: readonly string[];
}

/** A real program that holds some torrents and wants others by magnet link. */
interface Holder {
  readonly host: Host;
  readonly program: Program;
  readonly folder: string;
}

export class DiscoveryBench implements AsyncDisposable {
  readonly network = new Network();
  readonly #folder: string;
  readonly #trackerHost = this.network.addHost('trackers');
  readonly #dhtHost = this.network.addHost('dht', DHT_NODES);
  readonly #gossipHost = this.network.addHost('gossip');
  readonly #seedHost = this.network.addHost('our seeds');
  readonly #cells = new Map<string, Cell>();
  readonly #holders = new Map<HolderName, Holder>();
  /** When each program had all of a torrent that we hold, in ms since its start. */
  readonly #uploads = new Map<string, Promise<number>>();
  readonly #leechHosts = new Map<HolderName, Host>();
  #tracker!: Tracker;
  #nodes!: Program;
  #runs = 0;

  /** Starts all programs; they find their trackers, and each other in the DHT, while tests run. */
  static async open(): Promise<DiscoveryBench> {
    const folder = await mkdtemp(path.join(tmpdir(), 'torrent-dl-discovery-'));
    await chmod(folder, 0o755); // opentracker runs as nobody
    const bench = new DiscoveryBench(folder);
    try {
      await bench.#start();
    } catch (error) {
      await bench[Symbol.asyncDispose]();
      throw error;
    }
    return bench;
  }

  private constructor(folder: string) {
    this.#folder = folder;
  }

  async #start(): Promise<void> {
    for (const name of HOLDERS) {
      for (const way of WAYS) await this.#addCell(name, way, this.#trackersOf(way));
      for (const way of WAYS_TO_US) await this.#addCell(name, `to us: ${way}`, this.#trackersOf(way));
    }
    const cells = [...this.#cells.values()];
    const infoHashes = cells.map(({ torrent }) => torrent.infoHash);
    this.#tracker = new Tracker(this.#trackerHost, path.join(this.#folder, 'tracker'), ...infoHashes);
    const address6 = this.#trackerHost.address6;
    this.#trackerHost.start(process.execPath, [pathOf('http-tracker.js'), address6, String(IPV6_TRACKER_PORT)]);
    await this.#startNodes([...HOLDERS.flatMap((name) => [this.#cell(name, 'DHT'), this.#cell(name, 'to us: DHT')])]);
    for (const way of ['tracker', 'DHT'] as const) for (const name of HOLDERS) await this.#seed(name, way);
    const ours = HOLDERS.map((name) => this.#cell(name, 'to us: DHT').torrent);
    await until(() => ours.every((torrent) => this.#isInDht(torrent)), this.#nodes, 20_000);
    for (const name of HOLDERS) await this.#startHolder(name);
    for (const name of HOLDERS) await this.#seed(name, 'LSD'); // now, for they hear of us only while they run
    this.#startGossip();
  }

  /** Our program, with nothing but a magnet link and this way to the holder. @throws when the copy is not identical */
  async download(name: HolderName, way: Way): Promise<{ readonly elapsedMs: number }> {
    const cell = this.#cell(name, way);
    const out = path.join(this.#folder, `out-${++this.#runs}`);
    await this.#untilFindable(name, way);
    const startedAt = performance.now();
    const peer = { 'x.pe': this.#addressOf(name), PEX: `${this.#gossipHost.address}:${GOSSIP_PORT}` }[way as string];
    const link = magnetOf(cell, peer);
    const port = 7100 + WAYS.indexOf(way);
    const program = this.#run(this.#leechHosts.get(name)!, port, way, [link, '--out', out]);
    await this.#explain([program, this.#holders.get(name)!.program], async () => {
      await program.exits(0, 45_000);
      await assertContent(cell.torrent, out);
    });
    return { elapsedMs: performance.now() - startedAt };
  }

  /** A real program that got a magnet link as it started finds us. @throws when its copy is not identical, or too late */
  async upload(name: HolderName, way: WayToUs): Promise<{ readonly elapsedMs: number }> {
    const { torrent } = this.#cell(name, `to us: ${way}`);
    const { program, folder } = this.#holders.get(name)!;
    return this.#explain([program], async () => {
      const elapsedMs = await this.#uploads.get(torrent.name)!;
      await assertContent(torrent, folder);
      return { elapsedMs };
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.network[Symbol.asyncDispose]();
    await rm(this.#folder, { recursive: true, force: true });
  }

  // ── Torrents ──────────────────────────────────────────────────────────────────────────────────────────────────────

  async #addCell(name: HolderName, way: string, trackers: readonly string[]): Promise<void> {
    const title = `${name} ${way}`.replace(/[^a-z0-9.]+/gi, '-');
    const torrent = makeTorrent(randomBytes(title, 500_000), { name: title, trackers: [trackers] });
    const file = path.join(this.#folder, `${title}.torrent`);
    await writeFile(file, torrent.bytes);
    this.#cells.set(`${name} ${way}`, { torrent, file, trackers });
  }

  #cell(name: HolderName, way: string): Cell {
    return this.#cells.get(`${name} ${way}`)!;
  }

  #trackersOf(way: Way | WayToUs): readonly string[] {
    const { address, address6 } = this.#trackerHost;
    if (way === 'HTTP tracker on IPv6') return [`http://[${address6}]:${IPV6_TRACKER_PORT}/announce`];
    return way === 'UDP tracker' || way === 'tracker' ? [`udp://${address}:${Tracker.port}/announce`] : [];
  }

  // ── Programs ──────────────────────────────────────────────────────────────────────────────────────────────────────

  get #nodeAddresses(): readonly string[] {
    return this.#dhtHost.addresses.map((address) => `${address}:${DHT_PORT}`);
  }

  #addressOf(name: HolderName): string {
    return `${this.#holders.get(name)!.host.address}:${HOLDER_PORT}`;
  }

  async #startNodes(wanted: readonly Cell[]): Promise<void> {
    const infoHashes = wanted.map(({ torrent }) => torrent.infoHash.toString('hex'));
    const words = ['-W', 'ignore', pathOf('libtorrent-nodes.py'), ...this.#nodeAddresses, '--', ...infoHashes];
    this.#nodes = this.#dhtHost.start('/usr/bin/python3', words);
    await until(() => /^ready$/m.test(this.#nodes.output), this.#nodes, 20_000);
  }

  /** Our program as the only holder of what a real one wants. */
  async #seed(name: HolderName, way: WayToUs): Promise<void> {
    const { torrent, file } = this.#cell(name, `to us: ${way}`);
    const folder = path.join(this.#folder, `seed-${torrent.name}`);
    await writeContent(torrent, folder);
    const port = 7200 + 10 * HOLDERS.indexOf(name) + WAYS_TO_US.indexOf(way);
    this.#run(this.#seedHost, port, way, [file, '--seed', '--out', folder]);
  }

  async #startHolder(name: HolderName): Promise<void> {
    const host = this.network.addHost(name);
    this.#leechHosts.set(name, this.network.addHost(`our leeches of ${name}`));
    const folder = path.join(this.#folder, name);
    const given = WAYS.map((way) => this.#cell(name, way));
    for (const { torrent } of given) await writeContent(torrent, folder);
    const magnets = WAYS_TO_US.map((way) => magnetOf(this.#cell(name, `to us: ${way}`)));
    const job = { host, folder, torrents: given.map(({ file }) => file), magnets, nodes: this.#nodeAddresses };
    const startedAt = performance.now();
    const { program, has, ready } = START[name](job);
    this.#holders.set(name, { host, program, folder });
    for (const way of WAYS_TO_US) {
      const { torrent } = this.#cell(name, `to us: ${way}`);
      const isThere = until(() => has(torrent), program, UPLOADS_WITHIN_MS).then(() => performance.now() - startedAt);
      isThere.catch(() => undefined); // whoever asks for it hears of it
      this.#uploads.set(torrent.name, isThere);
    }
    await ready;
  }

  /** Has nothing, and tells of the holders. */
  #startGossip(): void {
    const { address } = this.#gossipHost;
    const words = HOLDERS.flatMap((name) => [
      '--torrent',
      this.#cell(name, 'PEX').file,
      '--dial',
      this.#addressOf(name),
    ]);
    const script = pathOf('libtorrent-many.py');
    this.#gossipHost.start('/usr/bin/python3', [
      ...['-W', 'ignore', script, path.join(this.#folder, 'nothing'), String(GOSSIP_PORT), address],
      ...['--gossip', ...words],
    ]);
  }

  /** Ours, that finds others and is found in one way only. */
  #run(host: Host, port: number, way: Way | WayToUs, words: readonly string[]): Program {
    const args = [
      ...[EXECUTABLE, '--port', String(port), '--verbose', ...words],
      ...(way === 'DHT' ? ['--dht-bootstrap', this.#nodeAddresses[0]!] : ['--no-dht']),
      ...(way === 'LSD' ? [] : ['--no-lsd']),
      ...(way === 'PEX' ? [] : ['--no-pex']),
    ];
    const cache = path.join(this.#folder, `cache-${host.name}-${port}`);
    const env = { CI: '1', TORRENT_DL_DHT: 'true', TORRENT_DL_LSD: 'true', XDG_CACHE_HOME: cache };
    return host.start(process.execPath, args, { env });
  }

  /** Waits until the holder has told where others look for it. */
  async #untilFindable(name: HolderName, way: Way): Promise<void> {
    const { torrent } = this.#cell(name, way);
    if (way === 'UDP tracker') await this.#tracker.counts(1, 0, 50_000, torrent.infoHash);
    // all three, for our node is gone after a download, and transmission waits for those that are gone
    const found = HOLDERS.map((holder) => this.#cell(holder, 'DHT').torrent);
    if (way === 'DHT') await until(() => found.every((each) => this.#isInDht(each)), this.#nodes, 50_000);
  }

  #isInDht({ infoHash }: MadeTorrent): boolean {
    return this.#nodes.output.includes(`told ${infoHash.toString('hex')}\n`);
  }

  /** When it fails, the programs' last words are in the error. */
  async #explain<T>(programs: readonly Program[], body: () => Promise<T>): Promise<T> {
    try {
      return await body();
    } catch (error) {
      await timeout(100); // for what is on its way
      const words = programs.map(({ title, output }) => `--- ${title}\n${output.split('\n').slice(-40).join('\n')}`);
      throw new Error([error instanceof Error ? error.message : String(error), ...words].join('\n'), { cause: error });
    }
  }
}

function magnetOf({ torrent, trackers }: Cell, peer?: string): string {
  const more = [...trackers.map((url) => `&tr=${encodeURIComponent(url)}`), ...(peer ? [`&x.pe=${peer}`] : [])];
  return `magnet:?xt=urn:btih:${torrent.infoHash.toString('hex')}${more.join('')}`;
}

// ── How each program is told all that ─────────────────────────────────────────────────────────────────────────────────

interface ManyJobs {
  readonly host: Host;
  /** Holds the content of `torrents`, and is to hold that of `magnets`. */
  readonly folder: string;
  readonly torrents: readonly string[];
  readonly magnets: readonly string[];
  /** `address:port` of nodes of the DHT. */
  readonly nodes: readonly string[];
}

interface Started {
  readonly program: Program;
  /** Whether it says that it has all of a torrent that it wanted. */
  readonly has: (torrent: MadeTorrent) => boolean;
  /** Resolves when it has taken all its jobs. */
  readonly ready: Promise<void>;
}

const START: Readonly<Record<HolderName, (jobs: ManyJobs) => Started>> = {
  libtorrent: startLibtorrent,
  transmission: startTransmission,
  aria2: startAria2,
};

function startLibtorrent({ host, folder, torrents, magnets, nodes }: ManyJobs): Started {
  const program = host.start('/usr/bin/python3', [
    ...[
      '-W',
      'ignore',
      pathOf('libtorrent-many.py'),
      folder,
      String(HOLDER_PORT),
      host.address,
      host.address6,
      '--lsd',
    ],
    ...torrents.flatMap((file) => ['--torrent', file]),
    ...magnets.flatMap((link) => ['--magnet', link]),
    ...nodes.flatMap((node) => ['--node', node]),
  ]);
  const ready = until(() => program.output.includes('successfully listening'), program, READY_WITHIN_MS);
  return { program, ready, has: ({ name }) => program.output.includes(`finished ${name}\n`) };
}

function startTransmission({ host, folder, torrents, magnets, nodes }: ManyJobs): Started {
  const config = `${folder}-config`;
  const { script, names } = writeDoneScript(config, '"$TR_TORRENT_NAME"');
  const settings = {
    'dht-enabled': true,
    'download-dir': folder,
    'download-queue-enabled': false,
    encryption: 0,
    'lpd-enabled': true,
    'peer-port': HOLDER_PORT,
    'pex-enabled': true,
    'port-forwarding-enabled': false,
    preallocation: 0,
    'rpc-enabled': true,
    'script-torrent-done-enabled': true,
    'script-torrent-done-filename': script,
    'utp-enabled': false,
  };
  writeFileSync(path.join(config, 'settings.json'), JSON.stringify(settings));
  writeFileSync(path.join(config, 'dht.bootstrap'), nodes.map((node) => `${node.replace(':', ' ')}\n`).join(''));
  const program = host.start('transmission-daemon', ['-f', '-g', config, '--log-info']);
  const add =
    'for source; do until transmission-remote 127.0.0.1 --add "$source" >/dev/null 2>&1; do sleep 0.1; done; done';
  const ready = host
    .start('timeout', ['20', 'sh', '-c', add, 'add', ...torrents, ...magnets])
    .exits(0, READY_WITHIN_MS);
  return { program, ready, has: ({ name }) => names().includes(name) };
}

function startAria2({ host, folder, torrents, magnets, nodes }: ManyJobs): Started {
  const config = `${folder}-config`;
  const { script, names } = writeDoneScript(config, '"${3##*/}"');
  const program = host.start('aria2c', [
    ...['--no-conf', '--file-allocation=none', '--summary-interval=0', '--console-log-level=notice'],
    ...['--show-console-readout=false', '--allow-overwrite=true', `--dir=${folder}`, '-j', '50'],
    ...[`--listen-port=${HOLDER_PORT}`, `--dht-listen-port=${HOLDER_PORT}`, '--enable-dht=true', '--enable-dht6=false'],
    ...[`--dht-file-path=${path.join(config, 'dht.dat')}`, `--dht-entry-point=${nodes[0]}`, '--bt-enable-lpd=true'],
    ...['--check-integrity=true', '--bt-seed-unverified=false', '--seed-ratio=0.0'],
    ...['--parameterized-uri=false', '--force-sequential=true', `--on-bt-download-complete=${script}`],
    ...torrents,
    ...magnets,
  ]);
  const ready = until(() => program.output.includes('listening on TCP'), program, READY_WITHIN_MS);
  return { program, ready, has: ({ name }) => names().includes(name) };
}

/** A script that a program calls with each torrent that is complete, and what it was called with. */
function writeDoneScript(folder: string, name: string): { readonly script: string; readonly names: () => string[] } {
  mkdirSync(folder, { recursive: true });
  const list = path.join(folder, 'finished');
  const script = path.join(folder, 'done.sh');
  writeFileSync(script, `#!/bin/sh\necho ${name} >>'${list}'\n`, { mode: 0o755 });
  return { script, names: () => (existsSync(list) ? readFileSync(list, 'utf8').split('\n') : []) };
}
