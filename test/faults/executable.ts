/** The real executable in an ill-disposed world: under limits, with broken outputs, and stopped half-way. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ScriptedPeer, type ScriptedPeerOptions } from '../helpers/scripted-peer.js';
import { contentFiles, makeTorrent, randomBytes, type MadeTorrent } from '../helpers/torrent.js';
import { until } from '../helpers/until.js';

export const EXECUTABLE = fileURLToPath(new URL('../../bin/torrent-dl.js', import.meta.url));
const END_WITHIN_MS = 60_000;

export interface StartOptions {
  /** What a shell runs first, such as `ulimit -n 48`. */
  readonly limit?: string;
  /** Behind the command, such as `>&-`. */
  readonly redirection?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** One run of the executable. */
export class Run {
  stderr = '';
  stdout = '';
  readonly child: ChildProcess;
  /** Exit code, or the name of the signal that ended it. */
  readonly end: Promise<number | string>;

  constructor(args: readonly string[], { limit = 'true', redirection = '', env }: StartOptions = {}) {
    const script = `${limit} && exec "$0" "$@" ${redirection}`;
    this.child = spawn('/bin/sh', ['-c', script, process.execPath, EXECUTABLE, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...environment(), ...env },
      timeout: END_WITHIN_MS,
      killSignal: 'SIGKILL',
    });
    this.child.stdout!.on('data', (chunk: Buffer) => (this.stdout += chunk.toString()));
    this.child.stderr!.on('data', (chunk: Buffer) => (this.stderr += chunk.toString()));
    this.end = once(this.child, 'close').then(([code, signal]) => (code ?? signal) as number | string);
  }

  /** Asserts how it ended, and that a failure was told in one line without a stack. */
  async ends(code: number | string, message?: RegExp): Promise<void> {
    const end = await this.end;
    assert.equal(end, code, this.stderr);
    assert.doesNotMatch(this.stderr, /^\s+at /m);
    if (message) assert.match(this.stderr, message);
    const errors = this.stderr.split('\n').filter((line) => /^torrent-dl: (?!warning)/.test(line));
    if (typeof code === 'number' && code > 0 && code < 128) assert.equal(errors.length, 1, this.stderr);
  }
}

/** Nobody outside of this machine is asked, and no settings of whoever runs the tests count. */
function environment(): NodeJS.ProcessEnv {
  const own = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('TORRENT_DL_')));
  return { ...own, CI: '1', XDG_CONFIG_HOME: '/nonexistent', TORRENT_DL_DHT: 'false', TORRENT_DL_LSD: 'false' };
}

export interface SceneOptions {
  /** Bytes of the content, 2 MiB by default; or files. */
  readonly content?: Uint8Array | readonly { path: string; data: Uint8Array }[];
  readonly length?: number;
  readonly pieceLength?: number;
  readonly peer?: ScriptedPeerOptions;
}

/** A torrent, an honest seed for it, and a folder to download to. */
export class Scene implements AsyncDisposable {
  private constructor(
    readonly folder: string,
    readonly torrent: MadeTorrent,
    readonly seed: ScriptedPeer,
  ) {}

  static async open({ content, length = 2 ** 21, pieceLength = 65_536, peer }: SceneOptions = {}): Promise<Scene> {
    const folder = await mkdtemp(path.join(tmpdir(), 'torrent-dl-faults-'));
    const torrent = makeTorrent(content ?? randomBytes('faults', length), { pieceLength });
    await writeFile(path.join(folder, 'a.torrent'), torrent.bytes);
    return new Scene(folder, torrent, await ScriptedPeer.open(torrent, peer));
  }

  get out(): string {
    return path.join(this.folder, 'out');
  }

  /** Where the first, or the only, file of the content lies. */
  get file(): string {
    return path.join(this.out, contentFiles(this.torrent)[0]!.path);
  }

  /** Downloads; more words, and options for `Run`, as needed. */
  start(words: readonly string[] = [], options: StartOptions = {}, out = this.out): Run {
    const { host, port } = this.seed.address;
    const peer = ['--peer', `${host}:${port}`];
    return new Run([path.join(this.folder, 'a.torrent'), '--out', out, ...peer, ...words], options);
  }

  /** Waits until the seed has sent so many bytes more than `before`. */
  async sends(bytes: number, before = this.seed.sent): Promise<void> {
    await until(() => this.seed.sent - before >= bytes, 30_000);
  }

  /** Every byte of every file. */
  async assertContent(out = this.out): Promise<void> {
    for (const { path: name, data } of contentFiles(this.torrent)) {
      const found = await readFile(path.join(out, name));
      assert.ok(found.equals(data), `${name} differs`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.seed[Symbol.asyncDispose]();
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}
