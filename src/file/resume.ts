import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { BencodeDictionary, decodeAll, encode, type BencodeValue } from '../common/bencode.js';
import { BencodeError } from '../common/bencode-error.js';
import { Bitfield } from '../common/bitfield.js';
import type { Metainfo } from '../metainfo/metainfo.js';
import { codeOf, diskError } from './disk-error.js';
import { NOFOLLOW, STATE_FOLDER } from './out-folder.js';
import { FileStamps } from './stamps.js';
import { syncFolder } from './sync.js';

const VERSION = 1;
const CHECKSUM_LENGTH = 20;

/** What a later run may trust instead of hashing: which pieces we had, and the stamps of the files then. */
export interface ResumeState {
  /** Pieces that were verified and written. */
  readonly have: Bitfield;
  readonly stamps: FileStamps;
  /** Files with data that the system had not yet brought to the disk: worth nothing after the machine went down. */
  readonly unsynced: Bitfield;
  /** The machine's run in which that was; see `bootId`. */
  readonly boot: string;
}

/** Where the state of a torrent lies: `<out>/.torrent-dl/<info hash>.resume`. */
export function resumePath(out: string, { infoHash }: Metainfo): string {
  return path.join(out, STATE_FOLDER, `${Buffer.from(infoHash).toString('hex')}.resume`);
}

/** A bencoded dictionary, and behind it the SHA-1 of those bytes. */
export function encodeResume({ infoHash }: Metainfo, { have, stamps, unsynced, boot }: ResumeState): Uint8Array {
  const body = encode({
    version: VERSION,
    'info hash': infoHash,
    pieces: have.bytes,
    files: stamps.bytes,
    unsynced: unsynced.bytes,
    boot,
  });
  return Buffer.concat([body, createHash('sha1').update(body).digest()]);
}

/** The state in `bytes`, or in words why there is none. */
export function decodeResume(bytes: Uint8Array, { infoHash, pieceCount, files }: Metainfo): ResumeState | string {
  const body = bytes.subarray(0, Math.max(0, bytes.length - CHECKSUM_LENGTH));
  const checksum = createHash('sha1').update(body).digest();
  if (!checksum.equals(bytes.subarray(body.length))) return 'it is damaged';
  let state: BencodeValue;
  try {
    state = decodeAll(body);
  } catch (error) {
    if (error instanceof BencodeError) return 'it is damaged'; // a checksum is no seal
    throw error;
  }
  if (!(state instanceof BencodeDictionary) || state.get('version') !== VERSION) return 'it is of another version';
  if (!isSame(state.get('info hash'), infoHash)) return 'it is of another torrent';
  const pieces = bytesOf(state.get('pieces'));
  const stamped = bytesOf(state.get('files'));
  const unsynced = bytesOf(state.get('unsynced'));
  const stamps = new FileStamps(files.length);
  const fits = stamped.length === stamps.bytes.length && Bitfield.isValid(unsynced, files.length);
  if (!fits || !Bitfield.isValid(pieces, pieceCount)) return 'it does not fit the torrent';
  stamps.bytes.set(stamped);
  return {
    have: new Bitfield(pieceCount, pieces),
    stamps,
    unsynced: new Bitfield(files.length, unsynced),
    boot: Buffer.from(bytesOf(state.get('boot'))).toString('latin1'),
  };
}

/** Reads the state of a torrent; what cannot be used is told by `onNotice` and otherwise as if it were not there. */
export async function readResume(
  out: string,
  metainfo: Metainfo,
  onNotice: (text: string) => void,
): Promise<ResumeState | undefined> {
  const most = metainfo.pieceCount / 8 + metainfo.files.length * (FileStamps.LENGTH + 1) + 4096;
  let state: ResumeState | string;
  try {
    await using file = await open(resumePath(out, metainfo), constants.O_RDONLY | NOFOLLOW);
    const { size } = await file.stat();
    state = size > most ? 'it is damaged' : decodeResume(await file.readFile(), metainfo);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    state = `it cannot be read (${codeOf(error) ?? String(error)})`;
  }
  if (typeof state !== 'string') return state;
  onNotice(`the resume state is not used: ${state}; what is on disk is hashed instead`);
  return undefined;
}

/**
 * Replaces the state of a torrent, so that there is the old or the new one whatever happens; `sync` brings it to the disk
 * now. @throws {DiskError}
 */
export async function writeResume(out: string, metainfo: Metainfo, state: ResumeState, sync: boolean): Promise<void> {
  const place = resumePath(out, metainfo);
  const draft = `${place}.new`;
  try {
    await rm(draft, { force: true });
    await writeNew(draft, encodeResume(metainfo, state), sync);
    await rename(draft, place);
    if (sync) await syncFolder(path.dirname(place));
  } catch (error) {
    await rm(draft, { force: true }).catch(() => undefined); // the first error is the one to tell
    throw diskError('write', place, error);
  }
}

async function writeNew(place: string, bytes: Uint8Array, sync: boolean): Promise<void> {
  const file = await open(place, 'wx');
  try {
    await file.writeFile(bytes);
    if (sync) await file.sync();
  } finally {
    await file.close();
  }
}

function bytesOf(value: BencodeValue | undefined): Uint8Array {
  return value instanceof Uint8Array ? value : new Uint8Array(0);
}

function isSame(value: BencodeValue | undefined, bytes: Uint8Array): boolean {
  return Buffer.compare(bytesOf(value), bytes) === 0;
}
