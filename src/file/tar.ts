/** Headers of tar archives in the POSIX format (pax, IEEE 1003.1-2001): a ustar header, before it what does not fit one. */

/** A regular file in an archive. */
export interface TarEntry {
  /** `/` between components. */
  readonly path: string;
  readonly length: number;
  /** Permissions, such as 0o644. */
  readonly mode: number;
  /** Seconds since 1970; 0 when it is out of range. */
  readonly mtime: number;
}

/** Headers and data fill whole blocks. */
const BLOCK = 512;
const LONGEST_NAME = 100;
/** The most that eleven octal digits hold: files from 8 GiB on have their length in the extended header. */
const MOST_OCTAL = 0o77777777777;
const PRINTABLE = /^[\x20-\x7e]*$/;
const NOT_PRINTABLE = /[^\x20-\x7e]/gu;

/** Where the fields that we fill lie in a header. */
const FIELD = { name: 0, mode: 100, uid: 108, gid: 116, size: 124, mtime: 136, checksum: 148, type: 156, magic: 257 };
const DEVICE_MAJOR = 329;
const DEVICE_MINOR = 337;

/** What ends an archive: two blocks of zeros. */
export const TAR_END: Uint8Array = new Uint8Array(2 * BLOCK);

/**
 * What stands before a file's data. The same entry always gives the same bytes: no owner, no host, no time of our own.
 * Paths that ASCII and 100 bytes do not hold, and large lengths, go into an extended header.
 */
export function tarHeader({ path, length, mode, mtime }: TarEntry): Uint8Array {
  const isPlain = PRINTABLE.test(path) && path.length <= LONGEST_NAME;
  const isLarge = length > MOST_OCTAL;
  const name = isPlain ? path : path.replace(NOT_PRINTABLE, '_').slice(0, LONGEST_NAME);
  const time = mtime >= 0 && mtime <= MOST_OCTAL ? Math.floor(mtime) : 0;
  const header = block({ name, size: isLarge ? 0 : length, mode, mtime: time, type: '0' });
  if (isPlain && !isLarge) return header;

  const records = Buffer.from((isPlain ? '' : record('path', path)) + (isLarge ? record('size', String(length)) : ''));
  const extended = block({ name: 'PaxHeader', size: records.length, mode: 0o644, mtime: time, type: 'x' });
  return Buffer.concat([extended, records, tarPadding(records.length), header]);
}

/** The zeros behind so many bytes of data. */
export function tarPadding(length: number): Uint8Array {
  return TAR_END.subarray(0, (BLOCK - (length % BLOCK)) % BLOCK);
}

function block(fields: { name: string; size: number; mode: number; mtime: number; type: '0' | 'x' }): Uint8Array {
  const bytes = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, digits: number): void => {
    bytes.write(value.toString(8).padStart(digits, '0'), at, 'latin1');
  };
  bytes.write(fields.name, FIELD.name, 'latin1');
  octal(fields.mode, FIELD.mode, 7);
  octal(0, FIELD.uid, 7);
  octal(0, FIELD.gid, 7);
  octal(fields.size, FIELD.size, 11);
  octal(fields.mtime, FIELD.mtime, 11);
  bytes.write(fields.type, FIELD.type, 'latin1');
  bytes.write('ustar\x0000', FIELD.magic, 'latin1');
  octal(0, DEVICE_MAJOR, 7);
  octal(0, DEVICE_MINOR, 7);
  bytes.fill(' ', FIELD.checksum, FIELD.checksum + 8);
  let sum = 0;
  for (const byte of bytes) sum += byte;
  octal(sum, FIELD.checksum, 6);
  bytes[FIELD.checksum + 6] = 0;
  return bytes;
}

/** `<length> <key>=<value>\n`, where the length counts its own digits too. */
function record(key: string, value: string): string {
  const rest = Buffer.byteLength(` ${key}=${value}\n`);
  let length = rest + String(rest).length;
  if (String(length).length > String(rest).length) length = rest + String(length).length;
  return `${length} ${key}=${value}\n`;
}
