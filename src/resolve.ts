/** What a magnet link needs beside the stages: its metainfo out of an info dictionary, and that kept between runs. */
import type { DownloadOptions } from './api.js';
import { keepInfo, readKeptInfo } from './file/kept-info.js';
import { isDiskFull } from './file/room.js';
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

/**
 * Keeps it for later runs below `out`. They can do without, so where room is waited for a full disk is only a warning.
 * @throws {DiskError}
 */
export async function keepMetainfo(
  { infoHash, infoBytes }: Metainfo,
  { out = '.', onDiskFull }: Pick<DownloadOptions, 'out' | 'onDiskFull'>,
  onWarning: (text: string) => void,
): Promise<void> {
  try {
    await keepInfo(out, infoHash, infoBytes);
  } catch (error) {
    if (onDiskFull !== 'wait' || !isDiskFull(error)) throw error;
    onWarning(`the metadata is not kept: ${error.message}`);
  }
}
