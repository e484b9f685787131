/** A folder with torrents that somebody serves, and shells in it that find `torrent-dl` on their path. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after } from 'node:test';

import { ScriptedPeer, type Behaviour } from '../helpers/scripted-peer.js';
import { makeTorrent, randomBytes, type Content } from '../helpers/torrent.js';
import { openTracker } from '../helpers/tracker.js';
import { EXECUTABLE, tempFolder } from './execute.js';

const root = await tempFolder();
const bin = path.join(root, 'bin');
await mkdir(bin);
await symlink(EXECUTABLE, path.join(bin, 'torrent-dl'));

/** What `photos.torrent` holds, by path. */
export const PHOTOS: ReadonlyMap<string, Buffer> = new Map(
  ['sea.jpg', 'hills/a b.jpg', 'drafts/blurred.jpg', 'hills/notes.txt', "it's $(odd).txt"].map((name, at) => [
    name,
    randomBytes(name, 50_000 + at),
  ]),
);

/** The one file in `data.tar`. */
export const DATA = randomBytes('data', 3_000_000);

/** Bytes of a `.torrent` whose tracker knows one peer. */
async function serve(name: string, content: Content, behaviour: Behaviour = 'honest'): Promise<Uint8Array> {
  const peer = await ScriptedPeer.open(makeTorrent(content, { name }), { behaviour });
  const tracker = await openTracker({ peers: [peer.address] });
  after(async () => {
    await peer[Symbol.asyncDispose]();
    await tracker[Symbol.asyncDispose]();
  });
  return makeTorrent(content, { name, trackers: [[tracker.url]] }).bytes;
}

async function tarOf(name: string, bytes: Uint8Array): Promise<Uint8Array> {
  const folder = await mkdtemp(path.join(root, 'tar-'));
  await writeFile(path.join(folder, name), bytes);
  return spawnSync('tar', ['-c', name], { cwd: folder, maxBuffer: 2 * bytes.length }).stdout;
}

const photos = await serve(
  'photos',
  [...PHOTOS].map(([name, data]) => ({ path: name, data })),
);
const data = await serve('data.tar', await tarOf('data.bin', DATA));

/** `mute.torrent` is of a peer that sends nothing; not in `workFolder`. */
export const muteTorrent = await serve('mute.bin', randomBytes('mute', 100_000), 'stall');

/** A new folder with `photos.torrent` and `data.tar.torrent`, and an empty folder `copy`. */
export async function workFolder(): Promise<string> {
  const folder = await mkdtemp(path.join(root, 'work-'));
  await writeFile(path.join(folder, 'photos.torrent'), photos);
  await writeFile(path.join(folder, 'data.tar.torrent'), data);
  await mkdir(path.join(folder, 'copy'));
  return folder;
}

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs bash with `args` in `cwd`, with nothing of the settings of whoever runs the tests. */
export async function bash(args: readonly string[], cwd: string): Promise<Outcome> {
  const own = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('TORRENT_DL_')));
  const child = spawn('bash', args, {
    cwd,
    env: {
      ...own,
      PATH: `${bin}:${own['PATH'] ?? ''}`,
      XDG_CONFIG_HOME: '/nonexistent',
      TORRENT_DL_DHT: 'false',
      TORRENT_DL_LSD: 'false',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 60_000,
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr };
}

/** The reason to skip a test whose shell code names a program that is not there. */
export function withoutPrograms(code: string, ...programs: readonly string[]): string | false {
  const missing = programs.find((program) => code.includes(program) && spawnSync(program, ['--version']).error);
  return missing === undefined ? false : `${missing} is not installed`;
}
