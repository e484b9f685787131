/**
 * `dial.ts HOST PORT INFO-HASH FILE`: talks to a real client as a downloader does, for as long as it says something new,
 * and keeps what it says. `record.ts` runs this where the client is.
 */
import bencode from 'bencode';
import { writeFileSync } from 'node:fs';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { encodeHandshake, HANDSHAKE_LENGTH } from '../../src/peer/handshake.js';
import { encodeExtended, encodeMessage, MESSAGE } from '../../src/peer/wire.js';

const MOST_LENGTH = 24_576;
const CONNECT_TRIES = 100;
const SILENCE_MS = 1500;
const [host = '', port = '', infoHash = '', file = ''] = process.argv.slice(2);

const socket = await connect();
let received = Buffer.alloc(0);
let heardAt = performance.now();
socket.on('error', () => undefined);
socket.on('data', (chunk) => {
  heardAt = performance.now();
  const isFirst = received.length < HANDSHAKE_LENGTH;
  received = Buffer.concat([received, chunk]);
  if (isFirst && received.length >= HANDSHAKE_LENGTH) greet();
});
socket.write(encodeHandshake({ infoHash: Buffer.from(infoHash, 'hex'), peerId: Buffer.from('-RC0001-recordrecord') }));
while (performance.now() - heardAt < SILENCE_MS && !socket.destroyed) await sleep(50);
socket.destroy();
writeFileSync(file, received.subarray(0, MOST_LENGTH));

/** The client may not listen yet. */
async function connect(): Promise<net.Socket> {
  for (let tries = 0; tries < CONNECT_TRIES; tries++) {
    const attempt = net.connect({ host, port: Number(port) });
    const isOpen = await new Promise<boolean>((resolve) => {
      attempt.once('connect', () => resolve(true)).once('error', () => resolve(false));
    });
    if (isOpen) return attempt;
    await sleep(100);
  }
  throw new Error(`nobody listens at ${host}:${port}`);
}

/** Says all that makes a client talk: extensions, a wish for metadata, interest and requests. */
function greet(): void {
  const hello = bencode.encode({ m: { ut_metadata: 1, ut_pex: 2, lt_donthave: 3 }, reqq: 50, v: 'recorder' });
  const requests = [0, 1, 2, 200].map((block) => {
    const payload = Buffer.alloc(12);
    payload.writeUInt32BE(block >> 2, 0);
    payload.writeUInt32BE((block & 3) * 16_384, 4);
    payload.writeUInt32BE(block === 0 ? 16_384 : 300, 8);
    return encodeMessage(MESSAGE.request, payload);
  });
  socket.write(Buffer.concat([encodeExtended(0, hello), encodeMessage(MESSAGE.interested)]));
  setTimeout(() => {
    const metadataId = Number(/11:ut_metadatai(\d+)e/.exec(received.toString('latin1'))?.[1] ?? 0);
    const metadata = encodeExtended(metadataId, bencode.encode({ msg_type: 0, piece: 0 }));
    socket.write(Buffer.concat(metadataId > 0 ? [metadata, ...requests] : requests));
  }, 500);
}
