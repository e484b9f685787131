/** torrent-dl as a library: `await using d = download(source, options); await d.done`. */
export { download } from './download.js';
export type { Download, DownloadOptions, DownloadStats, Notice, Phase } from './download.js';
export { decodeMetainfo } from './metainfo/decode.js';
export type { Metainfo, MetainfoFile } from './metainfo/metainfo.js';
export type { SourceStatus } from './tracker/source.js';
export { formatAddress, type PeerAddress } from './common/address.js';
export { escapeControl } from './common/text.js';
export * from './common/errors.js';
