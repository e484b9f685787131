/** Runs the executable as a user does; the build must be there (`npm test` makes it). */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';

export const EXECUTABLE = fileURLToPath(new URL('../../bin/torrent-dl.js', import.meta.url));

/** For `--import`: a module that throws once somebody would notice, as no input can make the program do. */
export const PLANTED_BUG =
  'data:text/javascript,setInterval(()=>{' +
  'if(process.listenerCount(/uncaughtException/.source))throw(Error(/planted/.source))},50)';

/** Not the user's own. */
const CACHE = path.join(tmpdir(), 'torrent-dl-tests-cache');

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The bytes of `stdout`. */
  readonly output: Buffer;
}

export interface ExecuteOptions {
  readonly cwd?: string;
  readonly input?: string | Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
}

/** Without the variables and the configuration file of whoever runs the tests. */
export async function execute(args: readonly string[], { cwd, input, env }: ExecuteOptions = {}): Promise<Ended> {
  const own = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('TORRENT_DL_')));
  const child = spawn(process.execPath, [EXECUTABLE, ...args], {
    cwd,
    stdio: 'pipe',
    env: { ...own, XDG_CONFIG_HOME: '/nonexistent', XDG_CACHE_HOME: CACHE, ...env },
    timeout: 60_000,
  });
  const output: Buffer[] = [];
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  child.stdin.on('error', () => undefined); // it need not read what it is given
  child.stdin.end(input);
  const [code] = (await once(child, 'close')) as [number | null];
  const bytes = Buffer.concat(output);
  return { code, stdout: bytes.toString(), stderr, output: bytes };
}

/** An empty folder that is gone when the file's tests are over. */
export async function tempFolder(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'torrent-dl-cli-'));
  after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}
