/** Keeps the compiled code of a script between runs: compiling it takes longer than all else that a small download does. */
import { isAscii } from 'node:buffer';
import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { access, readdir, rm, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import vm from 'node:vm';
import { cacheFolder, writeCache } from './cache.js';
import { makeFolders } from './folders.js';

const DIGEST_LENGTH = 32;
/** Some eight times what it is. */
const MOST_LENGTH = 8 * 1024 * 1024;
const MOST_AGE_MS = 60 * 24 * 3600_000;

export interface LoadedScript {
  /** What the script exports. */
  readonly exports: unknown;
  /** Keeps the code as compiled by now for the runs to come, once, if this one had to compile it. Never rejects. */
  readonly keepCode: () => Promise<void>;
}

/**
 * Runs the CommonJS module in `file`, with its compiled code from an earlier run if that is in `folder`. The code is used
 * when it is ours alone to change and comes with the SHA-256 of the script and itself; whether it fits this version of V8,
 * V8 knows.
 */
export function loadScript(file: string, folder?: string): LoadedScript {
  const source = readFileSync(file);
  const kept = process.env['NODE_DISABLE_COMPILE_CACHE'] ? undefined : placeOf(file, folder);
  const code = kept === undefined ? undefined : readCode(kept, source);
  const text = source.toString(isAscii(source) ? 'latin1' : 'utf8'); // half as much memory, and 5 ms sooner
  const script = new vm.Script(`(function (exports, require, module, __filename, __dirname) {${text}\n})`, {
    filename: file,
    ...(code && { cachedData: code }),
  });
  const module = { exports: {} };
  const run = script.runInThisContext() as (...words: unknown[]) => void;
  run(module.exports, createRequire(file), module, file, path.dirname(file));
  let isFresh = kept !== undefined && (code === undefined || script.cachedDataRejected === true);
  return {
    exports: module.exports,
    keepCode: async () => {
      if (!isFresh) return;
      isFresh = false;
      await writeCode(kept!, source, () => script.createCachedData());
    },
  };
}

/** Each version of Node has a file of its own, for none takes another's code; and so has each installation. */
function placeOf(file: string, folder?: string): string | undefined {
  try {
    const installation = createHash('sha256').update(path.resolve(file)).digest('hex').slice(0, 8);
    const name = `${process.version}-${process.arch}-${installation}.code`;
    return path.join(folder ?? cacheFolder(), name);
  } catch {
    return undefined; // a user without a home
  }
}

function readCode(file: string, source: Buffer): Buffer | undefined {
  try {
    const bytes = readOwn(file);
    const code = bytes?.subarray(DIGEST_LENGTH);
    return code && digest(source, code).equals(bytes!.subarray(0, DIGEST_LENGTH)) ? code : undefined;
  } catch {
    return undefined;
  }
}

/** The file's bytes, unless somebody else could have written them, or they are no file of ours, which others cannot read. */
function readOwn(file: string): Buffer | undefined {
  const handle = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK); // a pipe is not waited for
  try {
    const stats = fstatSync(handle);
    const { uid, mode } = stats;
    const isOurs = process.geteuid === undefined || (uid === process.geteuid() && (mode & 0o077) === 0);
    return isOurs && stats.isFile() && stats.size <= MOST_LENGTH ? readFileSync(handle) : undefined;
  } finally {
    closeSync(handle);
  }
}

async function writeCode(file: string, source: Buffer, createCode: () => Buffer): Promise<void> {
  try {
    const folder = path.dirname(file);
    makeFolders(folder, 0o700);
    await access(folder, constants.W_OK); // where nothing can be written, each run would make it for nothing
    const code = createCode();
    await writeCache(file, Buffer.concat([digest(source, code), code]));
    await removeOld(folder);
  } catch {
    // it is compiled again next time
  }
}

/** What versions left that are gone. A file that is still of use is made anew. */
async function removeOld(folder: string): Promise<void> {
  const names = (await readdir(folder)).filter((name) => /\.code(\.\d+\.new)?$/.test(name));
  for (const file of names.map((name) => path.join(folder, name))) {
    const { mtimeMs } = await stat(file);
    if (mtimeMs < Date.now() - MOST_AGE_MS) await rm(file);
  }
}

function digest(source: Buffer, code: Buffer): Buffer {
  return createHash('sha256').update(source).update(code).digest();
}
