import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { Bitfield } from '../../src/common/bitfield.js';
import type { PeerAddress } from '../../src/common/address.js';
import { decodeInfo } from '../../src/metainfo/decode.js';
import type { Metainfo } from '../../src/metainfo/metainfo.js';
import { AddressPool } from '../../src/peer/address-pool.js';
import type { Extension } from '../../src/peer/extension/link.js';
import { createPeerId } from '../../src/peer/handshake.js';
import { PeerListener } from '../../src/peer/listener.js';
import { PeerManager } from '../../src/peer/manager.js';
import { MetadataResolver, type MetadataResolverOptions } from '../../src/peer/resolver.js';
import { encodeMessage, MESSAGE } from '../../src/peer/wire.js';
import { PieceAssembler } from '../../src/piece/assembler.js';
import { PiecePicker } from '../../src/piece/picker.js';
import { Slots } from '../../src/piece/slots.js';
import { ScriptedPeer, type MetadataBehaviour, type ScriptedPeerOptions } from '../helpers/scripted-peer.js';
import { makeTorrent, randomBytes, type MadeTorrent } from '../helpers/torrent.js';
import { until } from '../helpers/until.js';

/** Metadata of five pieces. */
const torrent = makeTorrent(randomBytes('resolver', 200_000), { info: { padding: randomBytes('padding', 70_000) } });
const peerId = createPeerId((length) => randomBytes('ours', length));

interface Resolving extends AsyncDisposable {
  readonly resolver: MetadataResolver;
  readonly banned: PeerAddress[];
}

function resolve(of: MadeTorrent = torrent, options: Partial<MetadataResolverOptions> = {}): Resolving {
  const banned: PeerAddress[] = [];
  const resolver = new MetadataResolver({
    infoHash: of.infoHash,
    peerId,
    pool: new AddressPool(),
    port: 6881,
    clientName: 'torrent-dl test',
    maxPeers: 20,
    onNeedPeers: () => undefined,
    onBanned: (address) => banned.push(address),
    ...options,
  });
  return { resolver, banned, [Symbol.asyncDispose]: () => resolver[Symbol.asyncDispose]() };
}

async function assertResolved({ resolver }: Resolving, of: MadeTorrent = torrent): Promise<Metainfo> {
  const metainfo = decodeInfo(await resolver.done);
  assert.ok(of.infoHash.equals(metainfo.infoHash), 'another info hash');
  return metainfo;
}

/** Opens scripted peers, hands them to `run`, and closes them. */
async function withPeers(
  scripts: readonly ScriptedPeerOptions[],
  run: (...peers: ScriptedPeer[]) => Promise<void>,
): Promise<void> {
  const open = scripts.map((script, n) => ScriptedPeer.open(torrent, { host: `127.0.0.${n + 2}`, ...script }));
  const peers = await Promise.all(open);
  try {
    await run(...peers);
  } finally {
    for (const peer of peers) await peer[Symbol.asyncDispose]();
  }
}

const addressesOf = (peers: readonly ScriptedPeer[]): PeerAddress[] => peers.map(({ address }) => address);

test('metadata comes from a peer that is dialled', () =>
  withPeers([{ metadata: 'honest' }], async (peer) => {
    await using resolving = resolve();
    resolving.resolver.add([peer.address], 'user');
    await assertResolved(resolving);
    assert.equal(resolving.resolver.openCount, 1);
    assert.equal(peer.connections, 1);
    assert.equal(peer.handshakes[0]![25]! & 0x10, 0x10, 'the extension bit');
    assert.equal(peer.handshakes[0]![27]! & 0x05, 0x04, 'fast, and no DHT');
    assert.equal(peer.messages[0]![0], MESSAGE.haveNone);
  }));

test('metadata comes from a peer that dials us', () =>
  withPeers([{ metadata: 'honest' }], async (peer) => {
    await using listener = await PeerListener.open(0);
    await using resolving = resolve();
    listener.serve(torrent.infoHash, (incoming) => resolving.resolver.accept(incoming));
    peer.dial(listener.port);
    await assertResolved(resolving);
    assert.equal(resolving.resolver.pool.known, 1, 'the port that it told is remembered');
  }));

test('several peers are asked at once', () =>
  withPeers([{ metadata: 'honest' }, { metadata: 'honest' }, { metadata: 'honest' }], async (...peers) => {
    await using resolving = resolve();
    resolving.resolver.add(addressesOf(peers), 'tracker');
    await assertResolved(resolving);
    await until(() => peers.every((peer) => peer.connections === 1));
    const asked = peers.reduce((sum, peer) => sum + peer.metadataRequests, 0);
    assert.ok(asked <= 15, `${asked} requests for 5 pieces`);
  }));

