/** Trackers that hang, flood, lie and send elsewhere (THREATS T1–T5, T9, P9, P11). */
import assert from 'node:assert/strict';
import bencode from 'bencode';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { Closers } from '../../src/common/closers.js';
import { encodeExtended } from '../../src/peer/wire.js';
import { ScriptedPeer, type Behaviour } from '../helpers/scripted-peer.js';
import { makeTorrent, randomBytes } from '../helpers/torrent.js';
import { drip, fail, flood, hang, openTracker, redirect, say, type Answer } from '../helpers/tracker.js';
import { WildPeer } from './wild-peer.js';
import { World } from './world.js';

const KIB = 1024;
const MIB = 1024 * KIB;
const skip = process.platform !== 'linux';
const torrent = makeTorrent(randomBytes('trackers', 640 * KIB), { pieceLength: 32 * KIB });
const SEED = { rate: 900 * KIB } as const;

const answer = (values: Readonly<Record<string, unknown>>): Answer =>
  say(bencode.encode({ interval: 1800, peers: '', ...values }));

const ANSWERS: readonly (readonly [what: string, answer: Answer])[] = [
  ['hangs (T2)', hang],
  ['drips (T2)', drip(100)],
  ['answers without end (T1)', flood],
  ['sends a gzip bomb of 600 MiB (T1)', say(gzipBomb(), { 'content-encoding': 'gzip' })],
  ['sends damaged gzip (T1)', say('no gzip', { 'content-encoding': 'gzip' })],
  [
    'sends 10 MiB of headers (T1)',
    (_, response) => void response.socket?.end(`HTTP/1.1 200 OK\r\n${'x: y\r\n'.repeat(2 * MIB)}`),
  ],
  [
    'sends one header of 10 MiB (T1)',
    (_, response) => void response.socket?.end(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(10 * MIB)}\r\n\r\n`),
  ],
  ['does not speak HTTP (T1)', (_, response) => void response.socket?.end(randomBytes('http', 64 * KIB))],
  [
    'promises more than it sends (T1)',
    (_, response) => void response.socket?.end('HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\nd'),
  ],
  ['redirects in a circle (T2)', (request, response) => redirect(`${request.url ?? ''}x`)(request, response)],
  ['redirects to a file (T2)', redirect('file:///etc/passwd')],
  ['redirects to a port that there is not (T5)', redirect('http://127.0.0.1:99999/announce')],
  ['redirects to nowhere (T5)', redirect('http://[::')],
  ['answers with lists of depth 100,000 (T1)', say(`d5:peers${'l'.repeat(100_000)}`)],
  ['answers with HTML (T1)', say('<html>\u001b[2J'.repeat(10_000), { 'content-type': 'text/html' })],
  ['refuses in escape sequences (N8)', fail(200, '\u001b[2J\u001b]0;owned\u0007\r\nforged line')],
  ['warns in escape sequences (N8)', answer({ 'warning message': '\u001b[2J\u202e\nforged' })],
  ['wants no interval at all (T3)', answer({ interval: -1, 'min interval': 2 ** 53 })],
  ['wants an interval of text (T3)', answer({ interval: 'x', 'min interval': [] })],
  ['names a quarter of a million peers (P9)', answer({ peers: loopbackPeers(250_000) })],
  [
    'names peers that nobody can be (P9)',
    answer({ peers: Buffer.from('00000000000000000000ffffffffffffe00000011ae17f00000100007f00', 'hex') }),
  ],
  [
    'names peers of all types (P9)',
    answer({ peers: [{ ip: '\u001b[2J', port: 99_999 }, { ip: 'localhost', port: 1 }, 7, [], { ip: [], port: 'x' }] }),
  ],
];

/** Addresses of this machine at which nobody listens. */
function loopbackPeers(count: number): Buffer {
  const peers = randomBytes('peers', count * 6);
  for (let at = 0; at < peers.length; at += 6) peers.set([127, 250], at);
  return peers;
}

/** Members of a gzip file may follow each other. */
function gzipBomb(): Buffer {
  const member = gzipSync(Buffer.alloc(MIB));
  return Buffer.concat(Array.from({ length: 600 }, () => member));
}

describe('beside an honest seed the data comes whole, though the tracker', { skip, concurrency: 2 }, () => {
  for (const [what, misbehave] of ANSWERS) {
    test(what, async () => {
      await using world = await World.open();
      await using tracker = await openTracker({ misbehave: () => misbehave });
      await using seed = await ScriptedPeer.open(torrent, SEED);
      const file = await world.give('a.torrent', torrent.bytes);
      const words = [file, '-v', '-o', world.out, '--timeout', '20', '--tracker', tracker.url];
      const { code, stderr } = await world.run([...words, '--peer', `127.0.0.1:${seed.address.port}`]);
      assert.equal(code, 0, stderr);
      await world.assertContent(torrent);
      assert.ok(tracker.announces.length > 0, 'it was not asked');
      assert.ok(tracker.announces.length <= 10, `${tracker.announces.length} announces`);
      assert.doesNotMatch(stderr, /^forged/m);
    });
  }

  test('has a certificate for which nobody vouches (T9)', { skip: !hasOpenssl() }, async () => {
    await using world = await World.open();
    const [key, certificate] = ['key', 'certificate'].map((name) => path.join(world.top, name)) as [string, string];
    const words = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
    spawnSync('openssl', [...words, '-subj', '/CN=localhost', '-keyout', key, '-out', certificate]);
    let requests = 0;
    const server = createServer({ key: await readFile(key), cert: await readFile(certificate) }, () => requests++);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/announce`;
    await using seed = await ScriptedPeer.open(torrent, SEED);
    const file = await world.give('a.torrent', torrent.bytes);
    const peer = ['--peer', `127.0.0.1:${seed.address.port}`];
    const { code, stderr } = await world.run([file, '-v', '-o', world.out, '--tracker', url, ...peer]);
    server.close();
    assert.equal(code, 0, stderr);
    assert.match(stderr, /nobody vouches for its certificate/);
    assert.equal(requests, 0);
  });
});

