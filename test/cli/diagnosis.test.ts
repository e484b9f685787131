import assert from 'node:assert/strict';
import { test } from 'node:test';

import { diagnosisOf, linesOfDiagnosis } from '../../src/cli/diagnosis.js';
import { DiskError, NoSourceError, type Diagnosis } from '../../src/index.js';
import { fakeDownload } from './fake.js';

const nobody = fakeDownload().diagnose();

function lines(changes: Partial<Diagnosis>, peers: Partial<Diagnosis['peers']> = {}): string[] {
  return linesOfDiagnosis({ ...nobody, ...changes, peers: { ...nobody.peers, ...peers } });
}

test('who was asked said something, or did not', () => {
  const sources: Diagnosis['sources'] = [
    { name: 'udp://a:1/…', state: 'working', peers: 1 },
    { name: 'http://b/…', state: 'failed', message: 'connection refused' },
    { name: 'DHT', state: 'asking' },
    { name: 'http://c/…', state: 'idle' },
  ];
  const [trackers] = lines({ sources });
  assert.equal(
    trackers,
    'trackers: udp://a:1/…: 1 peer, http://b/…: connection refused, DHT: no answer yet (and 1 more)',
  );
});

test('of peers there is what there is to count', () => {
  assert.deepEqual(lines({}), ['peers: none known']);
  const unreached = { refused: 2, timedOut: 3, unreachable: 1, noSocket: 1, hungUp: 1, useless: 0 };
  assert.deepEqual(lines({}, { known: 10, connected: 2, choking: 1, silent: 1, unreached }), [
    'peers: 10 known, 2 connected, 1 choked us, 1 sent nothing, 2 refused, 3 timed out, 1 unreachable, ' +
      '1 without a file descriptor left for it, 1 hung up in the handshake',
  ]);
});

test('a share of the data is never rounded up to all', () => {
  for (const [availability, text] of [
    [0.98765, '98.7 % of it exists in the swarm'],
    [0.99999, '99.9 % of it exists in the swarm'],
    [0, 'none of it exists in the swarm'],
    [1, 'all of it exists in the swarm'],
  ] as const) {
    assert.equal(lines({ availability }, { connected: 1 }).at(-1), `data: ${text}`);
  }
});

test('without the metadata peers lack that, and no share is known', () => {
  assert.deepEqual(lines({}, { known: 1, connected: 1, lacking: 1 }), [
    'peers: 1 known, 1 connected, 1 without the metadata',
  ]);
});

test('foreign text cannot reach the terminal as it is', () => {
  const sources = [{ name: 'http://b/…', state: 'failed', message: 'no\u001b[2J\n' }] as const;
  assert.ok(!lines({ sources }).join('').includes('\u001b'));
});

test('only errors of peers are diagnosed, and only of a torrent that is known', () => {
  const job = { source: 'x', download: { ...fakeDownload(), infoHash: new Uint8Array(20) }, startedAt: 0 };
  assert.ok(diagnosisOf(new NoSourceError('ERR_NO_SOURCE', 'nobody'), job));
  assert.equal(diagnosisOf(new DiskError('ERR_DISK', 'full'), job), undefined);
  const unread = { ...job, download: fakeDownload() };
  assert.equal(diagnosisOf(new NoSourceError('ERR_NO_SOURCE', 'nobody'), unread), undefined);
});
