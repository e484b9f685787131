import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatAddress, type PeerAddress } from '../../src/common/address.js';
import { TrackerError } from '../../src/common/errors.js';
import type { AnnounceReply } from '../../src/tracker/announce.js';
import type { Family } from '../../src/tracker/families.js';
import { UdpTrackers, type UdpEndpoint, type UdpTrackersOptions } from '../../src/tracker/udp.js';
import { UdpTrackerCore, errorReply, reply, uint32, type UdpTrackerOptions } from '../helpers/udp-tracker.js';
import { FakeClock, mutate, requestTo } from './fakes.js';

const OURS = { host: '198.51.100.1', port: 6881 };
const URL_OF_IT = 'udp://192.0.2.1:80/announce';
const ACTIONS = ['connect', 'announce', 'scrape'];

/** A network with one tracker at any address; datagrams arrive in the same turn of the event loop. */
class FakeNetwork implements UdpEndpoint {
  /** `at: action to`, for each datagram of ours; times from the start. */
  readonly sent: string[] = [];
  /** What becomes of an answer on its way: any number of datagrams. */
  onAnswer = (answer: Uint8Array, from: PeerAddress): readonly (readonly [Uint8Array, PeerAddress])[] => [
    [answer, from],
  ];
  /** Datagrams that nobody claimed. */
  unclaimed = 0;
  readonly #clock: FakeClock;
  readonly #startedAt: number;
  readonly #core: UdpTrackerCore;
  #handler: Parameters<UdpEndpoint['handle']> | undefined;

  constructor(core: UdpTrackerCore, clock: FakeClock) {
    this.#core = core;
    this.#clock = clock;
    this.#startedAt = clock.now();
  }

  send(bytes: Uint8Array, to: PeerAddress): void {
    const action = ACTIONS[Buffer.from(bytes).readUInt32BE(8)]!;
    this.sent.push(`${(this.#clock.now() - this.#startedAt) / 1000}: ${action} ${formatAddress(to)}`);
    const answer = this.#core.answer(bytes, { ...OURS, host: to.host.includes(':') ? '2001:db8::1' : OURS.host });
    for (const [datagram, from] of answer ? this.onAnswer(answer, to) : []) this.deliver(datagram, from);
  }

  deliver(datagram: Uint8Array, from: PeerAddress): void {
    queueMicrotask(() => {
      if (this.#handler?.[0](datagram)) this.#handler[1](datagram, from);
      else this.unclaimed++;
    });
  }

  handle(...handler: Parameters<UdpEndpoint['handle']>): () => void {
    this.#handler = handler;
    return () => (this.#handler = undefined);
  }
}

function setUp(options: UdpTrackerOptions & UdpTrackersOptions = {}) {
  const clock = new FakeClock();
  const core = new UdpTrackerCore(options);
  const network = new FakeNetwork(core, clock);
  const trackers = new UdpTrackers(network, { clock, ...options });
  const abort = new AbortController();
  const announce = (url = URL_OF_IT, timeoutMs = 30_000, family?: Family): Promise<AnnounceReply> =>
    trackers.announce(requestTo(url), { timeoutMs, signal: abort.signal, family });
  return { clock, core, network, trackers, announce, abort };
}

/** The message of the error that it ends with; `answered` when it does not. */
async function endOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'answered';
  } catch (error) {
    assert.ok(error instanceof TrackerError, String(error));
    return error.message;
  }
}

test('an announce connects first, and the peers of the answer come back', async () => {
  const { announce, network, core } = setUp({ peers: [{ host: '192.0.2.9', port: 9 }], interval: 600 });
  const answer = await announce();
  assert.deepEqual(answer.peers, [{ host: '192.0.2.9', port: 9 }]);
  assert.equal(answer.intervalMs, 600_000);
  assert.deepEqual(network.sent, ['0: connect 192.0.2.1:80', '0: announce 192.0.2.1:80']);
  assert.deepEqual(core.announces[0]!.event, 'started');
});

test('a connection id serves for a minute, each address has its own', async () => {
  const { announce, clock, core } = setUp();
  await announce();
  await clock.advance(59_999);
  await announce();
  await announce('udp://192.0.2.1:81/announce');
  assert.deepEqual(core.asked, ['connect', 'announce', 'announce', 'connect', 'announce']);
  await clock.advance(1);
  await announce();
  assert.deepEqual(core.asked.slice(5), ['connect', 'announce']);
});

