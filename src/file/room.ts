import { setTimeout as sleep } from 'node:timers/promises';
import type { DiskError } from '../common/errors.js';

/** What is done when the disk is full: give up, or wait until there is room. */
export type OnDiskFull = 'fail' | 'wait';

/** How often a full disk is tried again. */
const RETRY_MS = 2000;

const FULL = ['ERR_DISK_FULL', 'ERR_DISK_QUOTA', 'ERR_NO_SPACE'] as const;

type DiskFullError = DiskError & { readonly code: (typeof FULL)[number] };

/** Whether more room would mend it. */
export function isDiskFull(error: unknown): error is DiskFullError {
  const { code } = error as { readonly code?: unknown };
  return FULL.some((full) => full === code);
}

/** For the user, who hears why nothing goes on. */
export function waitingText({ message }: DiskError): string {
  return `${message}; waiting until there is room`;
}

/**
 * Tries again and again while the disk is full; `onWaiting` hears of it once.
 * @throws what else goes wrong; the signal's reason
 */
export async function untilRoom<T>(
  attempt: () => Promise<T>,
  { signal, onWaiting }: { readonly signal: AbortSignal; readonly onWaiting: (error: DiskError) => void },
): Promise<T> {
  for (let isFirst = true; ; isFirst = false) {
    try {
      return await attempt();
    } catch (error) {
      if (!isDiskFull(error)) throw error;
      if (isFirst) onWaiting(error);
      await sleep(RETRY_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  }
}

/**
 * Pieces that found no room. They stay in their slots, so that nothing is fetched twice; one of them is tried now and
 * then, and once it gets through, so may the others.
 *
 *   add ──► waiting ──every 2 s, one──► trying ──answered, wrote──► all that wait are written
 *              ▲                          │
 *              └──────answered, add───────┘
 */
export class PiecesWithoutRoom {
  readonly #write: (slot: number, index: number) => void;
  readonly #onChange: (error: DiskError | undefined) => void;
  readonly #waiting: { readonly slot: number; readonly index: number }[] = [];
  #timer: NodeJS.Timeout | undefined;
  /** The slot of the piece that is being tried, or -1. A slow disk may take long to answer. */
  #trying = -1;

  /** `onChange` hears why the first piece has to wait, and (undefined) when there is room again. */
  constructor(write: (slot: number, index: number) => void, onChange: (error: DiskError | undefined) => void) {
    this.#write = write;
    this.#onChange = onChange;
  }

  get isWaiting(): boolean {
    return this.#timer !== undefined;
  }

  add(slot: number, index: number, error: DiskError): void {
    this.#waiting.push({ slot, index });
    if (this.#timer) return;
    this.#timer = setInterval(() => this.#tryOne(), RETRY_MS);
    this.#onChange(error);
  }

  /** A thread is done with a slot, whichever way; `add` or `wrote` may follow. */
  answered(slot: number): void {
    if (slot === this.#trying) this.#trying = -1;
  }

  /** A piece was written: there is room. */
  wrote(): void {
    if (!this.#timer) return;
    this.close();
    this.#onChange(undefined);
    for (const { slot, index } of this.#waiting.splice(0)) this.#write(slot, index);
  }

  /** Tries no more. */
  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #tryOne(): void {
    if (this.#trying >= 0) return;
    const next = this.#waiting.shift();
    if (!next) return this.close(); // the last one had another fault
    this.#trying = next.slot;
    this.#write(next.slot, next.index);
  }
}
