/** What a magnet link needs beside the stages: its metainfo out of an info dictionary, and that kept between runs. */
import { keepInfo, readKeptInfo } from './file/kept-info.js';
import { decodeInfo } from './metainfo/decode.js';
import type { Magnet } from './metainfo/magnet.js';
import type { Metainfo } from './metainfo/metainfo.js';

/** Metainfo of what peers sent and what the link says beside it. @throws {MetainfoError} */
export function metainfoOf(infoBytes: Uint8Array, { trackers, webSeeds }: Magnet): Metainfo {
  return decodeInfo(infoBytes, { trackers, webSeeds });
}

/** What an earlier run below `out` got for this link. @throws {MetainfoError} */
export async function keptMetainfo(out: string, magnet: Magnet): Promise<Metainfo | undefined> {
  const infoBytes = await readKeptInfo(out, magnet.infoHash);
  return infoBytes && metainfoOf(infoBytes, magnet);
}

/** Keeps it for later runs. @throws {DiskError} */
export async function keepMetainfo(out: string, { infoHash, infoBytes }: Metainfo): Promise<void> {
  await keepInfo(out, infoHash, infoBytes);
}