test('without an answer the datagram is sent again, after 1.5 s and then twice as long each time', async () => {
  const { announce, clock, network } = setUp({ misbehave: () => 'silence' });
  const end = endOf(announce());
  await clock.advance(29_999);
  const to = 'connect 192.0.2.1:80';
  assert.deepEqual(network.sent, [`0: ${to}`, `1.5: ${to}`, `4.5: ${to}`, `10.5: ${to}`, `22.5: ${to}`]);
  await clock.advance(1);
  assert.equal(await end, 'no answer within 30 s');
  assert.equal(clock.timers, 0);
});

test('an announce whose datagrams are lost goes through by a repeated one', async () => {
  let lost = 0;
  const { announce, clock, network } = setUp({ misbehave: () => (lost++ % 2 === 0 ? 'silence' : undefined) });
  const end = endOf(announce());
  await clock.advance(3_000);
  assert.equal(await end, 'answered');
  assert.deepEqual(
    network.sent.map((line) => line.slice(0, -13)),
    ['0: connect', '1.5: connect', '1.5: announce', '3: announce'],
  );
});

test('an id that expires on the way is asked for anew', async () => {
  const { announce, clock, core } = setUp({ misbehave: (action) => (action === 'announce' ? 'silence' : undefined) });
  const end = endOf(announce(URL_OF_IT, 70_000));
  await clock.advance(70_000);
  assert.equal(core.asked.join(' '), `connect ${'announce '.repeat(6)}connect ${'announce '.repeat(3)}`.trim());
  assert.equal(await end, 'no answer within 70 s');
});

test('a tracker that forgot our id, silently or not, is connected to again', async () => {
  const refusing = setUp();
  await refusing.announce();
  refusing.core.forgetConnections();
  assert.equal(await endOf(refusing.announce()), 'answered');
  assert.deepEqual(refusing.core.asked.slice(2), ['announce', 'connect', 'announce']);

  let isMute = false;
  const mute = setUp({ misbehave: (action) => (isMute && action === 'announce' ? 'silence' : undefined) });
  await mute.announce();
  isMute = true;
  const end = endOf(mute.announce());
  await mute.clock.advance(1_500);
  assert.deepEqual(mute.core.asked.slice(2), ['announce', 'connect', 'announce']);
  isMute = false;
  await mute.clock.advance(1_500);
  assert.equal(await end, 'answered');
});

test('a refusal ends the announce with the reason of the tracker, fit for a terminal', async () => {
  const { announce, core } = setUp({
    misbehave: (action, bytes) =>
      action === 'announce' ? errorReply(bytes, 'no \u001b[31m such torrent\n') : undefined,
  });
  assert.equal(await endOf(announce()), 'refused: no \\x1b[31m such torrent');
  assert.deepEqual(core.asked, ['connect', 'announce'], 'no second try with an id that is fresh');
});

test('answers to other transactions, from other addresses or about other things are not taken', async () => {
  const { announce, clock, network } = setUp();
  const otherTransaction = (answer: Uint8Array): Uint8Array =>
    Uint8Array.from(answer, (byte, at) => byte ^ (at === 7 ? 1 : 0));
  const asError = (answer: Uint8Array): Uint8Array => Uint8Array.from(answer, (byte, at) => (at === 3 ? 3 : byte));
  const otherAction = (answer: Uint8Array): Uint8Array => Uint8Array.from(answer, (byte, at) => (at === 3 ? 2 : byte));
  network.onAnswer = (answer, from) => [
    [otherTransaction(answer), from],
    [answer, { ...from, port: 81 }],
    [answer, { ...from, host: '192.0.2.2' }],
    [asError(answer), { ...from, host: '192.0.2.2' }],
    [otherAction(answer), from],
    [answer.subarray(0, 7), from],
    [new Uint8Array(), from],
  ];
  const end = endOf(announce());
  await clock.advance(29_999);
  assert.equal(network.unclaimed, 5 * 3, 'those of no transaction are left to other protocols');
  network.onAnswer = (answer, from) => [[answer, { ...from, host: '::ffff:192.0.2.1' }]];
  await clock.advance(1);
  assert.equal(await end, 'no answer within 30 s');
  assert.equal(await endOf(announce()), 'answered', 'IPv4 in IPv6 is the same address');
});

test('an answer that comes twice, or after the end, does no harm', async () => {
  const { announce, network, clock } = setUp();
  const held: [Uint8Array, PeerAddress][] = [];
  network.onAnswer = (answer, from) => {
    held.push([answer, from]);
    return [
      [answer, from],
      [answer, from],
    ];
  };
  await announce();
  for (const [answer, from] of held) network.deliver(answer, from);
  await clock.advance(100_000);
  assert.equal(network.unclaimed, 4);
});

