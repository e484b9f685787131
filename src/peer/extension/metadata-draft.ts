import { createHash } from 'node:crypto';
import { lengthOfMetadataPiece, metadataPieces } from './metadata.js';

/** One attempt at metadata of a size that some peers claim. Memory is taken for what came, never for the claim. */
export class MetadataDraft {
  readonly size: number;
  readonly pieceCount: number;
  /** The only peer whose pieces go in, or undefined: anybody's who claims the size. */
  readonly sole: number | undefined;
  readonly openedAtMs: number;
  /** When a piece came last. */
  putAtMs: number;
  readonly #pieces = new Map<number, { readonly bytes: Uint8Array; readonly sender: number }>();
  /** How many peers were asked for a piece and have not answered. */
  readonly #asked: Uint16Array;

  constructor(size: number, sole: number | undefined, nowMs: number) {
    this.size = size;
    this.pieceCount = metadataPieces(size);
    this.sole = sole;
    this.openedAtMs = this.putAtMs = nowMs;
    this.#asked = new Uint16Array(this.pieceCount);
  }

  get isWhole(): boolean {
    return this.#pieces.size === this.pieceCount;
  }

  /** Bytes that are here. */
  get received(): number {
    const isLastHere = this.#pieces.has(this.pieceCount - 1);
    const last = this.pieceCount - 1;
    return isLastHere
      ? (this.#pieces.size - 1) * lengthOfMetadataPiece(this.size, 0) + lengthOfMetadataPiece(this.size, last)
      : this.#pieces.size * lengthOfMetadataPiece(this.size, 0);
  }

  has(piece: number): boolean {
    return this.#pieces.has(piece);
  }

  /** Copies a missing piece of the right length in. */
  put(piece: number, bytes: Uint8Array, sender: number, nowMs: number): void {
    this.putAtMs = nowMs;
    this.#pieces.set(piece, { bytes: new Uint8Array(bytes), sender });
  }

  askedOf(piece: number): number {
    return this.#asked[piece]!;
  }

  /** Somebody was asked for the piece (1), or does not owe it any more (-1). */
  countAsked(piece: number, change: 1 | -1): void {
    this.#asked[piece]! += change;
  }

  /** The missing pieces, those first that the fewest were asked for. */
  missing(): number[] {
    const pieces: number[] = [];
    for (let piece = 0; piece < this.pieceCount; piece++) if (!this.#pieces.has(piece)) pieces.push(piece);
    return pieces.sort((a, b) => this.#asked[a]! - this.#asked[b]! || a - b);
  }

  /** The bytes as a whole, if they are what the info hash (SHA-1) wants. */
  verified(infoHash: Uint8Array): Uint8Array | undefined {
    const parts = Array.from({ length: this.pieceCount }, (_, piece) => this.#pieces.get(piece)!.bytes);
    const metadata = new Uint8Array(this.size);
    let at = 0;
    for (const part of parts) {
      metadata.set(part, at);
      at += part.length;
    }
    const digest = createHash('sha1').update(metadata).digest();
    return digest.equals(infoHash) ? metadata : undefined;
  }

  /** Who sent which piece, by its digest. */
  evidence(): MetadataEvidence[] {
    return Array.from(this.#pieces, ([piece, { bytes, sender }]) => ({ piece, sender, digest: digestOf(bytes) }));
  }

  /** How long it may take yet at the rate so far, in ms. */
  leftMs(nowMs: number): number {
    const here = this.#pieces.size;
    return here === 0 ? Infinity : ((nowMs - this.openedAtMs) * (this.pieceCount - here)) / here;
  }
}

/** What is remembered of a piece that may be wrong. */
export interface MetadataEvidence {
  readonly piece: number;
  readonly sender: number;
  readonly digest: string;
}

export function digestOf(bytes: Uint8Array): string {
  return createHash('sha1').update(bytes).digest('hex');
}
