import { readFileSync } from 'node:fs';

/** What Linux calls FAT in `statfs`, and the most bytes that a file has there. */
const FAT = 0x4d44n;
const MOST_ON_FAT = 2 ** 32 - 1;

/**
 * Bytes that a file may have at most on a file system of that type (of `statfs`), as far as the system tells: on FAT, or
 * by a limit of this process (`ulimit -f`).
 */
export function largestFile(type: bigint): number {
  return Math.min(type === FAT ? MOST_ON_FAT : Infinity, limitOfProcess());
}

function limitOfProcess(): number {
  try {
    const found = /^Max file size\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'));
    return found ? Number(found[1]) : Infinity;
  } catch {
    return Infinity; // no Linux: a write will tell
  }
}