test('a cut answer is an error at once', async () => {
  const { announce, network } = setUp();
  network.onAnswer = (answer, from) => [[answer.subarray(0, 15), from]];
  assert.equal(await endOf(announce()), 'the answer to "connect" is too short');
});

test('taking an announce back ends it at once, and nothing is left', async () => {
  const { announce, abort, clock, network } = setUp({ misbehave: () => 'silence' });
  const end = endOf(announce());
  await clock.advance(10);
  abort.abort();
  assert.equal(await end, 'cancelled');
  assert.equal(await endOf(announce()), 'cancelled');
  assert.equal(clock.timers, 0);
  assert.equal(network.sent.length, 1);
});

test('hosts are looked up, by family; one that is not there is an error, one that takes for ever too', async () => {
  const asked: string[] = [];
  const lookUp = (host: string, family: Family | undefined): Promise<string> => {
    asked.push(`${host} ${family ?? 'any'}`);
    if (host === 'lost.example') return Promise.reject(Object.assign(new Error(host), { code: 'ENOTFOUND' }));
    if (host === 'ill.example') return Promise.reject(Object.assign(new Error(host), { code: 'EAI_AGAIN' }));
    if (host === 'slow.example') return new Promise(() => undefined);
    return Promise.resolve(family === 6 ? '2001:DB8:0::1' : '192.0.2.1');
  };
  const { announce, network, clock } = setUp({ lookUp, peers: [{ host: '2001:db8::9', port: 1 }] });
  assert.equal((await announce('udp://Tracker.Example:80/', 1000, 6)).peers.length, 1);
  assert.equal((await announce('udp://tr%C3%A4cker.example:80/', 1000, 4)).peers.length, 0);
  assert.deepEqual(asked, ['tracker.example 6', 'xn--trcker-cua.example 4']);
  assert.equal(network.sent[0], '0: connect [2001:db8::1]:80');
  assert.equal(await endOf(announce('udp://lost.example:80/')), 'unknown host');
  assert.equal(await endOf(announce('udp://ill.example:80/')), 'name lookup failed');
  const end = endOf(announce('udp://slow.example:80/', 4_000));
  await clock.advance(4_000);
  assert.equal(await end, 'no answer within 4 s');
  assert.equal(asked.length, 5);
});

test('IPv6 literals are asked without a look-up, a URL without a port never', async () => {
  const { announce, network } = setUp({ lookUp: () => assert.fail('looked up') });
  assert.equal(await endOf(announce('udp://[2001:DB8::0:5]:80/x')), 'answered');
  assert.equal(network.sent[0], '0: connect [2001:db8::5]:80');
  await assert.rejects(announce('udp://192.0.2.1/announce'), {
    message: 'the URL has no port',
    retryInSeconds: Infinity,
  });
});

test('scrapes share the connection with announces', async () => {
  const { trackers, announce, core, abort } = setUp({ counts: { [`${'00'.repeat(19)}05`]: [1, 2, 3] } });
  await announce();
  const infoHash = Uint8Array.from({ length: 20 }, (_, index) => (index === 19 ? 5 : 0));
  const limits = { timeoutMs: 1000, signal: abort.signal, family: undefined };
  assert.deepEqual(await trackers.scrape(new URL(URL_OF_IT), [new Uint8Array(20), infoHash], limits), [
    { complete: 0, downloaded: 0, incomplete: 0 },
    { complete: 1, downloaded: 2, incomplete: 3 },
  ]);
  assert.deepEqual(core.asked, ['connect', 'announce', 'scrape']);
});

test('after closing no datagram is claimed', async () => {
  const { trackers, network, announce, clock } = setUp();
  trackers.close();
  const end = endOf(announce(URL_OF_IT, 1000));
  await clock.advance(1000);
  assert.equal(await end, 'no answer within 1 s');
  assert.equal(network.unclaimed, 1);
});

test('whatever a tracker sends, an announce ends with an answer or a TrackerError, and nothing is left', async () => {
  let seed = 0;
  for (let run = 0; run < 300; run++) {
    const { announce, clock, network } = setUp({
      misbehave: (action, bytes) =>
        run % 3 === 0 && action === 'announce' ? reply(bytes, 1, uint32(1, 2, 3, 4)) : undefined,
    });
    network.onAnswer = (answer, from) => [[mutate(answer, seed++), from]];
    const end = endOf(announce(URL_OF_IT, 10_000));
    await clock.advance(10_000);
    await end;
    assert.equal(clock.timers, 0);
  }
  assert.ok(seed > 500);
});
