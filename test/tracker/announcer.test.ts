import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TrackerError } from '../../src/common/errors.js';
import { type Asked, type Behaviour, fakeAnnouncer, refused, reply } from './fakes.js';

const names = (asked: readonly Asked[]): string => asked.map(({ tracker }) => tracker).join(' ');
const told = (asked: readonly Asked[]): string => asked.map(({ tracker, event }) => `${tracker}:${event}`).join(' ');
const minutes = (count: number): number => count * 60_000;

test('the first tracker that answers is the only one asked', async () => {
  const peers = [{ host: '192.0.2.1', port: 6881 }];
  const { announcer, clock, asked, found } = fakeAnnouncer([['a', 'b'], ['c']], { a: { peers } });
  await clock.advance(0);
  assert.equal(told(asked), 'a:started');
  assert.deepEqual(found, ['192.0.2.1 from fake://a/…']);
  const { request } = asked[0]!;
  assert.deepEqual(request.totals, { uploaded: 1, downloaded: 2, left: 3 });
  assert.equal(request.numWant, 200);
  assert.match(request.key, /^[0-9a-f]{8}$/);
  await announcer[Symbol.asyncDispose]();
});

test('on failure the next of the tier is tried, then the next tier', async () => {
  const { announcer, clock, asked } = fakeAnnouncer([['a', 'b'], ['c']], { a: refused, b: refused });
  await clock.advance(0);
  assert.equal(names(asked), 'a b c');
  assert.equal(announcer.failures(), undefined);
  await announcer[Symbol.asyncDispose]();
});

test('a tracker that works comes first in its tier from then on', async () => {
  const behaviours: Record<string, Behaviour> = { a: refused };
  const { announcer, clock, asked } = fakeAnnouncer([['a', 'b']], behaviours);
  await clock.advance(minutes(30));
  assert.equal(told(asked), 'a:started b:started b:');
  behaviours['b'] = refused;
  behaviours['a'] = {};
  await clock.advance(minutes(30));
  assert.equal(told(asked.slice(3)), 'b: a:started');
  await announcer[Symbol.asyncDispose]();
});

test('a higher tier that comes back is asked again before a lower one that works', async () => {
  const behaviours: Record<string, Behaviour> = { a: refused };
  const { announcer, clock, asked } = fakeAnnouncer([['a'], ['b']], behaviours);
  await clock.advance(0);
  delete behaviours['a'];
  await clock.advance(minutes(30));
  assert.equal(told(asked), 'a:started b:started a:started');
  await announcer[Symbol.asyncDispose]();
});

test('the walk through tiers is that of BEP 12, whoever fails', async () => {
  const world = fc.record({
    sizes: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 }),
    rounds: fc.array(fc.array(fc.boolean(), { minLength: 16, maxLength: 16 }), { minLength: 1, maxLength: 5 }),
  });
  await fc.assert(
    fc.asyncProperty(world, async ({ sizes, rounds }) => {
      let id = 0;
      const tiers = sizes.map((size) => Array.from({ length: size }, () => `t${id++}`));
      const model = tiers.map((tier) => [...tier]);
      const behaviours: Record<string, Behaviour> = {};
      // a tracker that fails is ready again in each round, which come 60 minutes apart at the most
      const setWorld = (works: readonly boolean[]): void => {
        tiers
          .flat()
          .forEach((name, index) => (behaviours[name] = works[index] ? { intervalMs: minutes(60) } : refused));
      };
      setWorld(rounds[0]!);
      const { announcer, clock, asked } = fakeAnnouncer(tiers, behaviours);
      await clock.advance(0);
      for (const [index, works] of rounds.entries()) {
        if (index > 0) {
          setWorld(works);
          asked.length = 0;
          await clock.advance(minutes(60));
        }
        const expected: string[] = [];
        for (const name of model.flat()) {
          expected.push(name);
          if (behaviours[name] === refused) continue;
          const tier = model.find((members) => members.includes(name))!;
          tier.unshift(...tier.splice(tier.indexOf(name), 1));
          break;
        }
        assert.equal(names(asked), expected.join(' '));
        if (behaviours[expected.at(-1)!] === refused) break; // from here the back-off sets the pace
      }
      await announcer[Symbol.asyncDispose]();
      assert.equal(clock.timers, 0);
    }),
    { numRuns: 60 },
  );
});

test('when all fail they are tried again, later each time, up to half an hour', async () => {
  const { announcer, clock, asked } = fakeAnnouncer([['a']], { a: refused }, { random: () => 0.5 });
  await clock.advance(minutes(120));
  const waits = asked.slice(1).map(({ at }, index) => (at - asked[index]!.at) / 1000);
  assert.deepEqual(waits, [10, 20, 40, 80, 160, 320, 640, 1280, 1800, 1800]);
  await announcer[Symbol.asyncDispose]();
});

