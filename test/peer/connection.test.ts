import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import type { Download } from '../../src/api.js';
import { Bitfield } from '../../src/common/bitfield.js';
import { downloadHere } from '../helpers/download.js';
import { decodeMetainfo } from '../../src/metainfo/decode.js';
import { decodeExtensionHandshake } from '../../src/peer/extension/handshake.js';
import { decodeMetadataMessage, encodeMetadataRequest } from '../../src/peer/extension/metadata.js';
import { PeerConnection } from '../../src/peer/connection.js';
import { encodeHandshake } from '../../src/peer/handshake.js';
import { encodeExtended, encodeMessage, MESSAGE, REQUEST_LENGTH, writeRequest } from '../../src/peer/wire.js';
import type { LiveTransport } from '../../src/peer/transport.js';
import { PieceAssembler } from '../../src/piece/assembler.js';
import { PiecePicker } from '../../src/piece/picker.js';
import { Slots } from '../../src/piece/slots.js';
import { ScriptedPeer } from '../helpers/scripted-peer.js';
import { makeTorrent, randomBytes, writeContent } from '../helpers/torrent.js';
import { until } from '../helpers/until.js';

const folder = await mkdtemp(path.join(os.tmpdir(), 'torrent-dl-connection-'));
after(() => rm(folder, { recursive: true, force: true }));

const torrent = makeTorrent(randomBytes('connection', 400_000), { info: { padding: randomBytes('padding', 40_000) } });

function leech(peer: ScriptedPeer): Download {
  return downloadHere(torrent.bytes, { out: path.join(folder, String(peer.address.port)), peers: [peer.address] });
}

const extended = (peer: ScriptedPeer, id: number): Buffer[] =>
  peer.messages
    .filter((message) => message[0] === MESSAGE.extended && message[1] === id)
    .map((message) => message.subarray(2));

test('the extension handshake says that we have metadata and how much; it is served piece by piece', async () => {
  await using peer = await ScriptedPeer.open(torrent, { metadata: 'none', behaviour: 'stall' });
  await using ours = leech(peer);
  await until(() => extended(peer, 0).length === 1 && ours.stats().connectedPeers === 1);
  const { messageIds, metadataSize } = decodeExtensionHandshake(extended(peer, 0)[0]!);
  const { infoBytes } = decodeMetainfo(torrent.bytes);
  assert.equal(metadataSize, infoBytes.length);
  const id = messageIds.get('ut_metadata')!;
  assert.equal(id, 3);
  for (const piece of [0, 1, 2, 3]) peer.sendAll(encodeExtended(id, encodeMetadataRequest(piece)));
  await until(() => extended(peer, 7).length === 4); // by the peer's own id
  const answers = extended(peer, 7).map((payload) => decodeMetadataMessage(payload));
  assert.deepEqual(answers.map(({ type }) => type).sort(), ['data', 'data', 'data', 'reject']);
  const pieces = answers.flatMap((answer) => (answer.type === 'data' ? [Buffer.from(answer.data)] : []));
  assert.ok(Buffer.concat(pieces).equals(infoBytes), 'other metadata');
});

test('nothing extended goes to a peer that does not know it, and a malformed message ends the connection', async () => {
  await using peer = await ScriptedPeer.open(torrent, { behaviour: 'stall' });
  await using ours = leech(peer);
  await until(() => ours.stats().connectedPeers === 1);
  peer.sendAll(encodeExtended(99, Buffer.from('whatever')));
  peer.sendAll(encodeExtended(3, encodeMetadataRequest(0)));
  peer.sendAll(encodeMessage(MESSAGE.port, Uint8Array.of(1, 2)));
  peer.sendAll(encodeExtended(3, Buffer.from('nonsense')));
  await until(() => ours.stats().connectedPeers === 0);
  assert.deepEqual(
    peer.messages.filter((message) => message[0] === MESSAGE.extended),
    [],
  );
});

test('a peer that asks right behind its interest, before it can know of the unchoke, is served', async () => {
  const out = path.join(folder, 'seed');
  await writeContent(torrent, out);
  await using seed = downloadHere(torrent.bytes, { out, seed: true });
  await seed.done;
  await until(() => seed.stats().port > 0);
  const socket = net.connect(seed.stats().port, '127.0.0.1');
  try {
    const received: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => received.push(chunk));
    const peerId = Buffer.from('-XX0000-abcdefghijkl');
    const request = new Uint8Array(REQUEST_LENGTH);
    writeRequest(request, 0, MESSAGE.request, 0, 0, 16_384);
    const hello = encodeHandshake({ infoHash: torrent.infoHash, peerId, supportsDht: false });
    // What we support beside the bare protocol would get us a reject instead.
    Buffer.from(hello.buffer, hello.byteOffset).fill(0, 20, 28);
    socket.write(Buffer.concat([hello, encodeMessage(MESSAGE.interested), request]));
    const block = (torrent.content as Buffer).subarray(0, 16_384);
    await until(() => Buffer.concat(received).includes(block));
  } finally {
    socket.destroy();
  }
});