const hindrances: MetadataBehaviour[] = [
  ...(['lie', 'lie-once', 'refuse', 'stall', 'wrong-size', 'two-sizes', 'huge-size'] as const),
  ...(['short', 'flood', 'disconnect', 'none'] as const),
];
for (const behaviour of hindrances) {
  test(`metadata comes in spite of a peer like "${behaviour}", who was there first`, () =>
    withPeers([{ metadata: behaviour }, { metadata: 'honest' }], async (bad, good) => {
      await using resolving = resolve();
      const { resolver } = resolving;
      resolver.add([bad.address], 'tracker');
      await until(() => bad.messages.some((message) => message[0] === MESSAGE.extended));
      resolver.add([good.address], 'tracker');
      await assertResolved(resolving);
      assert.ok(!resolving.banned.some(({ port }) => port === good.address.port), 'the honest one was banned');
      if (['lie', 'lie-once', 'wrong-size'].includes(behaviour)) assert.deepEqual(resolving.banned, [bad.address]);
    }));
}

test('two liars with the same claim as an honest peer are found out', () =>
  withPeers([{ metadata: 'lie' }, { metadata: 'lie-once' }, { metadata: 'honest' }], async (...peers) => {
    await using resolving = resolve();
    resolving.resolver.add(addressesOf(peers), 'tracker');
    await assertResolved(resolving);
    assert.ok(
      resolving.banned.every(({ port }) => port !== peers[2]!.address.port),
      'the honest one was banned',
    );
  }));

test('without anybody who offers metadata nothing happens until it is aborted', () =>
  withPeers([{}, { metadata: 'none' }], async (...peers) => {
    const abort = new AbortController();
    let wanted = 0;
    await using resolving = resolve(torrent, { signal: abort.signal, onNeedPeers: () => wanted++ });
    const { resolver } = resolving;
    resolver.add(addressesOf(peers), 'tracker');
    await until(() => resolver.openCount === 2 && wanted > 0);
    assert.equal(resolver.offers, 0);
    assert.equal(resolver.progress, undefined);
    abort.abort(new Error('enough'));
    await assert.rejects(resolver.done, /enough/);
    assert.equal(resolver.openCount, 0);
  }));

test('with all places taken, peers without metadata make room', { timeout: 30_000 }, () =>
  withPeers([{ metadata: 'none' }, { metadata: 'honest' }], async (useless, good) => {
    await using resolving = resolve(torrent, { maxPeers: 1 });
    resolving.resolver.add([useless.address], 'tracker');
    await until(() => useless.connections === 1);
    resolving.resolver.add([good.address], 'tracker');
    await assertResolved(resolving);
  }),
);

const stallers = Array.from({ length: 4 }, () => ({ metadata: 'stall' }) as const);

test('those who dial us do not take all places, so whoever is found in another way is heard', () =>
  withPeers([{ metadata: 'honest' }, ...stallers], async (good, ...strangers) => {
    await using listener = await PeerListener.open(0);
    await using resolving = resolve(torrent, { maxPeers: 4 });
    const { resolver } = resolving;
    listener.serve(torrent.infoHash, (incoming) => resolver.accept(incoming));
    for (const stranger of strangers) stranger.dial(listener.port);
    await until(() => resolver.openCount === 3);
    const begin = performance.now();
    resolver.add([good.address], 'tracker');
    await assertResolved(resolving);
    assert.ok(performance.now() - begin < 5000);
  }));

for (const [what, bytes] of [
  ['a message that is far too long', Buffer.from([0, 0x10, 0, 0, 20])],
  ['blocks that nobody asked for', Buffer.from(encodeMessage(MESSAGE.piece, new Uint8Array(100)))],
  [
    'haves without end',
    Buffer.concat(Array.from({ length: 50_000 }, () => encodeMessage(MESSAGE.have, Buffer.alloc(4)))),
  ],
  ['an empty extended message', Buffer.from(encodeMessage(MESSAGE.extended))],
] as const) {
  test(`who sends ${what} is dropped`, () =>
    withPeers([{ metadata: 'none', greeting: bytes }], async (peer) => {
      await using resolving = resolve();
      resolving.resolver.add([peer.address], 'tracker');
      await until(() => peer.connections === 1 && resolving.resolver.connections.size === 0);
    }));
}

