import type { Download, DownloadOptions } from '../../src/api.js';
import { download } from '../../src/download.js';
import type { Metainfo } from '../../src/metainfo/metainfo.js';

/** `download`, but asking nobody outside of this machine for peers unless a test says so. */
export function downloadHere(source: string | Uint8Array | Metainfo, options: DownloadOptions = {}): Download {
  return download(source, { dht: false, lsd: false, ...options });
}
