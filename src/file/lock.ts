import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { open, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DiskError } from '../common/errors.js';
import { codeOf, diskError, quoted } from './disk-error.js';
import { STATE_FOLDER } from './out-folder.js';

/** Two that start at the same moment both step back; so many times, then they give up. */
const TRIES = 5;
const STEP_BACK_MS = 40;

/** A process, told from later ones that get the same id. */
interface Owner {
  readonly pid: number;
  /** In clock ticks since the machine's start; empty where the system does not tell. */
  readonly startTime: string;
  /** First digits of the id that Linux gives each start of the machine; or empty. */
  readonly boot: string;
}

/**
 * Keeps two runs from writing to the same place. Each puts up a file of its own and then looks whether there is another:
 * of two, the later to put up sees the earlier. Its owner stands in the name, `<hash of the torrent's name>.<pid>.<start
 * time>.<boot>.<random>.lock`, and no name comes twice; so removing a dead process's file can never hit a live one's,
 * which no takeover of one shared file can promise.
 */
export class FileLock implements AsyncDisposable {
  readonly #file: string;

  private constructor(file: string) {
    this.#file = file;
  }

  /** Locks `name` below `out`; the state folder must be there. @throws {DiskError} when it is taken */
  static async acquire(out: string, name: string): Promise<FileLock> {
    const folder = path.join(out, STATE_FOLDER);
    const prefix = prefixOf(name);
    const { pid, startTime, boot } = currentOwner();
    for (let tries = 1; ; tries++) {
      const own = `${prefix}.${pid}.${startTime}.${boot}.${randomBytes(6).toString('hex')}.lock`;
      const lock = new FileLock(path.join(folder, own));
      await lock.#putUp(name);
      const other = await findOther(folder, prefix, own);
      if (!other) return lock;
      await lock[Symbol.asyncDispose]();
      if (tries < TRIES) await sleep(Math.random() * STEP_BACK_MS);
      else {
        throw lockedError(out, name, other);
      }
    }
  }

  /** What `acquire` would throw now; it touches nothing. */
  static async heldBy(out: string, name: string): Promise<DiskError | undefined> {
    const other = await findOther(path.join(out, STATE_FOLDER), prefixOf(name)).catch(() => undefined);
    return other && lockedError(out, name, other);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#file, { force: true });
  }

  async #putUp(name: string): Promise<void> {
    try {
      const handle = await open(this.#file, 'wx');
      try {
        await handle.writeFile(`${name}\n`);
      } finally {
        await handle.close();
      }
    } catch (error) {
      await rm(this.#file, { force: true });
      throw diskError('write', this.#file, error);
    }
  }
}

function prefixOf(name: string): string {
  return createHash('sha256').update(name).digest('hex').slice(0, 16);
}

function lockedError(out: string, name: string, { pid }: Owner): DiskError {
  const who = pid === process.pid ? 'another download of this process' : `another torrent-dl (pid ${pid})`;
  return new DiskError('ERR_LOCKED', `${who} is writing to ${quoted(path.join(out, name))}`);
}

/** Who has the lock beside `own`, if that is given; then files of processes that are gone are removed. */
async function findOther(folder: string, prefix: string, own?: string): Promise<Owner | undefined> {
  for (const name of await readdir(folder)) {
    if (name === own || !name.startsWith(`${prefix}.`) || !name.endsWith('.lock')) continue;
    const [, pid, startTime, boot] = name.split('.');
    const owner = { pid: Number(pid), startTime: startTime ?? '', boot: boot ?? '' };
    if (isAlive(owner)) return owner;
    if (own !== undefined) await rm(path.join(folder, name), { force: true });
  }
  return undefined;
}

function currentOwner(): Owner {
  return { pid: process.pid, startTime: statOf(process.pid)?.startTime ?? '', boot: bootId().slice(0, 8) };
}

function isAlive({ pid, startTime, boot }: Owner): boolean {
  if (boot !== bootId().slice(0, 8)) return false;
  try {
    process.kill(pid, 0); // sends nothing, only asks
  } catch (error) {
    if (codeOf(error) === 'ESRCH') return false; // EPERM: there, but another user's
  }
  const stat = statOf(pid);
  return !stat || (stat.startTime === startTime && stat.state !== 'Z');
}

/** A process's state and start time; undefined where the system does not tell. */
function statOf(pid: number): { readonly state: string; readonly startTime: string } | undefined {
  try {
    // The name in parentheses can hold anything; the third field begins behind the last one.
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1)!.split(' ');
    return { state: fields[0] ?? '', startTime: fields[19] ?? '' };
  } catch {
    return undefined;
  }
}

/** Changes with every start of the machine; empty where the system does not tell. */
export function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  } catch {
    return '';
  }
}
