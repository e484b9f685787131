import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NO_PEERS, type Diagnosis } from '../src/diagnosis.js';
import type { Phase } from '../src/phase.js';
import { Watch, type WatchContext } from '../src/watch.js';
import { fakeStats } from './cli/fake.js';

interface Watched {
  readonly stalls: Diagnosis[];
  readonly notices: string[];
  /** Looks after so many seconds, of which nothing came in the last `idle` ones. */
  readonly look: (now: number, idle: number, phase?: Phase) => Error | undefined;
}

function watch(options: WatchContext['options'], peers: Partial<Diagnosis['peers']> = {}): Watched {
  const [stalls, notices]: [Diagnosis[], string[]] = [[], []];
  const context: WatchContext = {
    options: { onStall: (diagnosis) => stalls.push(diagnosis), ...options },
    stats: () => fakeStats({ connectedPeers: peers.connected ?? 0, knownPeers: 0, downloaded: 0 }),
    diagnose: () => ({ idleMs: 0, sources: [], peers: { ...NO_PEERS, ...peers }, availability: undefined }),
    failures: () => [],
    onNotice: (level, text) => notices.push(`${level}: ${text}`),
  };
  const watched = new Watch(context, 0);
  return {
    stalls,
    notices,
    look: (now, idle, phase = 'downloading') =>
      watched.look({ now: now * 1000, phase, phaseAt: 0, idleMs: idle * 1000 }),
  };
}

test('a stall is told after 30 s, once until something comes', () => {
  const { stalls, look } = watch({}, { connected: 1, silent: 1 });
  for (const [now, idle, told] of [
    [30, 30, 0],
    [31, 31, 1],
    [60, 60, 1],
    [61, 0, 1],
    [92, 31, 2],
  ] as const) {
    assert.equal(look(now, idle), undefined);
    assert.equal(stalls.length, told, `after ${now} s`);
  }
});

test('a shorter limit tells of the stall, and ends the download', () => {
  const { stalls, look } = watch({ stallTimeoutMs: 5000 }, { connected: 1, choking: 1 });
  assert.equal(look(5, 5), undefined);
  const error = look(6, 6) as Error & { code: string };
  assert.equal(error.code, 'ERR_STALLED');
  assert.equal(stalls.length, 1);
});

test('that this machine has no descriptor left for a connection is no fault of the peers', () => {
  const unreached = { ...NO_PEERS.unreached, noSocket: 1, refused: 3 };
  const codeOf = (peers: Partial<Diagnosis['peers']>): unknown =>
    (watch({ stallTimeoutMs: 1000 }, peers).look(2, 2) as Error & { code: string }).code;
  assert.equal(codeOf({ unreached }), 'ERR_TOO_MANY_FILES');
  assert.equal(codeOf({ unreached, connected: 1, lacking: 1 }), 'ERR_NO_SOURCE', 'there was one for somebody');
});

test('nothing stalls while files are checked, nor once all is there', () => {
  const { stalls, look } = watch({ stallTimeoutMs: 1000 });
  for (const phase of ['opening', 'checking', 'seeding'] as const) assert.equal(look(100, 100, phase), undefined);
  assert.deepEqual(stalls, []);
});

test('each limit has its error', () => {
  const codeOf = (error: Error | undefined): unknown => (error as { code?: string } | undefined)?.code;
  assert.equal(codeOf(watch({ timeoutMs: 5000 }).look(6, 0)), 'ERR_TIMEOUT');
  assert.equal(codeOf(watch({ timeoutMs: 5000 }).look(6, 0, 'checking')), 'ERR_TIMEOUT');
  assert.equal(codeOf(watch({ timeoutMs: 5000 }).look(6, 0, 'seeding')), undefined);
  assert.equal(codeOf(watch({ metadataTimeoutMs: 5000 }).look(6, 0, 'resolving')), 'ERR_NO_METADATA');
  assert.equal(codeOf(watch({ metadataTimeoutMs: 5000 }).look(6, 6)), undefined);
  assert.equal(codeOf(watch({ stallTimeoutMs: 5000 }).look(6, 6, 'resolving')), 'ERR_NO_METADATA');
  assert.equal(codeOf(watch({ stallTimeoutMs: 5000 }).look(6, 6)), 'ERR_NO_SOURCE');
});

test('who has no peer after 10 s hears why, once', () => {
  const { notices, look } = watch({});
  for (const now of [9, 11, 12]) look(now, now);
  assert.deepEqual(notices, ['warning: no peer after 10 s: there is nobody to ask for peers']);
});
