import { existsSync } from 'node:fs';
import { MetainfoError } from '../common/errors.js';
import { hideSecrets } from '../common/url.js';
import { decodeMetainfo } from './decode.js';
import { fetchTorrent, kindOfSource } from './fetch.js';
import { parseInfoHash, parseMagnet, type Magnet } from './magnet.js';
import type { Metainfo } from './metainfo.js';
import { readTorrentFile } from './torrent-file.js';

/**
 * What a torrent is taken from: the bytes of a `.torrent`, its path, its http(s) URL, a magnet link, or a bare v1 info
 * hash. A file whose name looks like an info hash is a file.
 * @throws {MetainfoError} when it is no valid torrent or link
 * @throws {NoSourceError} when the URL's server does not answer
 */
export async function readSource(source: string | Uint8Array, signal?: AbortSignal): Promise<Metainfo | Magnet> {
  if (typeof source !== 'string') return decodeMetainfo(source);
  switch (kindOfSource(source)) {
    case 'magnet':
      return parseMagnet(source.trim());
    case 'info-hash':
      return { infoHash: parseInfoHash(source.trim())!, trackers: [], peers: [], webSeeds: [], warnings: [] };
    case 'url':
      return decodeMetainfo(await fetchTorrent(urlOf(source), { signal }));
    case 'path':
      return decodeMetainfo(await readTorrentFile(pathOf(source), signal));
  }
}

/** Whether only a link is there, and peers have to be asked for the rest. */
export function isMagnetLink(source: Metainfo | Magnet): source is Magnet {
  return !('infoBytes' in source);
}

/** A URL of a kind that we do not fetch would only be looked for on disk. */
function pathOf(text: string): string {
  const scheme = /^([a-z][a-z0-9+.-]+):\/\//i.exec(text)?.[1];
  if (scheme === undefined || existsSync(text)) return text;
  const what = `${hideSecrets(text)} begins with ${scheme}:`;
  throw new MetainfoError('ERR_TORRENT_URL', `${what}; a torrent is fetched over http or https only`);
}

function urlOf(text: string): URL {
  if (URL.canParse(text)) return new URL(text);
  throw new MetainfoError('ERR_TORRENT_URL', `${hideSecrets(text)} is not a valid URL`);
}
