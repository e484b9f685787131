/** Asks for the lock of a name in a folder, for each line of stdin; prints `taken` or the error. Holds it until killed. */
import { createInterface } from 'node:readline';
import { FileLock } from '../../src/file/lock.js';

process.stdout.write('ready\n');
for await (const name of createInterface({ input: process.stdin })) {
  const answer = await FileLock.acquire(process.argv[2]!, [name]).then(
    () => 'taken',
    (error: unknown) => (error as Error).message,
  );
  process.stdout.write(`${answer}\n`);
}
