import { ProtocolError } from '../common/errors.js';
import type { ExchangeSwarm } from './exchange-swarm.js';
import { encodeExtensionHandshake } from './extension/handshake.js';
import type { Handshake } from './handshake.js';
import type { Said } from './resolving-connection.js';
import { MOST_QUEUED_REQUESTS } from './upload.js';
import { encodeExtended, encodeHave, encodeMessage, encodePort, MESSAGE } from './wire.js';

/** Pieces that are told one by one to a peer who heard before that we have none. */
const MOST_LATE_HAVES = 16_384;

/** The ids by which we know extended messages, by their names. */
type MessageIds = Readonly<Record<string, number>>;

/** The download, as far as a greeting tells of it. */
type Greeter = Pick<ExchangeSwarm, 'have' | 'settled' | 'metainfo' | 'port' | 'clientName' | 'dhtPort'>;

/** Whom we greet. */
export interface Greeted {
  /** What the peer said. */
  readonly handshake: Handshake;
  /** What it heard of us already. */
  readonly said: Said;
  readonly messageIds: MessageIds;
  /** Its address, as we see it. */
  readonly yourIp: string;
}

/**
 * What follows our handshake: the pieces that we have (BEP 3, 6), what we understand (BEP 10) and our DHT node (BEP 5).
 * @throws {ProtocolError} when there is more to tell than can be told to this peer
 */
export function encodeGreeting(ours: Greeter, { handshake, said, messageIds, yourIp }: Greeted): Uint8Array {
  const { dhtPort } = ours;
  const isFirst = said !== 'greeting';
  return Buffer.concat([
    isFirst ? encodePieces(ours.have, handshake.supportsFast) : encodeLateHaves(ours.have),
    // also to whom we said it before: there is more to say now
    ...(handshake.supportsExtensions ? [encodeExtended(0, encodeHello(ours, messageIds, yourIp))] : []),
    ...(handshake.supportsDht && dhtPort !== undefined && isFirst ? [encodePort(dhtPort)] : []),
  ]);
}

/** A bitfield comes right after the handshake or never: rtorrent resets the connection otherwise. */
function encodePieces(have: Greeter['have'], supportsFast: boolean): Uint8Array {
  if (supportsFast && have.isFull) return encodeMessage(MESSAGE.haveAll);
  if (supportsFast && have.count === 0) return encodeMessage(MESSAGE.haveNone);
  return have.count > 0 ? encodeMessage(MESSAGE.bitfield, have.bytes) : new Uint8Array(0);
}

/** The peer heard that we have none, for we did not know of pieces then; some turned out to be on disk. */
function encodeLateHaves(have: Greeter['have']): Uint8Array {
  if (have.count > MOST_LATE_HAVES) throw new ProtocolError('ERR_HANDSHAKE', 'there is more to tell than by haves');
  const haves: Uint8Array[] = [];
  for (let index = 0; index < have.length; index++) if (have.has(index)) haves.push(encodeHave(index));
  return Buffer.concat(haves);
}

function encodeHello(
  { settled, metainfo, port, clientName }: Greeter,
  messageIds: MessageIds,
  yourIp: string,
): Uint8Array {
  return encodeExtensionHandshake({
    messageIds,
    port,
    client: clientName,
    yourIp,
    requestQueueLength: MOST_QUEUED_REQUESTS,
    metadataSize: metainfo.infoBytes.length,
    isUploadOnly: settled.isFull,
  });
}