test('`failures()` has an error for each tracker once all have failed, and none as long as one may work', async () => {
  const behaviours: Record<string, Behaviour> = { a: refused, b: 'hang' };
  const tiers = [['a', 'b'], ['udp://c:80/announce']];
  const { announcer, clock } = fakeAnnouncer(tiers, behaviours);
  assert.equal(announcer.failures(), undefined);
  await clock.advance(0);
  assert.equal(announcer.failures(), undefined, 'b has not failed yet');
  assert.deepEqual(
    announcer.status().map(({ state }) => state),
    ['failed', 'asking', 'failed'],
  );
  behaviours['b'] = refused;
  await announcer[Symbol.asyncDispose]();

  const other = fakeAnnouncer(tiers, behaviours);
  await other.clock.advance(0);
  assert.deepEqual(
    other.announcer.failures()?.map(({ message }) => message),
    [
      'tracker fake://a/…: connection refused',
      'tracker fake://b/…: connection refused',
      'tracker udp://c:80/…: trackers over udp are not supported yet',
    ],
  );
  behaviours['b'] = 'hang';
  await other.clock.advance(20_000);
  assert.equal(other.announcer.status()[1]!.state, 'asking');
  assert.equal(other.announcer.failures()?.length, 3, 'asking again does not undo a failure');
  behaviours['a'] = {};
  await other.clock.advance(minutes(2));
  assert.equal(other.announcer.failures(), undefined);
  assert.equal(other.announcer.status()[0]!.state, 'working');
  await other.announcer[Symbol.asyncDispose]();
});

test('a tracker that hangs holds up the next one for 4 seconds only, and its late answer counts', async () => {
  const { announcer, clock, asked } = fakeAnnouncer([['a', 'b']], { a: 'hang' });
  await clock.advance(3_999);
  assert.equal(names(asked), 'a');
  await clock.advance(1);
  assert.equal(names(asked), 'a b');
  await announcer[Symbol.asyncDispose]();
  assert.equal(told(asked.slice(2)), 'b:stopped', 'a did not hear `started`, as far as we know');
});

test('events: started first, completed once, stopped at the end', async () => {
  const { announcer, clock, asked } = fakeAnnouncer([['a']]);
  await clock.advance(0);
  announcer.completed();
  await clock.advance(0);
  announcer.completed();
  await clock.advance(minutes(30));
  await announcer[Symbol.asyncDispose]();
  await announcer[Symbol.asyncDispose]();
  assert.equal(told(asked), 'a:started a:completed a: a:stopped');
  assert.equal(asked.at(-1)!.request.numWant, 0);
});

test('who is complete from the start never says so', async () => {
  const totals = { uploaded: 0, downloaded: 0, left: 0 };
  const { announcer, clock, asked } = fakeAnnouncer([['a']], {}, { totals: () => totals });
  await clock.advance(0);
  announcer.completed();
  await clock.advance(minutes(30));
  await announcer[Symbol.asyncDispose]();
  assert.equal(told(asked), 'a:started a: a:stopped');
});

test('a completed that comes just before the end is still told', async () => {
  const { announcer, clock, asked } = fakeAnnouncer([['a']]);
  await clock.advance(0);
  announcer.completed();
  await announcer[Symbol.asyncDispose]();
  assert.equal(told(asked), 'a:started a:completed a:stopped');
});

test('a completed that failed is told with the next announce', async () => {
  const behaviours: Record<string, Behaviour> = {};
  const { announcer, clock, asked } = fakeAnnouncer([['a']], behaviours);
  await clock.advance(0);
  behaviours['a'] = refused;
  announcer.completed();
  await clock.advance(0);
  delete behaviours['a'];
  await clock.advance(minutes(1));
  assert.equal(told(asked), 'a:started a:completed a:completed');
  await announcer[Symbol.asyncDispose]();
});

test('a completed while `started` is under way follows it', async () => {
  let answer = (): void => undefined;
  const events: string[] = [];
  const { announcer, clock } = fakeAnnouncer(
    [['a']],
    {},
    {
      protocols: {
        'fake:': async ({ event }) => {
          events.push(event ?? '');
          if (event === 'started') await new Promise<void>((resolve) => (answer = resolve));
          return reply();
        },
      },
    },
  );
  await clock.advance(0);
  announcer.completed();
  await clock.advance(0);
  assert.deepEqual(events, ['started']);
  answer();
  await clock.advance(0);
  await clock.advance(0);
  assert.deepEqual(events, ['started', 'completed']);
  await announcer[Symbol.asyncDispose]();
});

