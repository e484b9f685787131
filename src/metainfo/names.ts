/** Single names, made safe: rules 1, 2, 3 and 5 of `paths.ts`. */
import { createHash } from 'node:crypto';
import type { BencodeValue } from '../common/bencode.js';
import { decodeText, decodeUtf8 } from '../common/text.js';

/** In bytes of UTF-8. */
const MOST_NAME = 255;
const MOST_EXTENSION = 32;

/** Where the state of downloads lies, in the output folder; some disks fold case. */
const STATE_FOLDER = /^\.torrent-dl$/i;

const [SPACE, SLASH, DELETE, END_OF_CONTROLS] = [0x20, 0x2f, 0x7f, 0xa0];
const UNSAFE = /[/\p{Cc}]/gu;
const UNSAFE_ON_WINDOWS = /[<>:"|?*\\]/g;
const RESERVED_ON_WINDOWS = /^(?:con|prn|aux|nul|conin\$|conout\$|com[\d¹²³]|lpt[\d¹²³])(?:\.|$)/i;

/** A name as text (rule 1). `preferred` is the value of `name.utf-8` or the like: used if it is UTF-8 and not empty. */
export function readName(bytes: Uint8Array, preferred: BencodeValue | undefined, encoding: string | undefined): string {
  const text = preferred instanceof Uint8Array && preferred.length > 0 ? decodeUtf8(preferred) : undefined;
  return text ?? decodeText(bytes, encoding) ?? percentEscape(bytes);
}

/** One name, safe on disk (rules 2 and 3). */
export function safeName(name: string, platform: NodeJS.Platform): string {
  if (platform !== 'win32' && isPlain(name)) return name;
  let safe = name.replace(UNSAFE, '_');
  if (/^\.{0,2}$/.test(safe)) safe = '_'.repeat(Math.max(1, safe.length));
  if (platform === 'win32') {
    safe = safe.replace(UNSAFE_ON_WINDOWS, '_').replace(/[. ]$/, '_');
    if (RESERVED_ON_WINDOWS.test(safe)) safe = `_${safe}`;
  }
  return shortenName(safe);
}

/** Rule 5. */
export function topName(name: string): string {
  return STATE_FOLDER.test(name) ? `_${name}` : name;
}

/** Whether it is surely safe as it is, but for Windows: nearly all are. */
function isPlain(name: string): boolean {
  if (name.length > MOST_NAME / 3 || name === '' || name === '.' || name === '..') return false;
  for (let at = 0; at < name.length; at++) {
    const code = name.charCodeAt(at);
    if (code < SPACE || code === SLASH || (code >= DELETE && code < END_OF_CONTROLS)) return false;
  }
  return true;
}

/** What is the same for names that a disk which folds case (or Unicode's spellings) takes for one. */
export function foldName(name: string): string {
  return (/[^\0-\x7f]/.test(name) ? name.normalize('NFC') : name).toLowerCase();
}

/** Rule 3. */
function shortenName(name: string): string {
  if (name.length <= MOST_NAME / 3 || Buffer.byteLength(name) <= MOST_NAME) return name;
  const { stem, extension } = splitExtension(name);
  const end = `~${hash(name, 8)}${extension}`;
  return cutBytes(stem, MOST_NAME - Buffer.byteLength(end)) + end;
}

/** `name (2).txt` and the like. */
export function withNumber(name: string, n: number): string {
  const { stem, extension } = splitExtension(name);
  return shortenName(`${stem} (${n})${extension}`);
}

/** `a.tar` and `.gz`; a name that begins with its only dot has no extension, and none is very long. */
function splitExtension(name: string): { stem: string; extension: string } {
  const dot = name.lastIndexOf('.');
  const extension = dot > 0 ? name.slice(dot) : '';
  if (Buffer.byteLength(extension) > MOST_EXTENSION) return { stem: name, extension: '' };
  return { stem: name.slice(0, name.length - extension.length), extension };
}

/** The longest beginning of whole characters that has at most `most` bytes. */
function cutBytes(text: string, most: number): string {
  const bytes = Buffer.from(text.slice(0, most));
  let end = Math.min(most, bytes.length);
  while (end < bytes.length && end > 0 && (bytes[end]! & 0xc0) === 0x80) end--;
  return bytes.toString('utf8', 0, end);
}

/** The first digits of its SHA-256, in hex. */
export function hash(text: string, digits: number): string {
  return createHash('sha256').update(text).digest('hex').slice(0, digits);
}

/** Different bytes give different text. */
function percentEscape(bytes: Uint8Array): string {
  const text = Buffer.from(bytes).toString('latin1');
  return text.replace(/[^\0-\x7f]|%/g, (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase()}`);
}
