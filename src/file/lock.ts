import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
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
 * Keeps two runs from writing to the same place. Each puts up a file of its own, which lists the names that it wants to
 * have to itself, and then looks whether another lists one of them: of two, the later to put up sees the earlier. Its
 * owner stands in the file's name, `<hash of the first name>.<pid>.<start time>.<boot>.<random>.lock`, and none comes
 * twice; so removing a dead process's file can never hit a live one's, which no takeover of one shared file can promise.
 */
export class FileLock implements AsyncDisposable {
  readonly #file: string;

  private constructor(file: string) {
    this.#file = file;
  }

  /**
   * Locks names below `out`, which have no line breaks; the state folder must be there.
   * @throws {DiskError} when one is taken
   */
  static async acquire(out: string, names: readonly string[]): Promise<FileLock> {
    const folder = path.join(out, STATE_FOLDER);
    const wanted = new Set(names);
    const { pid, startTime, boot } = currentOwner();
    const prefix = createHash('sha256').update(names[0]!).digest('hex').slice(0, 16);
    for (let tries = 1; ; tries++) {
      const own = `${prefix}.${pid}.${startTime}.${boot}.${randomBytes(6).toString('hex')}.lock`;
      const lock = new FileLock(path.join(folder, own));
      await lock.#putUp(names);
      const other = await findOther(folder, wanted, own);
      if (!other) return lock;
      await lock[Symbol.asyncDispose]();
      if (tries < TRIES) await sleep(Math.random() * STEP_BACK_MS);
      else throw lockedError(out, other);
    }
  }

  /** What `acquire` would throw now; it touches nothing. */
  static async heldBy(out: string, names: readonly string[]): Promise<DiskError | undefined> {
    const other = await findOther(path.join(out, STATE_FOLDER), new Set(names)).catch(() => undefined);
    return other && lockedError(out, other);
  }

  /** Gives the names free. @throws {DiskError} */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await rm(this.#file, { force: true });
    } catch (error) {
      throw diskError('remove', this.#file, error);
    }
  }

  /** Others see it with all its names or not at all. */
  async #putUp(names: readonly string[]): Promise<void> {
    const draft = `${this.#file}.new`;
    try {
      await writeFile(draft, `${names.join('\n')}\n`, { flag: 'wx' });
      await rename(draft, this.#file);
    } catch (error) {
      await rm(draft, { force: true });
      throw diskError('write', this.#file, error);
    }
  }
}

/** Who has a name, and which. */
interface Holder {
  readonly owner: Owner;
  readonly name: string;
}

function lockedError(out: string, { owner: { pid }, name }: Holder): DiskError {
  const who = pid === process.pid ? 'another download of this process' : `another torrent-dl (pid ${pid})`;
  const what = name.startsWith('/') ? `the same torrent to ${quoted(out)}` : `to ${quoted(path.join(out, name))}`;
  return new DiskError('ERR_LOCKED', `${who} is writing ${what}`);
}

/** Who has one of `names` beside `own`, if that is given; then files of processes that are gone are removed. */
async function findOther(folder: string, names: ReadonlySet<string>, own?: string): Promise<Holder | undefined> {
  for (const file of await readdir(folder)) {
    if (file === own || !/\.lock(?:\.new)?$/.test(file)) continue;
    const [, pid, startTime, boot] = file.split('.');
    const owner = { pid: Number(pid), startTime: startTime ?? '', boot: boot ?? '' };
    const place = path.join(folder, file);
    if (isAlive(owner)) {
      const name = file.endsWith('.new') ? undefined : await findName(place, names);
      if (name !== undefined) return { owner, name };
    } else if (own !== undefined) await rm(place, { force: true }).catch(() => undefined); // it harms nobody
  }
  return undefined;
}

/** The first of `names` that a lock's file lists. */
async function findName(place: string, names: ReadonlySet<string>): Promise<string | undefined> {
  try {
    const listed = await readFile(place, 'utf8');
    return listed.split('\n').find((name) => names.has(name));
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined; // given free meanwhile
    throw diskError('read', place, error);
  }
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