test('the goodbye takes 2 seconds at the most, also when all trackers hang', async () => {
  const behaviours: Record<string, Behaviour> = {};
  const { announcer, clock, asked } = fakeAnnouncer([['a']], behaviours);
  await clock.advance(0);
  announcer.completed();
  behaviours['a'] = 'hang';
  let isClosed = false;
  const closing = announcer[Symbol.asyncDispose]().then(() => (isClosed = true));
  await clock.advance(1_999);
  assert.equal(isClosed, false);
  await clock.advance(1);
  assert.equal(isClosed, true);
  await closing;
  await clock.advance(minutes(120));
  assert.equal(clock.timers, 0);
  assert.ok(asked.length <= 3, told(asked));
});

test('the signal ends announcing; closing still says goodbye', async () => {
  const abort = new AbortController();
  const { announcer, clock, asked } = fakeAnnouncer([['a']], {}, { signal: abort.signal });
  await clock.advance(0);
  abort.abort();
  await clock.advance(minutes(120));
  assert.equal(told(asked), 'a:started');
  await announcer[Symbol.asyncDispose]();
  assert.equal(told(asked), 'a:started a:stopped');
  const late = fakeAnnouncer([['a']], {}, { signal: abort.signal });
  await late.clock.advance(minutes(1));
  assert.equal(late.asked.length, 0);
  await late.announcer[Symbol.asyncDispose]();
});

test('wanting peers asks again when the minimum interval is over, not before', async () => {
  const { announcer, clock, asked } = fakeAnnouncer([['a']], { a: { minIntervalMs: 45_000 } });
  await clock.advance(0);
  announcer.requestPeers();
  announcer.requestPeers();
  await clock.advance(44_999);
  assert.equal(asked.length, 1);
  await clock.advance(1);
  assert.equal(asked.length, 2);
  await clock.advance(minutes(29));
  assert.equal(asked.length, 2, 'one request, one announce');
  await announcer[Symbol.asyncDispose]();
});

test('wanting peers walks down the list while the trackers above may not be asked again', async () => {
  const { announcer, clock, asked } = fakeAnnouncer([['a'], ['b'], ['c']]);
  await clock.advance(0);
  for (let second = 0; second < 40; second++) {
    announcer.requestPeers();
    await clock.advance(1000);
  }
  assert.equal(names(asked), 'a b c');
  await clock.advance(minutes(31));
  assert.equal(
    names(asked),
    'a b c a a',
    'a want left open is met when a is ready, then regular announces go to a alone',
  );
  await announcer[Symbol.asyncDispose]();
  assert.equal(told(asked.slice(5)), 'a:stopped b:stopped c:stopped');
});

test('`retry in` is kept to, and never means never (BEP 31)', async () => {
  const later = new TrackerError('ERR_TRACKER_REFUSED', 'overloaded', { retryInSeconds: 7200 });
  const never = new TrackerError('ERR_TRACKER_REFUSED', 'go away', { retryInSeconds: Infinity });
  const { announcer, clock, asked } = fakeAnnouncer([['a', 'b']], { a: later, b: never });
  await clock.advance(minutes(119));
  assert.equal(names(asked), 'a b');
  assert.deepEqual(announcer.status()[0], {
    name: 'fake://a/…',
    state: 'failed',
    message: 'overloaded',
    nextInMs: minutes(1),
  });
  assert.deepEqual(announcer.status()[1], { name: 'fake://b/…', state: 'failed', message: 'go away' });
  await clock.advance(minutes(480));
  assert.equal(names(asked.filter(({ tracker }) => tracker === 'b')), 'b');
  assert.ok(asked.length > 3);
  await announcer[Symbol.asyncDispose]();
});

test('however often peers are wanted and whatever fails, a host is asked five times in 10 seconds at the most', async () => {
  const behaviour = fc.oneof(fc.constant<Behaviour>(refused), fc.constant<Behaviour>({ minIntervalMs: 10_000 }));
  await fc.assert(
    fc.asyncProperty(fc.array(behaviour, { minLength: 1, maxLength: 30 }), async (kinds) => {
      // all on one host: what a hostile torrent would use us for
      const tiers = kinds.map((_, index) => [`fake://victim/${index}`]);
      let count = 0;
      const { announcer, clock, asked } = fakeAnnouncer(tiers, {
        get victim() {
          return kinds[count++ % kinds.length]!;
        },
      });
      for (let second = 0; second < 60; second++) {
        announcer.requestPeers();
        await clock.advance(1000);
      }
      announcer.completed();
      await announcer[Symbol.asyncDispose]();
      const rounds = asked.filter(({ event }) => event === 'started' || event === '').map(({ at }) => at);
      for (const begin of rounds) {
        assert.ok(rounds.filter((at) => at >= begin && at < begin + 10_000).length <= 5);
      }
    }),
    { numRuns: 10 },
  );
});

