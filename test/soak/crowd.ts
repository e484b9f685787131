/**
 * `crowd.ts TORRENT CONTENT TARGET PORT ADDRESS…`: many peers of all kinds that dial one downloader, hang up and come
 * back. `swarm.ts` runs it.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { decodeMetainfo } from '../../src/metainfo/decode.js';
import { ScriptedPeer, type Behaviour } from '../helpers/scripted-peer.js';
import type { MadeTorrent } from '../helpers/torrent.js';

/** Bytes per second: slow, so that a download lasts until all of them are there. */
const LEAST_RATE = 2000;
const MOST_RATE = 12_000;
const ACT_EVERY_MS = 10;
/** The chance that a peer whose turn it is hangs up. */
const HANG_UP = 0.05;

/** Most are honest; the others come in every hundred as often as here. Every second one lacks a piece, and stays on. */
const KINDS: Readonly<Partial<Record<Behaviour, number>>> = {
  corrupt: 2,
  'corrupt-some': 2,
  stall: 3,
  'stall-in-block': 2,
  trickle: 2,
  disconnect: 3,
  'never-unchoke': 3,
  reject: 3,
};

const [torrentFile = '', contentFile = '', target = '', port = '', ...addresses] = process.argv.slice(2);
const torrent = readTorrent();
const kinds = Object.entries(KINDS).flatMap(([kind, count]) => Array.from({ length: count }, () => kind as Behaviour));
const allPieces = Array.from({ length: torrent.pieceCount }, (_, index) => index);
const peers = await Promise.all(
  addresses.map((host, n) => {
    const rate = LEAST_RATE + ((n * 7919) % (MOST_RATE - LEAST_RATE));
    return ScriptedPeer.open(torrent, {
      host,
      rate,
      behaviour: kinds[n % 100] ?? 'honest',
      pieces: allPieces.filter((index) => n % 2 === 0 || index !== n % torrent.pieceCount),
    });
  }),
);

for (;;) {
  const peer = peers[Math.floor(Math.random() * peers.length)]!;
  if (!peer.isConnected) peer.dial(Number(port), target);
  else if (Math.random() < HANG_UP) peer.hangUp();
  await sleep(ACT_EVERY_MS);
}

function readTorrent(): MadeTorrent {
  const bytes = readFileSync(torrentFile);
  const { infoHash, totalLength, pieceLength, pieceCount } = decodeMetainfo(bytes);
  const content = readFileSync(contentFile);
  const name = path.basename(contentFile);
  return { bytes, infoHash: Buffer.from(infoHash), name, content, totalLength, pieceLength, pieceCount };
}
