/** Decides when compiled code is worth keeping: what a run has not run yet is not in it. */
import type { Download } from '../index.js';
import type { StartDownload } from './run.js';

/** Long enough for data to have taken all ways, and not so long that V8 drops the code that ran only at the start. */
const LOOK_EVERY_MS = 3000;

/**
 * Runs `run`, which starts its downloads by what it is given, and calls `keepCode` once: after some seconds of a download
 * that receives data, or at the good end of a shorter one.
 */
export async function keepingCode(
  keepCode: () => Promise<void>,
  start: StartDownload,
  run: (start: StartDownload) => Promise<number>,
  lookEveryMs = LOOK_EVERY_MS,
): Promise<number> {
  const downloads = new Set<Download>();
  let isKept = false;
  const look = async (): Promise<void> => {
    if (isKept || ![...downloads].some((download) => download.stats().downloaded > 0)) return;
    isKept = true;
    downloads.clear();
    await keepCode();
  };
  const timer = setInterval(() => void look(), lookEveryMs).unref();
  try {
    const exitCode = await run((...words) => {
      const download = start(...words);
      if (!isKept) downloads.add(download);
      return download;
    });
    if (exitCode === 0) await look();
    return exitCode;
  } finally {
    clearInterval(timer);
  }
}
