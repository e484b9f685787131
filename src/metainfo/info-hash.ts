import { createHash } from 'node:crypto';

/** The info hash of v1: SHA-1 of the info dictionary's bytes as found, 20 bytes (BEP 3). */
export function infoHash(infoBytes: Uint8Array): Uint8Array {
  return createHash('sha1').update(infoBytes).digest();
}

/** The info hash of v2: SHA-256 of the same bytes, 32 bytes (BEP 52). */
export function infoHashV2(infoBytes: Uint8Array): Uint8Array {
  return createHash('sha256').update(infoBytes).digest();
}
