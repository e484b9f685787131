/** A small world with a user in it, to see that a download harms nothing but its own folder. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { lstat, mkdir, mkdtemp, readdir, readFile, readlink, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { contentFiles, type MadeTorrent } from '../helpers/torrent.js';
import { watched, type Watched, type WatchOptions } from './watched.js';

const MOST_MIB = 250;

/**
 *     top/canary
 *     top/user/canary
 *     top/user/home/canary      the working folder and $HOME
 *     top/user/home/downloads/  the output folder, the only place to change
 *     top/cache/                but for this: compiled code may be kept here
 */
export class World implements AsyncDisposable {
  readonly top: string;
  readonly home: string;
  readonly out: string;
  readonly #cache: string;

  private constructor(top: string) {
    this.top = top;
    this.home = path.join(top, 'user', 'home');
    this.out = path.join(this.home, 'downloads');
    this.#cache = path.join(top, 'cache');
  }

  static async open(): Promise<World> {
    const world = new World(await realpath(await mkdtemp(path.join(tmpdir(), 'torrent-dl-hostile-'))));
    await mkdir(world.out, { recursive: true });
    await mkdir(world.#cache);
    for (const folder of [world.top, path.dirname(world.home), world.home]) {
      await writeFile(path.join(folder, 'canary'), `sings in ${folder}`);
    }
    return world;
  }

  /** Puts a file into the home folder and gives its path. */
  async give(name: string, bytes: Uint8Array): Promise<string> {
    const file = path.join(this.home, name);
    await writeFile(file, bytes);
    return file;
  }

  /**
   * Runs the executable, with `-o` for a download. Whatever happens, it leaves the rest of the world as it was, prints
   * no stack trace and nothing that steers a terminal, and stays small.
   */
  async run(args: readonly string[], options: Partial<WatchOptions> = {}): Promise<Watched> {
    const before = await this.#everythingElse();
    const { env, ...rest } = options;
    const result = await watched(args, {
      cwd: this.home,
      ...rest,
      env: {
        HOME: this.home,
        XDG_CONFIG_HOME: path.join(this.home, '.config'),
        XDG_CACHE_HOME: this.#cache,
        TORRENT_DL_DHT: 'false',
        TORRENT_DL_LSD: 'false',
        ...env,
      },
    });
    const shown = `${result.stdout}${result.stderr}`;
    assert.doesNotMatch(shown, /^\s+at /m, 'a stack trace');
    assert.doesNotMatch(shown, /bug:|uncaught|unhandled/i);
    assert.doesNotMatch(shown, /[^\P{Cc}\t\n]|[\u202a-\u202e\u2066-\u2069]/u, 'what steers a terminal');
    assert.ok(result.peakMib < MOST_MIB, `${result.peakMib.toFixed()} MiB were resident`);
    assert.deepEqual(await this.#everythingElse(), before, 'something outside of the output folder changed');
    for (const { path: file, type } of await listTree(this.#cache)) {
      if (type !== 'folder') assert.match(file, /cache.torrent-dl.v.*\.code$/);
    }
    return result;
  }

  /** Each file of the torrent is somewhere in the output folder, and nothing there is a link. */
  async assertContent(torrent: MadeTorrent): Promise<void> {
    const found = await listTree(this.out);
    const hashes = found.map((line) => line.hash);
    for (const { path: name, data } of contentFiles(torrent)) {
      const at = hashes.indexOf(hashOf(data));
      assert.ok(at >= 0, `${JSON.stringify(name)} is not there`);
      hashes.splice(at, 1); // two files of the same bytes are two files
    }
    assert.ok(found.every(({ type }) => type !== 'link'));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.top, { recursive: true, force: true });
  }

  #everythingElse(): Promise<readonly Found[]> {
    return listTree(this.top, this.out, this.#cache);
  }
}

interface Found {
  readonly path: string;
  readonly type: 'file' | 'folder' | 'link' | 'other';
  readonly mode: number;
  /** Of a folder, too: it changes when something in it is made and removed again. */
  readonly changedNs: bigint;
  readonly hash: string;
}

/** All below `folder`, but not below `except`. */
async function listTree(folder: string, ...except: readonly string[]): Promise<readonly Found[]> {
  const found: Found[] = [];
  for (const name of ['', ...(await readdir(folder))].sort()) {
    const file = path.join(folder, name);
    if (except.includes(file)) continue;
    const stats = await lstat(file, { bigint: true });
    const type = stats.isFile() ? 'file' : stats.isDirectory() ? 'folder' : stats.isSymbolicLink() ? 'link' : 'other';
    if (type === 'folder' && name !== '') found.push(...(await listTree(file, ...except)));
    else {
      const bytes = type === 'file' ? await readFile(file) : type === 'link' ? await readlink(file) : '';
      found.push({ path: file, type, mode: Number(stats.mode), changedNs: stats.mtimeNs, hash: hashOf(bytes) });
    }
  }
  return found;
}

function hashOf(bytes: Uint8Array | string): string {
  return createHash('sha1').update(bytes).digest('hex');
}
