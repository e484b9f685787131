/** Stage 5, the thread: takes jobs from its ring for as long as it lives; its event loop does not run. */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { bug } from '../common/errors.js';
import { JOB, JobRing, RESULT } from './job-ring.js';
import { mostOpenFiles } from './open-files.js';
import { TorrentOnDisk, type JobFailure, type TorrentSpec } from './torrent-on-disk.js';

/** What the main thread sends beside a job of kind `control`. */
export type ControlMessage =
  | { readonly type: 'add'; readonly id: number; readonly spec: TorrentSpec }
  | { readonly type: 'remove'; readonly id: number };

/** What the main thread gets: a wake-up is `null`, the rest tells why job `number` failed. */
export type ThreadMessage = null | (JobFailure & { readonly number: number });

/** How long an answer waits for others when there is more to do: a message for each takes a tenth of the thread's time. */
const MOST_WAIT_MS = 2;

const port = parentPort ?? bug('worker.ts is not the main thread');
const ring = new JobRing(workerData as SharedArrayBuffer);
const torrents = new Map<number, TorrentOnDisk>();
const mostFiles = mostOpenFiles();

let wokeAtMs = 0;

ring.wait();
while (ring.word(0) !== JOB.end) {
  ring.answer(run(ring.word(0), ring.word(1), ring.word(2), ring.word(3)));
  if (!ring.isPosted || performance.now() - wokeAtMs > MOST_WAIT_MS) wake();
  ring.wait();
}
wake();
for (const torrent of torrents.values()) torrent.close();

/** Tells the main thread that there are answers, unless it is about to look anyway. */
function wake(): void {
  if (!ring.claimWake()) return;
  port.postMessage(null);
  wokeAtMs = performance.now();
}

function run(kind: number, id: number, a: number, b: number): number {
  if (kind === JOB.control) return control();
  const torrent = torrents.get(id) ?? bug(`job for torrent ${id}, which is not here`);
  const result = kind === JOB.write ? torrent.write(a, b) : torrent.check(a, b);
  if (result === RESULT.failed) {
    const message: ThreadMessage = { number: ring.number, ...torrent.failure! };
    port.postMessage(message);
  }
  return result;
}

function control(): number {
  const { message } = receiveMessageOnPort(port) as { message: ControlMessage };
  if (message.type === 'add') torrents.set(message.id, new TorrentOnDisk(message.spec, mostFiles));
  else {
    torrents.get(message.id)?.close();
    torrents.delete(message.id);
  }
  return RESULT.ok;
}
