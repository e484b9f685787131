import type { Bitfield } from '../common/bitfield.js';

/** The end of the line, where full pieces go: `FileWriter` and `StreamWriter`. */
export interface PieceSink extends AsyncDisposable {
  /** Has a full piece hashed and, if it is right, written; its slot must not be touched until `onPiece` tells. */
  write: (slot: number, index: number) => void;
  /** Finds the wanted pieces that need not be fetched. */
  check: (options: CheckOptions) => Promise<CheckResult>;
  /** Notes which pieces we have for the next run. */
  save: (have: Bitfield, options?: { readonly sync?: boolean }) => Promise<void>;
  /** All that is wanted is here: brings it to its place, and notes that for the next run. */
  finish: (have: Bitfield) => Promise<void>;
}

export interface CheckResult {
  /** Wanted pieces of which all that is wanted is there. */
  readonly have: Bitfield;
  /** Those of them that can be read whole. */
  readonly readable: Bitfield;
}

export interface CheckOptions {
  /** Whatever the resume state says. */
  readonly recheck?: boolean;
  /** Tells of bytes that are to be hashed, and may say 0 of 0. */
  readonly onProgress?: (checkedBytes: number, totalBytes: number) => void;
  readonly signal?: AbortSignal;
}
