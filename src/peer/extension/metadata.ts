/** The messages of `ut_metadata` (BEP 9), by which the info dictionary goes from peer to peer. No I/O. */
import { BencodeDictionary, decode, encode } from '../../common/bencode.js';
import { ProtocolError } from '../../common/errors.js';

/** What the extension is called in a handshake. */
export const METADATA_EXTENSION = 'ut_metadata';
/** Bytes of each piece of the metadata but the last. */
export const METADATA_PIECE_LENGTH = 16_384;

const TYPE = { request: 0, data: 1, reject: 2 } as const;

/** `data` is a view of the message. A type that is not known is no error (BEP 9), but nothing to us. */
export type MetadataMessage =
  | { readonly type: 'request' | 'reject'; readonly piece: number }
  | { readonly type: 'data'; readonly piece: number; readonly totalSize?: number; readonly data: Uint8Array }
  | { readonly type: 'unknown' };

export function metadataPieces(size: number): number {
  return Math.ceil(size / METADATA_PIECE_LENGTH);
}

/** Bytes of a piece of metadata of `size` bytes. */
export function lengthOfMetadataPiece(size: number, piece: number): number {
  return Math.min(METADATA_PIECE_LENGTH, size - piece * METADATA_PIECE_LENGTH);
}

/**
 * Reads the payload of a `ut_metadata` message: a dictionary, and for `data` the piece's bytes behind it.
 * @throws {ProtocolError} when it is not bencoded, or has no type or piece
 */
export function decodeMetadataMessage(payload: Uint8Array): MetadataMessage {
  const { dictionary, end } = dictionaryOf(payload);
  const type = dictionary.get('msg_type');
  if (typeof type !== 'number') throw malformed('has no type');
  if (type !== TYPE.request && type !== TYPE.data && type !== TYPE.reject) return { type: 'unknown' };
  const piece = dictionary.get('piece');
  if (typeof piece !== 'number' || piece < 0) throw malformed('has no piece');
  if (type !== TYPE.data) return { type: type === TYPE.request ? 'request' : 'reject', piece };
  const totalSize = dictionary.get('total_size');
  return {
    type: 'data',
    piece,
    ...(typeof totalSize === 'number' && { totalSize }),
    data: payload.subarray(end),
  };
}

export function encodeMetadataRequest(piece: number): Uint8Array {
  return encode({ msg_type: TYPE.request, piece });
}

export function encodeMetadataReject(piece: number): Uint8Array {
  return encode({ msg_type: TYPE.reject, piece });
}

/** A piece of `metadata`, with its bytes. */
export function encodeMetadataData(piece: number, metadata: Uint8Array): Uint8Array {
  const start = piece * METADATA_PIECE_LENGTH;
  const head = encode({ msg_type: TYPE.data, piece, total_size: metadata.length });
  return Buffer.concat([head, metadata.subarray(start, start + METADATA_PIECE_LENGTH)]);
}

function dictionaryOf(payload: Uint8Array): { dictionary: BencodeDictionary; end: number } {
  try {
    const { value, end } = decode(payload);
    if (value instanceof BencodeDictionary) return { dictionary: value, end };
  } catch (error) {
    throw malformed('is not bencoded', error);
  }
  throw malformed('is no dictionary');
}

function malformed(what: string, cause?: unknown): ProtocolError {
  return new ProtocolError('ERR_METADATA', `a metadata message ${what}`, { cause });
}
