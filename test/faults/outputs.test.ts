/** Standard output and error that are closed or full, and a port that is taken. */
import { test } from 'node:test';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import net from 'node:net';
import { Scene } from './executable.js';

const NO_FULL = existsSync('/dev/full') ? false : 'there is no /dev/full';

for (const redirection of ['>&-', '2>&-', '>&- 2>&-', '<&- >&- 2>&-']) {
  test(`a download whose outputs are closed (${redirection}) completes all the same`, async () => {
    await using scene = await Scene.open();
    await scene.start([], { redirection }).ends(0);
    await scene.assertContent();
  });
}

test('a download completes with both outputs on a full device', { skip: NO_FULL }, async () => {
  await using scene = await Scene.open();
  await scene.start([], { redirection: '>/dev/full 2>&1' }).ends(0);
  await scene.assertContent();
});

test('data for a full device is an error of the disk', { skip: NO_FULL }, async () => {
  await using scene = await Scene.open();
  const run = scene.start([], { redirection: '>/dev/full' }, '-');
  await run.ends(5, /cannot write "standard output": no space left on device/);
});

test('data for a closed standard output is an error, for /dev/null it is not', { skip: NO_FULL }, async () => {
  await using scene = await Scene.open();
  await scene.start([], { redirection: '>&-' }, '-').ends(5, /cannot write to standard output: it is closed/);
  await scene.start([], { redirection: '>/dev/null' }, '-').ends(0);
});

test('a port that is taken is told in one line, and none is needed unless it is asked for', async () => {
  await using scene = await Scene.open();
  const taken = net.createServer().listen(0);
  await once(taken, 'listening');
  try {
    const { port } = taken.address() as net.AddressInfo;
    await scene.start(['--port', String(port)]).ends(2, new RegExp(`port ${port}`));
    await scene.start().ends(0);
    await scene.assertContent();
  } finally {
    taken.close();
  }
});