test('who is silent is hung up on after three minutes, and in less than two when it owes us blocks', () => {
  for (const [unchokes, seconds] of [
    [false, 180],
    [true, 90],
  ] as const) {
    const reasons: string[] = [];
    const connection = openConnection((reason) => reasons.push(reason));
    const hello = encodeHandshake({ infoHash: torrent.infoHash, peerId: randomBytes('id', 20), supportsDht: false });
    const bytes = Buffer.concat([
      hello,
      encodeMessage(
        MESSAGE.bitfield,
        Uint8Array.from({ length: Math.ceil(torrent.pieceCount / 8) }, () => 0),
      ),
      encodeMessage(MESSAGE.have, Uint8Array.of(0, 0, 0, 0)),
      ...(unchokes ? [encodeMessage(MESSAGE.unchoke)] : []),
    ]);
    connection.onBytes(bytes, bytes.length);
    const start = performance.now();
    let second = 0;
    while (reasons.length === 0 && second < 1000) connection.tick(start + ++second * 1000);
    assert.deepEqual(reasons, ['silent']);
    assert.ok(Math.abs(second - seconds) <= 1, `after ${second} s`);
  }
});

const threeNumbers = new Uint8Array(12);
const floods: readonly (readonly [what: string, message: Uint8Array])[] = [
  ['chokes', encodeMessage(MESSAGE.choke)],
  ['interest', encodeMessage(MESSAGE.interested)],
  ['cancels of nothing', encodeMessage(MESSAGE.cancel, threeNumbers)],
  ['requests that are refused', encodeMessage(MESSAGE.request, threeNumbers)],
  ['rejects of nothing', encodeMessage(MESSAGE.rejectRequest, threeNumbers)],
];
for (const [what, message] of floods) {
  test(`a peer is hung up on that floods us with ${what}, and a thousand a second are borne`, () => {
    const reasons: string[] = [];
    const connection = openConnection((reason) => reasons.push(reason));
    const hello = encodeHandshake({ infoHash: torrent.infoHash, peerId: randomBytes('id', 20), supportsDht: false });
    connection.onBytes(hello, hello.length);
    const thousand = Buffer.concat(Array<Uint8Array>(1000).fill(message));
    const start = performance.now();
    for (let second = 1; second <= 60; second++) {
      connection.onBytes(thousand, thousand.length);
      connection.tick(start + second * 1000);
    }
    assert.deepEqual(reasons, []);
    for (let times = 0; times < 20; times++) connection.onBytes(thousand, thousand.length);
    connection.tick(start + 60_100);
    assert.deepEqual(reasons, ['a flood of messages']);
  });
}

/** A connection that somebody made to a download that lacks everything; what it sends is lost. */
function openConnection(onClose: (reason: string) => void): PeerConnection {
  const metainfo = decodeMetainfo(torrent.bytes);
  const none = (): Bitfield => new Bitfield(metainfo.pieceCount);
  const picker = new PiecePicker(metainfo.pieceCount);
  const ignore = (): undefined => undefined;
  const assembler = new PieceAssembler(metainfo, picker, new Slots(metainfo), { onFull: ignore, onGuilty: ignore });
  const connection: PeerConnection = new PeerConnection(
    1,
    {
      ...{ metainfo, peerId: randomBytes('own id', 20), have: none(), settled: none(), assembler },
      ...{ reader: { read: () => Promise.reject(new Error('nothing is read')) } },
      ...{ port: 0, clientName: '', dhtPort: undefined, extensions: [], downloadLimit: undefined },
      ...{ onHandshake: ignore, onHavesGone: ignore, onHave: ignore, onInterest: ignore, onPort: ignore },
      ...{ onDhtPort: ignore, onUploaded: ignore, onReadError: ignore, onDuplicate: ignore, onStarving: ignore },
      ...{ onPayload: ignore, onBlock: ignore },
      onHaves: ({ have }) => picker.addPeer(have),
      onClose: (_, reason) => onClose(reason),
    },
    performance.now(),
  );
  connection.attach({
    events: connection,
    address: { host: '192.0.2.1', port: 1 },
    isIncoming: true,
    unsentLength: 0,
    write: ignore,
    close: ignore,
  } as unknown as LiveTransport);
  return connection;
}
