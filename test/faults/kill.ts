/** Kills the executable again and again at random moments, and counts what was lost each time. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { contentFiles, type MadeTorrent } from '../helpers/torrent.js';
import { until } from '../helpers/until.js';
import { Scene } from './executable.js';

/** Bytes that may be fetched again after each kill. */
export const MOST_AGAIN = 1.5 * 2 ** 20;
/** What the seed sends in a second: of what waits in sockets while the machine is busy, little is lost. */
const RATE = 4 * 2 ** 20;
const MOST_WAIT_MS = 300;

export interface Kill {
  /** Bytes that the seed had sent in this run when it was killed. */
  readonly sent: number;
  /** Of those, how many were not on disk in whole pieces, and so have to be fetched again. */
  readonly again: number;
}

/** Kills a download so often, each time after some `perRun` bytes; then completes it and compares every byte. */
export async function killAgainAndAgain(options: {
  readonly kills: number;
  readonly perRun: number;
  readonly onKill?: (kill: Kill) => void;
}): Promise<Kill[]> {
  const { kills, perRun, onKill } = options;
  const length = Math.ceil((kills + 1) * (perRun + (RATE * MOST_WAIT_MS) / 1000) + MOST_AGAIN);
  await using scene = await Scene.open({ length, pieceLength: 262_144, peer: { rate: RATE } });
  const found: Kill[] = [];
  let kept = 0;
  for (let kill = 0; kill < kills; kill++) {
    const before = scene.seed.sent;
    const run = scene.start(['--quiet']);
    await until(() => scene.seed.sent - before >= perRun, 30_000);
    await sleep(Math.random() * MOST_WAIT_MS);
    run.child.kill('SIGKILL');
    assert.equal(await run.end, 'SIGKILL');
    const sent = scene.seed.sent - before;
    const keptNow = keptBytes(scene);
    found.push({ sent, again: kept + sent - keptNow });
    onKill?.(found.at(-1)!);
    kept = keptNow;
  }
  await scene.start(['--quiet']).ends(0);
  await scene.assertContent();
  const counted = found.reduce((sum, kill) => sum + kill.again, 0);
  const again = scene.seed.sent - scene.torrent.totalLength;
  assert.ok(again <= counted, `${again} bytes were fetched again, though only ${counted} were lost`);
  return found;
}

/** Bytes of the content's pieces that are right on disk; the content is one file. */
function keptBytes({ file, torrent }: { readonly file: string; readonly torrent: MadeTorrent }): number {
  if (!existsSync(file)) return 0;
  const found = readFileSync(file);
  const { data } = contentFiles(torrent)[0]!;
  let kept = 0;
  for (let begin = 0; begin < data.length; begin += torrent.pieceLength) {
    const piece = data.subarray(begin, begin + torrent.pieceLength);
    if (Buffer.compare(piece, found.subarray(begin, begin + torrent.pieceLength)) === 0) kept += piece.length;
  }
  return kept;
}
