/** Disks for tests: small ones in memory, and one whose system calls fail. */
import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { whichProgram } from '../peers/network.js';

/** Why no file system can be mounted here; false when it can. */
export function whyNoMount(): string | false {
  if (process.platform !== 'linux') return 'a tmpfs needs Linux';
  if (process.getuid?.() !== 0) return 'a mount needs root';
  const tried = spawnSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']);
  return tried.status === 0 ? false : 'mounts are not allowed here';
}

/** Why system calls cannot be made to fail here; false when they can. */
export function whyNoShim(): string | false {
  if (process.platform !== 'linux') return 'LD_PRELOAD needs Linux';
  return whichProgram('gcc') === undefined ? 'the program "gcc" is not installed' : false;
}

export interface Mounted extends AsyncDisposable {
  remount: (options: string) => void;
  /** Takes all the room that is left; gives the file that did. */
  fill: () => string;
}

/** A file system in memory at `folder`. */
export function mounted(folder: string, options: string): Mounted {
  run('mount', '-t', 'tmpfs', '-o', options, 'tmpfs', folder);
  return {
    remount: (changed) => run('mount', '-o', `remount,${changed}`, folder),
    fill: () => {
      const filler = path.join(folder, 'filler');
      spawnSync('dd', ['if=/dev/zero', `of=${filler}`, 'bs=4k'], { stdio: 'ignore' }); // ends when no more fits
      return filler;
    },
    [Symbol.asyncDispose]: () => {
      run('umount', folder);
      return Promise.resolve();
    },
  };
}

function run(command: string, ...args: readonly string[]): void {
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr}`);
}

/** What our disk threads call, as the C library names it. */
export type FileCall = 'pwrite' | 'pread' | 'fdatasync';

/** The environment in which a program's system call on a file of the content fails, from the `from`-th on. */
export function failingDisk(
  folder: string,
  { call, from, error }: { readonly call: FileCall; readonly from: number; readonly error: 'EIO' | 'EROFS' },
): Promise<Record<string, string>> {
  return preload(folder, failingCalls(call, from, error));
}

/** The environment in which a program's wall clock jumps by a day, now forth and now back, each time that it is read. */
export function jumpingClock(folder: string): Promise<Record<string, string>> {
  return preload(folder, JUMPING_CLOCK);
}

/** Compiles a library to be loaded before the C library. */
async function preload(folder: string, code: string): Promise<Record<string, string>> {
  const source = path.join(folder, 'shim.c');
  const library = path.join(folder, 'shim.so');
  await writeFile(source, code);
  run('gcc', '-shared', '-fPIC', '-O1', '-o', library, source, '-ldl');
  return { LD_PRELOAD: library };
}

const JUMPING_CLOCK = `
  #define _GNU_SOURCE
  #include <dlfcn.h>
  #include <sys/time.h>
  #include <time.h>
  static int calls;
  static long jump(void) { return (__sync_add_and_fetch(&calls, 1) % 3 - 1) * 86400L; }
  int clock_gettime(clockid_t clock, struct timespec *time) {
    static int (*next)(clockid_t, struct timespec *);
    if (!next) next = dlsym(RTLD_NEXT, "clock_gettime");
    int result = next(clock, time);
    if (clock == CLOCK_REALTIME) time->tv_sec += jump();
    return result;
  }
  int gettimeofday(struct timeval *restrict time, void *restrict zone) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    time->tv_sec = now.tv_sec;
    time->tv_usec = now.tv_nsec / 1000;
    return 0;
  }`;

/** libuv calls the variants with 64 bits where there are any; both are replaced. */
function failingCalls(call: FileCall, from: number, error: string): string {
  const isOurs = `
    static int is_ours(int fd) {
      char link[64], name[4096];
      snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
      ssize_t length = readlink(link, name, sizeof name - 1);
      if (length < 0) return 0;
      name[length] = 0;
      return strstr(name, "/out/content") != NULL;
    }
    static int fails(int fd) { return is_ours(fd) && __sync_add_and_fetch(&calls, 1) >= ${from}; }`;
  const head = `
    #define _GNU_SOURCE
    #include <dlfcn.h>
    #include <errno.h>
    #include <stdio.h>
    #include <string.h>
    #include <sys/types.h>
    #include <sys/uio.h>
    #include <unistd.h>
    static int calls;${isOurs}`;
  return (
    head +
    replacements(call)
      .map((replaced) => replace(replaced, error))
      .join('\n')
  );
}

interface CCall {
  readonly name: string;
  readonly parameters: string;
  readonly values: string;
  readonly type: string;
}

function replacements(call: FileCall): CCall[] {
  if (call === 'fdatasync') return [{ name: call, parameters: 'int fd', values: 'fd', type: 'int' }];
  const buffer = call === 'pread' ? 'void *bytes' : 'const void *bytes';
  const plain = [call, `${call}64`].map((name) => {
    return { name, parameters: `int fd, ${buffer}, size_t n, off_t at`, values: 'fd, bytes, n, at', type: 'ssize_t' };
  });
  const vectors = [`${call}v`, `${call}v64`].map((name) => {
    const parameters = 'int fd, const struct iovec *parts, int n, off_t at';
    return { name, parameters, values: 'fd, parts, n, at', type: 'ssize_t' };
  });
  return [...plain, ...vectors];
}

function replace({ name, parameters, values, type }: CCall, error: string): string {
  return `
    ${type} ${name}(${parameters}) {
      static ${type} (*next)(${parameters});
      if (!next) next = dlsym(RTLD_NEXT, "${name}");
      if (fails(fd)) { errno = ${error}; return -1; }
      return next(${values});
    }`;
}
