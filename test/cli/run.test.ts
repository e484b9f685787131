import assert from 'node:assert/strict';
import { mock, test } from 'node:test';

import { run, type StartDownload } from '../../src/cli/run.js';
import { DiskError, TimeLimitError, type Download, type DownloadOptions } from '../../src/index.js';
import { fakeDownload, fakeStats } from './fake.js';

interface Outcome {
  readonly code: number;
  readonly stderr: string;
  readonly options: DownloadOptions | undefined;
}

/** Runs with stderr caught; not a terminal, whatever the test's own is. */
async function runCaught(options: Parameters<typeof run>[1], start: StartDownload): Promise<Outcome> {
  let stderr = '';
  let seen: DownloadOptions | undefined;
  const write = mock.method(process.stderr, 'write', (text: string) => {
    stderr += text;
    return true;
  });
  const ci = process.env['CI'];
  process.env['CI'] = '1';
  try {
    const code = await run(['x.torrent'], options, (source, engineOptions) => {
      seen = engineOptions;
      return start(source, engineOptions);
    });
    return { code, stderr, options: seen };
  } finally {
    write.mock.restore();
    if (ci === undefined) delete process.env['CI'];
    else process.env['CI'] = ci;
  }
}

const complete = (): Download =>
  fakeDownload(() => fakeStats({ phase: 'seeding', downloaded: 2 * 2 ** 30 }), Promise.resolve());

test('a download that completes ends with 0, a summary and everything closed', async () => {
  const listeners = process.listenerCount('SIGINT');
  const download = complete() as ReturnType<typeof fakeDownload>;
  const { code, stderr } = await runCaught({}, () => download);
  assert.equal(code, 0);
  assert.match(stderr, /^done: debian\.iso, 2\.00 GiB in \d\.\d s \(.* [GTP]iB\/s\), uploaded 512 MiB\n$/);
  assert.ok(download.closed());
  assert.equal(process.listenerCount('SIGINT'), listeners);
});

test('the summary tells what was there already', async () => {
  const started = (downloaded: number): Download => fakeDownload(() => fakeStats({ downloaded }), Promise.resolve());
  assert.match((await runCaught({}, () => started(0))).stderr, /^done: debian\.iso, 2\.00 GiB, was complete already/);
  assert.match((await runCaught({}, () => started(2 ** 20))).stderr, /2\.00 GiB, 1\.00 MiB of it fetched in/);
});

test('options reach the engine, and only those that were given', async () => {
  const { options } = await runCaught({}, complete);
  const always = ['onFile', 'onMetadata', 'onNotice', 'onSource', 'onStall', 'signal'];
  assert.deepEqual(Object.keys(options!).sort(), always);
  const given = await runCaught(
    { timeout: 5, stallTimeout: 6, port: 7, maxPeers: 8, out: 'o', recheck: true },
    complete,
  );
  const { timeoutMs, stallTimeoutMs, port, maxPeers, out, recheck } = given.options!;
  assert.deepEqual([timeoutMs, stallTimeoutMs, port, maxPeers, out, recheck], [5, 6, 7, 8, 'o', true]);
  const peers = [{ host: 'a', port: 1 }];
  const asked = await runCaught({ peer: peers, tracker: ['http://t'], trackers: false, metadataTimeout: 9 }, complete);
  assert.deepEqual(asked.options!.peers, peers);
  assert.deepEqual(asked.options!.trackers, ['http://t']);
  assert.deepEqual([asked.options!.useTorrentTrackers, asked.options!.metadataTimeoutMs], [false, 9]);
});

test('an error of the engine is one line and its exit code', async () => {
  const failed = fakeDownload(fakeStats, Promise.reject(new TimeLimitError('ERR_TIMEOUT', 'not complete after 5 s')));
  const { code, stderr } = await runCaught({}, () => failed);
  assert.equal(code, 7);
  assert.equal(stderr, 'torrent-dl: not complete after 5 s\n');
  assert.ok(failed.closed());
});

test('an engine that does not even start is an error like any other', async () => {
  const { code, stderr } = await runCaught({ quiet: true }, () => {
    throw new DiskError('ERR_DISK', 'cannot make "out": permission denied');
  });
  assert.equal(code, 5);
  assert.equal(stderr, 'torrent-dl: cannot make "out": permission denied\n');
});

