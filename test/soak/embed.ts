/**
 * A program that embeds the library: downloads and seeds one torrent again and again, and tells in JSON lines what that
 * left behind. `swarm.ts` runs it, with `--expose-gc`.
 */
import assert from 'node:assert/strict';
import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { createHistogram } from 'node:perf_hooks';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { download as startDownload, DownloadOptions } from '../../src/index.js';

/** After one turn with the garbage collected, and nothing running. */
export interface Turn {
  readonly kind: 'turn';
  readonly seconds: number;
  readonly bannedPeers: number;
  readonly mostPeers: number;
  /** Bytes at rest. */
  readonly heapUsed: number;
  readonly external: number;
  readonly rss: number;
  /** Bytes, the most seen while it ran. */
  readonly mostRss: number;
}

/** When all is over. */
export interface Last {
  readonly kind: 'last';
  /** Delay of the event loop: 99.9th percentile, and the longest. */
  readonly delayMs: number;
  readonly mostDelayMs: number;
  /** What still keeps the process alive. */
  readonly active: readonly string[];
}

/** Places for the whole crowd; a third is kept for those that we dial. */
const MOST_PEERS = 300;
const RESOLUTION_MS = 5;
const SAMPLE_MS = 500;
const MOST_SEED_MS = 10_000;
/** What the system closes on its own shortly after we did. */
const SETTLE_MS = 1000;

const { values } = parseArgs({
  options: {
    torrent: { type: 'string', default: '' },
    content: { type: 'string', default: '' },
    out: { type: 'string', default: '' },
    port: { type: 'string', default: '7000' },
    seconds: { type: 'string', default: '60' },
  },
});
const { download } = (await import(new URL('../../dist/index.js', import.meta.url).href)) as {
  download: typeof startDownload;
};
const before = process.getActiveResourcesInfo();
const delay = createHistogram();
const endsAt = performance.now() + Number(values.seconds) * 1000;

while (performance.now() < endsAt) await turn();
await sleep(SETTLE_MS);
const resources = process.getActiveResourcesInfo();
const last: Last = {
  kind: 'last',
  delayMs: delay.percentile(99.9) / 1e6 - RESOLUTION_MS,
  mostDelayMs: delay.max / 1e6 - RESOLUTION_MS,
  active: without(resources, before),
};
tell(last);

async function turn(): Promise<void> {
  const startedAt = performance.now();
  let mostPeers = 0;
  let mostRss = 0;
  let bannedPeers = 0;
  const options: DownloadOptions = {
    out: values.out,
    port: Number(values.port),
    seed: true,
    maxPeers: MOST_PEERS,
    dht: false,
  };
  {
    await using running = download(values.torrent, options);
    const sample = setInterval(() => {
      const stats = running.stats();
      mostPeers = Math.max(mostPeers, stats.connectedPeers);
      bannedPeers = Math.max(bannedPeers, stats.bannedPeers);
      mostRss = Math.max(mostRss, process.memoryUsage.rss());
    }, SAMPLE_MS);
    const beat = watchDelay();
    try {
      await running.done;
      await sleep(Math.random() * MOST_SEED_MS);
    } finally {
      clearInterval(sample);
      clearInterval(beat);
    }
  }
  await compare();
  const seconds = Math.round((performance.now() - startedAt) / 1000);
  tell({ kind: 'turn', seconds, bannedPeers, mostPeers, mostRss, ...(await atRest()) });
}

/** Notes how late the event loop is, until the timer is cleared: not while the bytes are compared. */
function watchDelay(): NodeJS.Timeout {
  let last = performance.now();
  return setInterval(() => {
    const now = performance.now();
    delay.record(Math.max(1, Math.round((now - last) * 1e6)));
    last = now;
  }, RESOLUTION_MS);
}

/** Compares every byte, and leaves none of them in memory. */
async function compare(): Promise<void> {
  const [wanted, found] = await Promise.all([
    readFile(values.content),
    readFile(path.join(values.out, path.basename(values.content))),
  ]);
  assert.ok(found.equals(wanted), 'a wrong byte behind a completed download');
  await rm(values.out, { recursive: true });
}

async function atRest(): Promise<Pick<Turn, 'heapUsed' | 'external' | 'rss'>> {
  for (let time = 0; time < 3; time++) {
    globalThis.gc?.();
    await nextTurn(); // buffers go once what held them is gone
  }
  const { heapUsed, external, rss } = process.memoryUsage();
  return { heapUsed, external, rss };
}

/** `all` without one of each of `known`. */
function without(all: readonly string[], known: readonly string[]): string[] {
  const left = [...all];
  for (const name of known) if (left.includes(name)) left.splice(left.indexOf(name), 1);
  return left;
}

function tell(line: Turn | Last): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
