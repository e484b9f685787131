/** Magnet links: our program finds real ones, and they find ours, in every way that there is. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { Bench, needs } from './bench.js';
import { DiscoveryBench, HOLDERS, WAYS, WAYS_TO_US, type Way } from './discovery-bench.js';
import { pathOf } from './programs.js';

describe('magnet links', { ...needs('opentracker', ...HOLDERS), concurrency: HOLDERS.length }, () => {
  let bench: DiscoveryBench;
  before(async () => {
    bench = await DiscoveryBench.open();
  });
  after(() => bench[Symbol.asyncDispose]());

  function weFindThem(ways: readonly Way[]): void {
    for (const way of ways) {
      for (const name of HOLDERS) {
        test(`we find ${name} by ${way}, and it has all there is`, { timeout: 60_000 }, async (t) => {
          const { elapsedMs } = await bench.download(name, way);
          t.diagnostic(`${(elapsedMs / 1000).toFixed(1)} s`);
        });
      }
    }
  }

  weFindThem(WAYS.filter((way) => way !== 'DHT'));

  for (const way of WAYS_TO_US) {
    for (const name of HOLDERS) {
      test(`${name} finds us by ${way}, and takes all from us`, { timeout: 60_000 }, async (t) => {
        const { elapsedMs } = await bench.upload(name, way);
        t.diagnostic(`${(elapsedMs / 1000).toFixed(1)} s after its start`);
      });
    }
  }

  weFindThem(['DHT']); // last, for transmission may take a minute to announce there
});

interface Traces {
  /** UDP datagrams that we sent. */
  readonly datagrams: number;
  /** What we told another peer of ourselves (BEP 10), and of our DHT port. */
  readonly handshake: string;
  readonly tellsDhtPort: boolean;
}

/** What is seen of us while we give a torrent to somebody who found us by the tracker. */
async function tracesOf(isPrivate: boolean): Promise<Traces> {
  let traces: Traces | undefined;
  await Bench.run({ isPrivate, size: 2 ** 19 }, async (bench) => {
    const { folder } = await bench.seedJob('ours');
    const node = `${bench.addHost('a node of the DHT').address}:7002`;
    bench.torrentDlWith({ TORRENT_DL_DHT: 'true', TORRENT_DL_LSD: 'true' }, folder, '--seed', '--dht-bootstrap', node);
    await bench.tracker.counts(1, 0);
    const host = bench.addHost('libtorrent');
    const script = ['-W', 'ignore', pathOf('libtorrent-many.py'), bench.folder('copy'), '7001', host.address];
    const peer = host.start('/usr/bin/python3', [...script, '--torrent', bench.torrentFile, '--log']);
    await bench.says(peer, /<== EXTENDED_HANDSHAKE .*torrent-dl/, 30_000);
    await bench.says(peer, /torrent finished downloading/, 30_000);
    traces = {
      datagrams: bench.ours.datagramsSent(),
      handshake: /<== EXTENDED_HANDSHAKE (.*torrent-dl.*)/.exec(peer.output)![1]!,
      tellsDhtPort: peer.output.includes('<== DHT_PORT'),
    };
  });
  return traces!;
}

describe('privacy', needs('opentracker', 'libtorrent'), () => {
  test('of a private torrent nobody hears but its tracker and its peers (BEP 27)', { timeout: 60_000 }, async () => {
    const [shared, secret] = [await tracesOf(false), await tracesOf(true)];
    assert.ok(shared.datagrams > 0, 'a public torrent is told of, or this test sees nothing');
    assert.match(shared.handshake, /ut_pex/);
    assert.ok(shared.tellsDhtPort);
    assert.equal(secret.datagrams, 0);
    assert.doesNotMatch(secret.handshake, /ut_pex/);
    assert.ok(!secret.tellsDhtPort);
  });
});
