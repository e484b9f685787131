import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TrackerError } from '../../src/common/errors.js';
import type { AnnounceReply } from '../../src/tracker/announce.js';
import { mergeReplies, overBothFamilies, type AnnounceOver } from '../../src/tracker/families.js';
import { refused, reply, requestTo } from './fakes.js';

const URL_OF_IT = 'fake://tracker.example/announce';
const PEER = { 4: { host: '192.0.2.1', port: 1 }, 6: { host: '2001:db8::1', port: 1 } };
const noSuchHost = new TrackerError('ERR_TRACKER_HOST', 'unknown host');

/** A tracker whose legs answer when they are told to. */
function setUp() {
  const asked: string[] = [];
  const late: AnnounceReply[] = [];
  const waiting = new Map<string, (outcome: Partial<AnnounceReply> | Error) => void>();
  const announceOver: AnnounceOver = ({ event }, { family, signal }) => {
    const name = String(family);
    asked.push(`${name} ${event ?? 'regular'}`);
    return new Promise((resolve, reject) => {
      waiting.set(name, (outcome) => (outcome instanceof Error ? reject(outcome) : resolve(reply(outcome))));
      signal.addEventListener('abort', () => reject(new TrackerError('ERR_TRACKER_UNREACHABLE', 'cancelled')));
    });
  };
  const announce = overBothFamilies(announceOver, ({ hostname }) => hostname !== '192.0.2.1');
  const [abort, end] = [new AbortController(), new AbortController()];
  return {
    asked,
    late,
    end,
    abort,
    ask: (event: 'started' | 'completed' | 'stopped' | undefined, url = URL_OF_IT) =>
      announce(requestTo(url, { event }), {
        timeoutMs: 1000,
        signal: abort.signal,
        ...(event !== 'completed' &&
          event !== 'stopped' && { late: { signal: end.signal, onReply: (r) => late.push(r) } }),
      }),
    say: async (family: string, outcome: Partial<AnnounceReply> | Error): Promise<void> => {
      waiting.get(family)!(outcome);
      await new Promise(setImmediate);
    },
  };
}

test('a tracker is announced to over both families, each once; the first answer counts, the other may follow', async () => {
  const { ask, say, asked, late } = setUp();
  const answer = ask('started');
  await say('6', { peers: [PEER[6]] });
  assert.deepEqual((await answer).peers, [PEER[6]]);
  assert.deepEqual(late, []);
  await say('4', { peers: [PEER[4]] });
  assert.deepEqual(
    late.map(({ peers }) => peers),
    [[PEER[4]]],
  );
  assert.deepEqual(asked, ['4 started', '6 started']);
});

test('one failing family is no failure, whether it fails first or last', async () => {
  for (const order of [
    ['4', '6'],
    ['6', '4'],
  ]) {
    const { ask, say, late } = setUp();
    const answer = ask('started');
    await say(order[0]!, refused);
    await say(order[1]!, { intervalMs: 5 });
    assert.equal((await answer).intervalMs, 5);
    assert.deepEqual(late, []);
    const again = ask(undefined);
    await say(order[1]!, {});
    await say(order[0]!, refused);
    await again;
  }
});

test('when both fail, what the tracker said is told rather than that it has no address of a family', async () => {
  const { ask, say } = setUp();
  const said = new TrackerError('ERR_TRACKER_REFUSED', 'refused: unregistered');
  for (const [over4, over6, told] of [
    [noSuchHost, said, said],
    [refused, said, said],
    [noSuchHost, refused, refused],
    [refused, noSuchHost, refused],
    [noSuchHost, noSuchHost, noSuchHost],
  ] as const) {
    for (const event of ['started', 'completed'] as const) {
      const answer = assert.rejects(ask(event), told);
      await say('4', over4);
      await say('6', over6);
      await answer;
    }
  }
});

test('later events go where `started` was answered, and wait for all of them', async () => {
  const { ask, say, asked } = setUp();
  const started = ask('started');
  await say('4', {});
  await say('6', refused);
  await started;
  asked.length = 0;
  const completed = ask('completed');
  await say('4', {});
  await completed;
  assert.deepEqual(asked, ['4 completed']);

  const regular = ask(undefined);
  await say('4', {});
  await say('6', {});
  await regular;
  assert.deepEqual(asked.slice(1), ['4 regular', '6 started'], 'the family that comes late to it starts');

  const stopped = ask('stopped');
  let isDone = false;
  void stopped.then(() => (isDone = true));
  await say('4', { peers: [PEER[4]], intervalMs: 1, complete: 5 });
  assert.equal(isDone, false);
  await say('6', { peers: [PEER[6]], intervalMs: 2 });
  const { peers, intervalMs, complete } = await stopped;
  assert.deepEqual([peers, intervalMs, complete], [[PEER[4], PEER[6]], 2, 5]);
});

test('a host given by address is asked once, over no family in particular', async () => {
  const { ask, say, asked } = setUp();
  const answer = ask('started', 'fake://192.0.2.1/announce');
  await say('undefined', {});
  await answer;
  assert.deepEqual(asked, ['undefined started']);
});

test('what may come late ends by its signal, and says nothing more', async () => {
  const { ask, say, late, end, abort } = setUp();
  const answer = ask('started');
  await say('4', {});
  await answer;
  end.abort();
  await say('6', {});
  assert.deepEqual(late, []);

  const completed = ask('completed');
  abort.abort();
  await assert.rejects(completed, { message: 'cancelled' });
});

test('merged replies have the peers of both, once, and the longer waits', () => {
  const one = reply({ peers: [PEER[4]], intervalMs: 9, minIntervalMs: 1, complete: 1, warning: 'w' });
  const other = reply({ peers: [PEER[6], PEER[4]], intervalMs: 8, minIntervalMs: 2, complete: 3, incomplete: 4 });
  const expected = reply({
    ...{ peers: [PEER[4], PEER[6]], intervalMs: 9, minIntervalMs: 2 },
    ...{ complete: 3, incomplete: 4, warning: 'w' },
  });
  assert.deepEqual(mergeReplies(one, other), expected);
});
