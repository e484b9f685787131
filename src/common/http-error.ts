import { TorrentDlError } from './errors.js';

/** A request that got no answer; its message is a mere reason without any URL, for URLs hold passkeys. */
export class HttpError extends TorrentDlError {}
