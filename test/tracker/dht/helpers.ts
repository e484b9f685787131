/** Small things that several tests of the DHT need. */
import type { Contact } from '../../../src/tracker/dht/contact.js';
import { makeNodeId } from '../../../src/tracker/dht/node-id.js';
import { randomBytesOf, seededRandom } from './simulation.js';

export const random = randomBytesOf(seededRandom(7));

/** An id of 20 bytes that begins with these, the rest zeros. */
export function idOf(...first: number[]): Uint8Array {
  return Uint8Array.from({ length: 20 }, (_, at) => first[at] ?? 0);
}

/** A node in the public network, with an id that fits unless one is given. */
export function contactOf(host: string, id = makeNodeId(host, random), port = 6881): Contact {
  return { id, address: { host, port } };
}

/** A node in this machine. */
export function localContact(port: number, id: Uint8Array): Contact {
  return { id, address: { host: '127.0.0.1', port } };
}

export function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}
