import { setTimeout } from 'node:timers/promises';

/** Waits until `isTrue`, looking every 10 ms. @throws when it is not within `mostMs` */
export async function until(isTrue: () => boolean, mostMs = 10_000): Promise<void> {
  const end = performance.now() + mostMs;
  while (!isTrue()) {
    if (performance.now() > end) throw new Error(`not within ${mostMs} ms: ${isTrue.toString()}`);
    await setTimeout(10);
  }
}