test('wrong URLs are a warning, unknown protocols a status, and a list of nothing is quiet', async () => {
  const wrong = ['http://host:99999/x?passkey=s3cret', 'nonsense:s3cret', '', 'http://', 'wss://w/?s3cret', 'a:b'];
  const { announcer, clock, asked, notices } = fakeAnnouncer([wrong, []]);
  await clock.advance(minutes(60));
  assert.equal(asked.length, 0);
  assert.equal(announcer.failures()?.length, wrong.length);
  const text = JSON.stringify([notices, announcer.status(), announcer.failures()?.map(String)]);
  assert.doesNotMatch(text, /s3cret/);
  assert.ok(notices.some((notice) => notice.includes('http://host:99999/…')));
  assert.ok(announcer.status().some(({ message }) => message === 'trackers over wss are not supported yet'));
  assert.equal(clock.timers, 0, 'there is nothing to wait for');
  await announcer[Symbol.asyncDispose]();

  const none = fakeAnnouncer([]);
  await none.clock.advance(0);
  none.announcer.requestPeers();
  assert.deepEqual(none.announcer.failures(), []);
  await none.announcer[Symbol.asyncDispose]();
});

test('a URL that a torrent names twice is one tracker, and ten thousand are two hundred', async () => {
  const many = Array.from({ length: 10_000 }, (_, index) => [`t${index}`]);
  const { announcer } = fakeAnnouncer([['a'], ['a'], ...many]);
  assert.equal(announcer.status().length, 200);
  assert.equal(announcer.status().filter(({ name }) => name === 'fake://a/…').length, 1);
  await announcer[Symbol.asyncDispose]();
});

test('the status tells what the tracker said, its warning is told once', async () => {
  const { announcer, clock, notices } = fakeAnnouncer([['a', 'b']], {
    a: { complete: 5, incomplete: 7, warning: 'soon down', peers: [{ host: '192.0.2.1', port: 1 }] },
  });
  assert.deepEqual(announcer.status()[1], { name: 'fake://b/…', state: 'idle' });
  await clock.advance(0);
  const expected = { name: 'fake://a/…', state: 'working', peers: 1, seeds: 5, leechers: 7, message: 'soon down' };
  assert.deepEqual(announcer.status()[0], { ...expected, nextInMs: minutes(30) });
  await clock.advance(minutes(31));
  assert.deepEqual(notices, ['tracker fake://a/… warns: soon down']);
  await announcer[Symbol.asyncDispose]();
});

test('a tracker id is sent back, and the last one stays', async () => {
  const behaviours: Record<string, Behaviour> = { a: { trackerId: Uint8Array.of(1, 0, 255) } };
  const { announcer, clock, asked } = fakeAnnouncer([['a']], behaviours);
  await clock.advance(0);
  behaviours['a'] = {};
  await clock.advance(minutes(60));
  assert.deepEqual(
    asked.map(({ request }) => request.trackerId && [...request.trackerId]),
    [undefined, [1, 0, 255], [1, 0, 255]],
  );
  await announcer[Symbol.asyncDispose]();
});

test('a private torrent keeps to the tracker that works, however many peers are wanted', async () => {
  let switches = 0;
  const behaviours: Record<string, Behaviour> = { b: { peers: [{ host: '192.0.2.2', port: 2 }] } };
  const options = { isPrivate: true, onSwitch: () => switches++ };
  const { announcer, clock, asked, found } = fakeAnnouncer([['a'], ['b']], behaviours, options);
  await clock.advance(0);
  for (let turn = 0; turn < 5; turn++) {
    announcer.requestPeers();
    await clock.advance(minutes(5));
  }
  assert.ok(asked.length > 1);
  assert.ok(asked.every(({ tracker }) => tracker === 'a'));

  behaviours['a'] = refused;
  await clock.advance(minutes(60));
  assert.equal(asked.at(-1)!.tracker, 'b');
  assert.equal(switches, 1);
  assert.deepEqual([...new Set(found)], ['192.0.2.2 from fake://b/…']);
  await announcer[Symbol.asyncDispose]();
});

test('a slow tracker of a private torrent that answers after another does not count', async () => {
  let switches = 0;
  const late = { host: '192.0.2.1', port: 1 };
  const { announcer, clock, asked, found } = fakeAnnouncer(
    [['a'], ['b']],
    { a: 'hang' },
    {
      isPrivate: true,
      onSwitch: () => switches++,
      protocols: {
        'fake:': async (request) => {
          if (request.url.hostname === 'a' && request.event === 'started')
            await new Promise<void>((resolve) => clock.after(6000, resolve));
          return reply(request.url.hostname === 'a' ? { peers: [late] } : {});
        },
      },
    },
  );
  await clock.advance(10_000);
  assert.equal(asked.length, 0);
  assert.deepEqual([switches, found], [0, []]);
  assert.deepEqual(
    announcer.status().map(({ state }) => state),
    ['working', 'working'],
  );
  await announcer[Symbol.asyncDispose]();
});
