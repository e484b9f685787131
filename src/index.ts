/** torrent-dl as a library: `await using d = download(source, options); await d.done`. */
export type { Download, DownloadOptions, DownloadStats, Notice, Phase } from './download.js';
export type { Metainfo, MetainfoFile } from './metainfo/metainfo.js';
export type { PeerAddress } from './common/address.js';
export { formatAddress } from './common/address.js';
export * from './common/errors.js';
