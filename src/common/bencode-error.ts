import { TorrentDlError } from './errors.js';

/** The bytes are not bencoded, or not what was expected there; `offset` says where. */
export class BencodeError extends TorrentDlError {
  readonly offset: number;

  /** `code` is `ERR_BENCODE` for bytes that are not bencoded, `ERR_KEY` for a key whose value is not what it should be. */
  constructor(what: string, offset: number, code: 'ERR_BENCODE' | 'ERR_KEY' = 'ERR_BENCODE') {
    super(code, `${what} at byte ${offset}`);
    this.offset = offset;
  }
}