describe('one honest peer is enough in a crowd', { skip, concurrency: 2 }, () => {
  test('of forty that unchoke us and send nothing (P5)', async () => {
    await using world = await World.open();
    await using silent = await WildPeer.open(torrent, (visit) => visit.pretend(), { host: '0.0.0.0' });
    await using seed = await ScriptedPeer.open(torrent, SEED);
    const peers = Array.from({ length: 40 }, (_, at) => ({ host: `127.0.9.${at + 1}`, port: silent.port }));
    await using tracker = await openTracker({ peers: [...peers, seed.address] });
    const file = await world.give('a.torrent', torrent.bytes);
    const { code, stderr } = await world.run([file, '-o', world.out, '--timeout', '20', '--tracker', tracker.url]);
    assert.equal(code, 0, stderr);
    await world.assertContent(torrent);
    assert.ok(silent.connections > 10, `only ${silent.connections} were dialled`);
  });

  test('of one of each kind (P3 to P6)', async () => {
    await using world = await World.open();
    await using everybody = new Closers();
    const kinds: readonly Behaviour[] = [
      'stall',
      'stall-in-block',
      'disconnect',
      'never-unchoke',
      'reject',
      'corrupt',
      'corrupt-some',
    ];
    const peers = [];
    for (const behaviour of kinds) peers.push(everybody.use(await ScriptedPeer.open(torrent, { behaviour })));
    const seed = everybody.use(await ScriptedPeer.open(torrent, SEED));
    const file = await world.give('a.torrent', torrent.bytes);
    const words = [...peers, seed].flatMap(({ address: { port } }) => ['--peer', `127.0.0.1:${port}`]);
    const { code, stderr } = await world.run([file, '-o', world.out, '--timeout', '30', ...words]);
    assert.equal(code, 0, stderr);
    await world.assertContent(torrent);
  });

  test('of liars about metadata, for a magnet link (M8)', async () => {
    await using world = await World.open();
    await using everybody = new Closers();
    const kinds = ['lie', 'refuse', 'stall', 'wrong-size', 'two-sizes', 'huge-size', 'short', 'none'] as const;
    const peers = [];
    for (const metadata of kinds) {
      peers.push(everybody.use(await ScriptedPeer.open(torrent, { metadata, behaviour: 'never-unchoke' })));
    }
    peers.push(everybody.use(await ScriptedPeer.open(torrent, { metadata: 'honest' })));
    const words = peers.flatMap(({ address: { port } }) => ['--peer', `127.0.0.1:${port}`]);
    const link = `magnet:?xt=urn:btih:${torrent.infoHash.toString('hex')}`;
    const { code, stderr } = await world.run([link, '-o', world.out, '--timeout', '30', ...words]);
    assert.equal(code, 0, stderr);
    await world.assertContent(torrent);
  });
});

test('in a private torrent nobody is dialled of whom a peer has told (P11)', { skip }, async () => {
  const secret = makeTorrent(randomBytes('private', 640 * KIB), { pieceLength: 32 * KIB, isPrivate: true });
  for (const [made, mayDial] of [
    [secret, false],
    [torrent, true],
  ] as const) {
    await using world = await World.open();
    await using witness = await WildPeer.open(made, () => undefined);
    const added = Buffer.from([127, 0, 0, 1, witness.port >> 8, witness.port & 0xff]);
    await using teller = await WildPeer.open(made, (visit) => {
      visit.pretend();
      visit.say(encodeExtended(0, bencode.encode({ m: { ut_pex: 1 } })));
      visit.say(encodeExtended(1, bencode.encode({ added, 'added.f': Buffer.alloc(1) })));
    });
    await using seed = await ScriptedPeer.open(made, SEED);
    const file = await world.give('a.torrent', made.bytes);
    const words = [teller.port, seed.address.port].flatMap((port) => ['--peer', `127.0.0.1:${port}`]);
    const { code, stderr } = await world.run([file, '-o', world.out, ...words], { env: { TORRENT_DL_PEX: 'true' } });
    assert.equal(code, 0, stderr);
    assert.equal(witness.connections > 0, mayDial);
  }
});

function hasOpenssl(): boolean {
  return spawnSync('openssl', ['version']).status === 0;
}
