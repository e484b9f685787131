/** Makes content and `.torrent` files for tests; whoever needs a torrent on disk starts here. */
import bencode from 'bencode';
import { createCipheriv, createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';

/** One file of a multi-file torrent; `path` is below the root folder, `/` between components. */
export interface ContentFile {
  readonly path: string;
  readonly data: Uint8Array;
}

/** Bytes make a single-file torrent, a list makes a multi-file one. */
export type Content = Uint8Array | readonly ContentFile[];

export interface TorrentOptions {
  /** Name of the file or of the root folder. Default `content`. */
  readonly name?: string;
  /** Default 16 KiB. */
  readonly pieceLength?: number;
  /** Announce URLs by tier (BEP 12); a single tier of a single URL becomes a lone `announce`. */
  readonly trackers?: readonly (readonly string[])[];
  readonly isPrivate?: boolean;
  /** `url-list` (BEP 19). */
  readonly webSeeds?: readonly string[];
  /** Further or replaced keys of the info dictionary. */
  readonly info?: Readonly<Record<string, unknown>>;
  /** Further or replaced keys of the metainfo. */
  readonly extra?: Readonly<Record<string, unknown>>;
}

export interface MadeTorrent {
  /** What goes into the `.torrent` file. */
  readonly bytes: Buffer;
  /** SHA-1 of the info dictionary, 20 bytes. */
  readonly infoHash: Buffer;
  readonly name: string;
  readonly content: Content;
  readonly totalLength: number;
  readonly pieceLength: number;
  readonly pieceCount: number;
}

/** The same `length` bytes for the same seed, random to look at; about 2 GB/s. */
export function randomBytes(seed: string | number, length: number): Buffer {
  const key = createHash('sha256').update(String(seed)).digest().subarray(0, 16);
  return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(length));
}

/** A `.torrent` for `content`. */
export function makeTorrent(content: Content, options: TorrentOptions = {}): MadeTorrent {
  const { name = 'content', pieceLength = 16_384, trackers = [], isPrivate = false, webSeeds = [] } = options;
  const pieces = hashPieces(isSingle(content) ? [content] : content.map((file) => file.data), pieceLength);
  const info = {
    name,
    'piece length': pieceLength,
    pieces,
    ...(isSingle(content)
      ? { length: content.length }
      : { files: content.map((file) => ({ length: file.data.length, path: file.path.split('/') })) }),
    ...(isPrivate ? { private: 1 } : {}),
    ...options.info,
  };
  const metainfo = {
    ...(trackers[0]?.[0] === undefined ? {} : { announce: trackers[0][0] }),
    ...(trackers.flat().length > 1 ? { 'announce-list': trackers } : {}),
    ...(webSeeds.length > 0 ? { 'url-list': webSeeds } : {}),
    info,
    ...options.extra,
  };
  return {
    bytes: Buffer.from(bencode.encode(metainfo)),
    infoHash: createHash('sha1').update(bencode.encode(info)).digest(),
    name,
    content,
    totalLength: isSingle(content) ? content.length : content.reduce((sum, file) => sum + file.data.length, 0),
    pieceLength,
    pieceCount: pieces.length / 20,
  };
}

/** Writes the torrent's content below `folder`, as a finished download would leave it. */
export async function writeContent(torrent: MadeTorrent, folder: string): Promise<void> {
  for (const { path: name, data } of contentFiles(torrent)) {
    const file = path.join(folder, name);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, data);
  }
}

/** Every file with its path below the output folder (root folder included). */
export function contentFiles({ content, name }: MadeTorrent): readonly ContentFile[] {
  if (isSingle(content)) return [{ path: name, data: content }];
  return content.map((file) => ({ path: `${name}/${file.path}`, data: file.data }));
}

function isSingle(content: Content): content is Uint8Array {
  return content instanceof Uint8Array;
}

/** SHA-1 of each piece of the joined chunks, 20 bytes each. */
function hashPieces(chunks: readonly Uint8Array[], pieceLength: number): Buffer {
  const hashes: Buffer[] = [];
  let hash = createHash('sha1');
  let room = pieceLength;
  for (const chunk of chunks) {
    for (let offset = 0; offset < chunk.length;) {
      const part = chunk.subarray(offset, offset + room);
      hash.update(part);
      offset += part.length;
      room -= part.length;
      if (room === 0) {
        hashes.push(hash.digest());
        hash = createHash('sha1');
        room = pieceLength;
      }
    }
  }
  if (room < pieceLength) hashes.push(hash.digest());
  return Buffer.concat(hashes);
}