test('warnings are shown unless quiet, news only when verbose', async () => {
  const start: StartDownload = (_source, { onNotice }) => {
    onNotice?.({ level: 'warning', text: 'odd' });
    onNotice?.({ level: 'info', text: 'tracker: 5 peers' });
    return complete();
  };
  assert.match((await runCaught({}, start)).stderr, /^torrent-dl: warning: odd\ndone: /);
  assert.match(
    (await runCaught({ verbose: true }, start)).stderr,
    /^torrent-dl: warning: odd\ntracker: 5 peers\ndone: /,
  );
  assert.equal((await runCaught({ quiet: true }, start)).stderr, '');
});

test('what peers do is asked for and shown when verbose', async () => {
  const address = { host: '192.0.2.1', port: 6881 };
  const start: StartDownload = (_source, { onPeer }) => {
    onPeer?.({ event: 'connect', address, isIncoming: false, client: 'X\u001b 1.0' });
    onPeer?.({ event: 'connect', address, isIncoming: true, client: 'X 1.0' });
    onPeer?.({ event: 'disconnect', address, reason: 'silent' });
    return complete();
  };
  assert.match(
    (await runCaught({ verbose: true }, start)).stderr,
    /^peer 192\.0\.2\.1:6881: connected \(X\\x1b 1\.0\)\n.*: has dialled us \(X 1\.0\)\n.*: gone: silent\ndone: /,
  );
  assert.match((await runCaught({}, start)).stderr, /^done: /);
});

test('a stall is shown with its reasons, unless the error that follows has them', async () => {
  const start: StartDownload = (_source, { onStall }) => {
    onStall?.({ ...fakeDownload().diagnose(), idleMs: 30_000 });
    return complete();
  };
  const shown = /^torrent-dl: warning: nothing received for 30 s\n {2}peers: none known\ndone: /;
  assert.match((await runCaught({}, start)).stderr, shown);
  assert.match((await runCaught({ stallTimeout: 60_000 }, start)).stderr, shown);
  assert.match((await runCaught({ stallTimeout: 30_000 }, start)).stderr, /^done: /);
  assert.equal((await runCaught({ quiet: true }, start)).stderr, '');
});

test('a signal stops the download and is its exit code', async () => {
  const download = fakeDownload();
  const { code, stderr } = await runCaught({}, (_source, { signal }) => {
    setImmediate(() => process.emit('SIGTERM'));
    assert.ok(!signal!.aborted);
    return download;
  });
  assert.equal(code, 143);
  assert.equal(stderr, 'stopping …\nstopped at 50%, 1.00 GiB of 2.00 GiB; run the same command again to go on\n');
  assert.ok(download.closed());
});

test('an abort error after a signal is not reported', async () => {
  const { code, stderr } = await runCaught({ quiet: true }, (_source, { signal }) => {
    const done = new Promise<void>((_resolve, reject) => {
      signal!.addEventListener('abort', () => reject(new DOMException('stopped', 'AbortError')));
    });
    setImmediate(() => process.emit('SIGINT'));
    return fakeDownload(fakeStats, done);
  });
  assert.equal(code, 130);
  assert.equal(stderr, '');
});

test('with --seed a complete download goes on until a signal, which then means success', async () => {
  const download = complete() as ReturnType<typeof fakeDownload>;
  const { code, stderr } = await runCaught({ seed: true }, () => {
    setTimeout(() => {
      assert.ok(!download.closed());
      process.emit('SIGINT');
    }, 20);
    return download;
  });
  assert.equal(code, 0);
  assert.match(stderr, /^done: .*\nseeding until stopped \(Ctrl-C\) …\nstopping …\n$/);
});

test('a name with escape sequences is shown safely', async () => {
  const { stderr } = await runCaught({}, () =>
    fakeDownload(() => fakeStats({ name: 'a\u001b[31mb' }), Promise.resolve()),
  );
  assert.ok(!stderr.includes('\u001b'));
});

test('a seed that fails ends with its error', async () => {
  const failure = new DiskError('ERR_READ', 'cannot read "a": input/output error');
  const { code, stderr } = await runCaught({ seed: true, quiet: true }, () =>
    fakeDownload(fakeStats, Promise.resolve(), Promise.reject(failure)),
  );
  assert.equal(code, 5);
  assert.equal(stderr, 'torrent-dl: cannot read "a": input/output error\n');
});
