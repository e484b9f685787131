/** torrent-dl as a library: `await using d = download(source, options); await d.done`. */
export { download } from './download.js';
export type { Download, DownloadOptions, DownloadStats, Notice } from './api.js';
export type { Phase } from './phase.js';
export { decodeMetainfo } from './metainfo/decode.js';
export type { Metainfo, MetainfoFile } from './metainfo/metainfo.js';
export type { SourceStatus } from './tracker/source.js';
export { formatAddress, type HostPort, type PeerAddress } from './common/address.js';
export { escapeControl } from './common/text.js';
export * from './common/errors.js';