test('we are not our own peer, and one that crosses our dial is connected once', () =>
  withPeers([{ metadata: 'stall' }], async (peer) => {
    await using listener = await PeerListener.open(0);
    await using resolving = resolve();
    const { resolver } = resolving;
    listener.serve(torrent.infoHash, (incoming) => resolver.accept(incoming));
    resolver.add([{ host: '127.0.0.1', port: listener.port }], 'user');
    await until(() => resolver.pool.known === 0 && resolver.connections.size === 0);
    resolver.add([peer.address], 'tracker');
    peer.dial(listener.port);
    await until(() => peer.connections === 2);
    await until(() => resolver.connections.size === 1 && resolver.openCount === 1);
  }));

test('a resolver that is closed gives its addresses back', () =>
  withPeers([{ metadata: 'none' }], async (peer) => {
    const pool = new AddressPool();
    const { resolver } = resolve(torrent, { pool });
    resolver.add([peer.address], 'tracker');
    await until(() => resolver.openCount === 1);
    assert.equal(pool.waiting, 0);
    await resolver[Symbol.asyncDispose]();
    assert.equal(pool.waiting, 1);
    await assert.rejects(resolver.done, { name: 'AbortError' });
  }));

test('a DHT port is told when both have a node, and heard', () =>
  withPeers([{ metadata: 'honest', dhtPort: 7001 }], async (peer) => {
    const nodes: PeerAddress[] = [];
    await using resolving = resolve(torrent, { dhtPort: 7002, onDhtNode: (node) => nodes.push(node) });
    resolving.resolver.add([peer.address], 'tracker');
    await assertResolved(resolving);
    await until(() => nodes.length > 0);
    assert.deepEqual(nodes, [{ host: peer.address.host, port: 7001 }]);
    assert.equal(peer.handshakes[0]![27]! & 1, 1);
    assert.deepEqual(
      peer.messages.filter((message) => message[0] === MESSAGE.port),
      [Buffer.from([9, 0x1b, 0x5a])],
    );
  }));

test('other extensions are told of, and get their messages', () =>
  withPeers([{ metadata: 'stall' }], async (peer) => {
    const heard: string[] = [];
    const echo: Extension = {
      name: 'ut_echo',
      id: 9,
      onMessage: (from, payload) => {
        heard.push(Buffer.from(payload).toString());
        from.sendExtended('ut_echo', payload); // it does not know that
        from.sendExtended('ut_metadata', Buffer.from('d8:msg_typei0e5:piecei0ee'));
      },
    };
    await using resolving = resolve(torrent, { extensions: [echo] });
    resolving.resolver.add([peer.address], 'tracker');
    await until(() => peer.metadataRequests > 0);
    const before = peer.metadataRequests;
    peer.sendAll(encodeMessage(MESSAGE.extended, Buffer.from('\x09hello')));
    await until(() => heard.length > 0 && peer.metadataRequests > before);
    assert.deepEqual(heard, ['hello']);
    const [hello] = peer.messages.filter((message) => message[0] === MESSAGE.extended && message[1] === 0);
    assert.match(String(hello), /7:ut_echoi9e/);
  }));

// ── Handing over ────────────────────────────────────────────────────────────────────────────────────────────────────

interface Line extends AsyncDisposable {
  readonly manager: PeerManager;
  readonly have: Bitfield;
}

/** The rest of the line, with a disk that only looks at the hashes. */
function openLine(metainfo: Metainfo, pool: AddressPool, onDisk: readonly number[] = []): Line {
  const have = new Bitfield(metainfo.pieceCount);
  const slots = new Slots(metainfo);
  const picker = new PiecePicker(metainfo.pieceCount, { sequential: false });
  for (const index of onDisk) {
    picker.markDone(index);
    have.add(index);
  }
  const assembler = new PieceAssembler(metainfo, picker, slots, {
    onFull: (slot, index) => {
      const start = slot * slots.slotLength;
      const length = Math.min(metainfo.pieceLength, metainfo.totalLength - index * metainfo.pieceLength);
      const digest = createHash('sha1')
        .update(slots.bytes.subarray(start, start + length))
        .digest();
      const isRight = digest.equals(metainfo.pieceHashes.subarray(index * 20, index * 20 + 20));
      assembler.written(slot, index, isRight);
      if (isRight) have.add(index);
      if (isRight) manager.broadcastHave(index);
    },
    onGuilty: () => undefined,
  });
  const manager = new PeerManager({
    metainfo,
    peerId,
    have,
    picker,
    assembler,
    reader: { read: () => Promise.resolve() },
    port: 6881,
    clientName: 'torrent-dl test',
    maxPeers: 20,
    pool,
    onPayload: () => undefined,
    onBlock: () => undefined,
    onUploaded: () => undefined,
    onReadError: () => undefined,
    onBanned: () => undefined,
    onNeedPeers: () => undefined,
  });
  return { manager, have, [Symbol.asyncDispose]: () => manager[Symbol.asyncDispose]() };
}

