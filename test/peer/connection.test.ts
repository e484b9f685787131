import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import type { Download } from '../../src/api.js';
import { downloadHere } from '../helpers/download.js';
import { decodeMetainfo } from '../../src/metainfo/decode.js';
import { decodeExtensionHandshake } from '../../src/peer/extension/handshake.js';
import { decodeMetadataMessage, encodeMetadataRequest } from '../../src/peer/extension/metadata.js';
import { encodeExtended, encodeMessage, MESSAGE } from '../../src/peer/wire.js';
import { ScriptedPeer } from '../helpers/scripted-peer.js';
import { makeTorrent, randomBytes } from '../helpers/torrent.js';
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
