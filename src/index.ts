/** torrent-dl as a library: `await using d = download(source, options); await d.done`. */
export { download } from './download.js';
export type { Download, DownloadOptions, DownloadStats, Notice, OutputOptions } from './api.js';
export { openStandardOutput } from './file/standard-output.js';
export type { OnDiskFull } from './file/room.js';
export type { Phase } from './phase.js';
export { createTorrent, type CreatedTorrent, type CreateOptions, type Watch } from './create.js';
export { resolveMagnet, type ResolvedMagnet, type ResolveOptions } from './metadata.js';
export { verifyTorrent, type FileReport, type FileState, type VerifyReport } from './verify.js';
export { decodeMetainfo } from './metainfo/decode.js';
export type { Metainfo, MetainfoFile } from './metainfo/metainfo.js';
export type { SourceStatus } from './tracker/source.js';
export { formatAddress, type HostPort, type PeerAddress } from './common/address.js';
export { magnetOf, type Magnet, type MagnetPeer } from './metainfo/magnet.js';
export { isMagnetLink, readSource } from './metainfo/source.js';
export { formatBytes, formatShare } from './common/byte-text.js';
export { escapeControl } from './common/text.js';
export * from './common/errors.js';