function adoptAll({ resolver }: Resolving, { manager }: Line): void {
  for (const peer of resolver.release()) manager.adopt(peer);
}

test('the connections are handed over: the download goes on without another dial or handshake', () =>
  withPeers([{ metadata: 'honest' }, { metadata: 'none' }, {}], async (...peers) => {
    await using resolving = resolve();
    resolving.resolver.add(addressesOf(peers), 'tracker');
    const metainfo = await assertResolved(resolving);
    await until(() => resolving.resolver.openCount === 3);
    await using line = openLine(metainfo, resolving.resolver.pool);
    adoptAll(resolving, line);
    assert.equal(line.manager.openCount, 3);
    assert.equal(line.manager.seedCount, 3);
    await until(() => line.have.isFull);
    for (const peer of peers) {
      assert.equal(peer.connections, 1);
      assert.equal(peer.messages.filter((message) => message[0] === MESSAGE.haveNone).length, 1);
      assert.equal(peer.messages.filter((message) => message[0] === MESSAGE.bitfield).length, 0);
    }
    const hellos = peers[0]!.messages.filter((message) => message[0] === MESSAGE.extended && message[1] === 0);
    assert.equal(hellos.length, 2);
    assert.match(String(hellos[1]), /13:metadata_sizei\d+e/);
  }));

test('a peer that dialled us is handed over, too', () =>
  withPeers([{ metadata: 'honest' }], async (peer) => {
    await using listener = await PeerListener.open(0);
    await using resolving = resolve();
    const stop = listener.serve(torrent.infoHash, (incoming) => resolving.resolver.accept(incoming));
    peer.dial(listener.port);
    const metainfo = await assertResolved(resolving);
    await using line = openLine(metainfo, resolving.resolver.pool);
    adoptAll(resolving, line);
    listener.serve(torrent.infoHash, (incoming) => line.manager.accept(incoming));
    stop(); // must not take away what belongs to another now
    await until(() => line.have.isFull);
    peer.hangUp();
    await until(() => line.manager.connections.size === 0);
    peer.dial(listener.port);
    await until(() => peer.connections === 2);
  }));

test('a connection that is not made yet is handed over, and made', () =>
  withPeers([{}], async (peer) => {
    await using resolving = resolve();
    resolving.resolver.add([peer.address], 'tracker');
    await using line = openLine(decodeInfo(infoOf(torrent)), resolving.resolver.pool);
    adoptAll(resolving, line); // before the first event of the socket
    assert.equal(line.manager.openCount, 0);
    await until(() => line.have.isFull);
    assert.equal(peer.connections, 1);
  }));

test('pieces that turn out to be on disk are told by haves', () =>
  withPeers([{ metadata: 'honest' }], async (peer) => {
    await using resolving = resolve();
    resolving.resolver.add([peer.address], 'tracker');
    const metainfo = await assertResolved(resolving);
    await using line = openLine(metainfo, resolving.resolver.pool, [3, 5]);
    adoptAll(resolving, line);
    await until(() => line.have.isFull);
    const haves = peer.messages.filter((message) => message[0] === MESSAGE.have).map((have) => have.readUInt32BE(1));
    assert.deepEqual(haves.slice(0, 2), [3, 5]);
  }));

test('metadata is served to who asks for it, and our own resolver takes it', async () => {
  const metainfo = decodeInfo(infoOf(torrent));
  const everything = Array.from({ length: metainfo.pieceCount }, (_, index) => index);
  await using listener = await PeerListener.open(0);
  await using line = openLine(metainfo, new AddressPool(), everything);
  listener.serve(torrent.infoHash, (incoming) => line.manager.accept(incoming));
  await using resolving = resolve(torrent, { peerId: createPeerId((length) => randomBytes('theirs', length)) });
  resolving.resolver.add([{ host: '127.0.0.1', port: listener.port }], 'user');
  assert.ok(Buffer.from(infoOf(torrent)).equals(await resolving.resolver.done), 'other metadata');
});

test('what a peer said before is judged when it can be: a bitfield of another size ends the connection', () =>
  withPeers([{ metadata: 'honest', greeting: encodeMessage(MESSAGE.bitfield, new Uint8Array(9)) }], async (peer) => {
    await using resolving = resolve();
    resolving.resolver.add([peer.address], 'tracker');
    const metainfo = await assertResolved(resolving);
    await using line = openLine(metainfo, resolving.resolver.pool);
    adoptAll(resolving, line);
    assert.equal(line.manager.connections.size, 0);
  }));

function infoOf(made: MadeTorrent): Uint8Array {
  const at = made.bytes.indexOf('4:info') + '4:info'.length;
  return made.bytes.subarray(at, made.bytes.length - 1);
}
