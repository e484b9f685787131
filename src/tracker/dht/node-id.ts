/** Node ids that fit an address (BEP 42), so that nobody can choose where in the DHT he stands. */
import { bytesOfIp } from '../../common/ip.js';
import { ID_LENGTH, isLocalHost } from './contact.js';

/** Random bytes, so many. */
export type RandomBytes = (length: number) => Uint8Array;

/** Bits of an address that count: who holds a larger network gets more ids, but not as many as addresses. */
const IPV4_MASK = [0x03, 0x0f, 0x3f, 0xff];
const IPV6_MASK = [0x01, 0x03, 0x07, 0x0f, 0x1f, 0x3f, 0x7f, 0xff];

const CRC32C_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
  return value;
});

/** CRC-32C (Castagnoli), as an unsigned number. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = CRC32C_TABLE[(crc ^ byte) & 0xff]! ^ (crc >>> 8);
  return ~crc >>> 0;
}

/** A random id that fits the address `ip`; any id when there is no such address. */
export function makeNodeId(ip: string | undefined, random: RandomBytes): Uint8Array {
  const id = Uint8Array.from(random(ID_LENGTH));
  const prefix = ip === undefined ? undefined : prefixOf(ip, id[ID_LENGTH - 1]!);
  if (prefix === undefined) return id;
  id[0] = prefix >>> 24;
  id[1] = (prefix >>> 16) & 0xff;
  id[2] = ((prefix >>> 8) & 0xf8) | (id[2]! & 0x07);
  return id;
}

/** Whether a node with this address may have this id. Addresses of local networks may have any. */
export function fitsAddress(id: Uint8Array, ip: string): boolean {
  if (isLocalHost(ip)) return true;
  const prefix = prefixOf(ip, id[ID_LENGTH - 1]!);
  if (prefix === undefined) return false;
  const bits = ((id[0]! << 24) | (id[1]! << 16) | (id[2]! << 8)) >>> 0;
  return (bits ^ prefix) >>> 11 === 0; // the first 21 bits
}

/** A random id that shares exactly the first `bits` bits with `own`: one for its bucket. */
export function makeIdInBucket(own: Uint8Array, bits: number, random: RandomBytes): Uint8Array {
  const id = Uint8Array.from(random(ID_LENGTH));
  for (let bit = 0; bit <= bits && bit < ID_LENGTH * 8; bit++) {
    const mask = 0x80 >> (bit & 7);
    const isSet = (own[bit >> 3]! & mask) !== 0;
    if (isSet === bit < bits) id[bit >> 3]! |= mask;
    else id[bit >> 3]! &= ~mask;
  }
  return id;
}

function prefixOf(ip: string, random: number): number | undefined {
  const bytes = bytesOfIp(ip);
  if (!bytes) return undefined;
  const mask = bytes.length === 4 ? IPV4_MASK : IPV6_MASK;
  const masked = Uint8Array.from(mask, (bits, at) => bits & bytes[at]!);
  masked[0]! |= (random & 7) << 5;
  return crc32c(masked);
}
