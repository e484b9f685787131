/** Every error that a user can meet, each with a stable `code` (STYLE: one class per exit code). */
export class TorrentDlError extends Error {
  /** Stable name of what went wrong, for programs: `ERR_…`. */
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/** A wrong option or argument. */
export class UsageError extends TorrentDlError {}

/** The torrent or magnet link is not valid; the message names the offset or key where it can. */
export class MetainfoError extends TorrentDlError {}

/** A tracker could not be asked, or refused. Moves on to the next tracker. */
export class TrackerError extends TorrentDlError {
  /** Seconds after which the tracker wants to be asked again (BEP 31); Infinity means never. */
  readonly retryInSeconds: number | undefined;

  constructor(code: string, message: string, options?: ErrorOptions & { retryInSeconds?: number | undefined }) {
    super(code, message, options);
    this.retryInSeconds = options?.retryInSeconds;
  }
}

/** A peer broke the protocol. Ends that connection. */
export class ProtocolError extends TorrentDlError {}

/** Nobody to download from; `errors` holds the causes. */
export class NoSourceError extends TorrentDlError {
  readonly errors: readonly Error[];

  constructor(code: string, message: string, errors: readonly Error[] = []) {
    super(code, message, errors[0] ? { cause: errors[0] } : undefined);
    this.errors = errors;
  }
}

/** A file could not be read or written. Ends the download. */
export class DiskError extends TorrentDlError {}

/** Whoever read our output went away. Ends the download without a word, as SIGPIPE would. */
export class OutputClosedError extends TorrentDlError {}

/** The data does not match its hashes. */
export class VerifyError extends TorrentDlError {}

/** A time limit passed with work left. */
export class TimeLimitError extends TorrentDlError {}

/** A hook failed. */
export class HookError extends TorrentDlError {}

/** Marks what cannot happen; nobody catches it. */
export function bug(message: string): never {
  throw new Error(`bug: ${message}`);
}
