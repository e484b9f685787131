import { BencodeDictionary } from '../common/bencode.js';
import { quote } from '../common/text.js';
import { readFileTree, rootsOf } from './file-tree.js';
import { invalid, invalidKey } from './invalid.js';
import type { MetainfoFile } from './metainfo.js';
import { readName, safePaths } from './paths.js';
import { readPlainFiles } from './plain-files.js';
import type { Warnings } from './warnings.js';

/** What names are read by. */
export interface FileContext {
  /** The torrent's `encoding`, for names that are not UTF-8. */
  readonly encoding: string | undefined;
  readonly platform: NodeJS.Platform;
  readonly warnings: Warnings;
}

/** A file as the torrent has it, before its name is made safe. */
interface ListedFile {
  /** Names as text, of `path.utf-8` if there is one; the root folder first. */
  readonly names: readonly string[];
  readonly length: number;
  readonly isPadding: boolean;
  readonly isExecutable: boolean;
  readonly isLink: boolean;
  /** Names below the root folder as latin1 text, of a hybrid: what is compared with its v2 part. */
  readonly path: readonly string[];
}

/** What the files of one torrent are read by. */
interface Listing {
  readonly root: string;
  readonly pieceLength: number;
  readonly encoding: string | undefined;
  readonly isHybrid: boolean;
}

/** BEP 47. */
interface Attributes {
  readonly isLink: boolean;
  readonly isExecutable: boolean;
  readonly hasPadAttribute: boolean;
}

const NO_ATTRIBUTES: Attributes = { isLink: false, isExecutable: false, hasPadAttribute: false };
const NO_PATH: readonly string[] = [];

/** The part of `Metainfo` that is about files. */
export interface Files {
  readonly name: string;
  readonly isMultiFile: boolean;
  readonly files: readonly MetainfoFile[];
  readonly totalLength: number;
}

/**
 * Reads the file or files of an info dictionary (BEP 3, 47).
 * - Pad files are told by their attribute, or by their name if they are shorter than a piece. Nobody writes them, so they
 *   share paths: `<root>/.pad/<length>`.
 * - Symbolic links are left out, with a warning; they have no bytes.
 * - The files of a hybrid must be those of its v2 part (BEP 52).
 * @throws {MetainfoError} and {BencodeError}
 */
export function readFiles(info: BencodeDictionary, pieceLength: number, context: FileContext): Files {
  const name = info.getBytes('name');
  if (!name) throw invalidKey('ERR_NAME', info, 'name', 'is missing');
  const root = readName(name, info.get('name.utf-8'), context.encoding);
  if (info.has('files') && info.has('length')) context.warnings.add('ignored: "length" beside "files"', 'wrong values');
  const list = info.getRaw('files');
  const isHybrid = info.has('file tree');
  const plain = list && !isHybrid && readPlainFiles(list, root, context.platform);
  if (plain) return { name: root, isMultiFile: true, ...plain };
  const listing = { root, pieceLength, encoding: context.encoding, isHybrid };
  const listed = list ? readList(info, listing) : [readSingle(info, name, root)];
  const tree = readFileTree(info);
  const roots = tree && rootsOf(listed, tree);
  return { isMultiFile: list !== undefined, ...placeFiles(listed, root, roots, context) };
}

function readList(info: BencodeDictionary, listing: Listing): ListedFile[] {
  const list = info.getList('files')!;
  if (list.length === 0) throw invalidKey('ERR_FILES', info, 'files', 'is empty');
  return list.map((file, index) => {
    if (file instanceof BencodeDictionary) return readListed(file, listing);
    throw invalidKey('ERR_FILES', info, 'files', `has an entry that is not a dictionary (number ${index})`);
  });
}

/** Offsets, and safe paths, of all that is not a link. */
function placeFiles(
  listed: readonly ListedFile[],
  root: string,
  roots: ReadonlyMap<object, Uint8Array> | undefined,
  { platform, warnings }: FileContext,
): Pick<Files, 'name' | 'files' | 'totalLength'> {
  const written = listed.filter((file) => !file.isPadding && !file.isLink);
  const { name, paths, renamed, caseCollisions } = safePaths(
    root,
    written.map((file) => file.names),
    platform,
  );
  const files: MetainfoFile[] = [];
  let offset = 0;
  let next = 0;
  for (const file of listed) {
    const { names, length, isPadding, isExecutable, isLink } = file;
    if (isLink) {
      warnings.add(`the symbolic link ${quote(names.join('/'))} is not made`, 'symbolic links');
      continue;
    }
    const path = isPadding ? `${name}/.pad/${length}` : paths[next]!;
    if (!isPadding && renamed.has(next++)) {
      warnings.add(`${quote(names.join('/'))} is written as ${quote(path)}`, 'renamed files');
    }
    const piecesRoot = roots?.get(file);
    if (piecesRoot) files.push({ path, length, offset, isPadding, isExecutable, piecesRoot });
    else files.push({ path, length, offset, isPadding, isExecutable });
    offset += length;
    if (offset > Number.MAX_SAFE_INTEGER) throw invalid('ERR_LENGTH', 'its files have more than 2^53-1 bytes in all');
  }
  warnOfCase(caseCollisions, warnings);
  return { name, files, totalLength: offset };
}

function readSingle(info: BencodeDictionary, name: Uint8Array, root: string): ListedFile {
  const { isExecutable } = readAttributes(info);
  const length = readLength(info);
  const path = [Buffer.from(name).toString('latin1')];
  return { names: [root], length, isPadding: false, isExecutable, isLink: false, path };
}

function readListed(file: BencodeDictionary, listing: Listing): ListedFile {
  const names = readNames(file, listing);
  const { isLink, isExecutable, hasPadAttribute } = readAttributes(file);
  const length = isLink ? readLinkLength(file) : readLength(file);
  const isPadding = !isLink && (hasPadAttribute || isPadName(names, length, listing.pieceLength));
  const path = listing.isHybrid ? file.getTexts('path', [], 'latin1')! : NO_PATH;
  return { names, length, isPadding, isExecutable, isLink, path };
}

/** The root folder's first. */
function readNames(file: BencodeDictionary, { root, encoding }: Listing): readonly string[] {
  const preferred = file.get('path.utf-8');
  const names = preferred === undefined ? file.getTexts('path', [root]) : undefined;
  if (names && names.length > 1) return names; // the usual case, and no views of bytes are made
  const path = readPath(file);
  const isPair = Array.isArray(preferred) && preferred.length === path.length;
  return [root, ...path.map((bytes, at) => readName(bytes, isPair ? preferred[at] : undefined, encoding))];
}

function readPath(file: BencodeDictionary): Uint8Array[] {
  const path = file.getList('path');
  if (!path) throw invalidKey('ERR_FILES', file, 'path', 'is missing');
  if (path.length === 0) throw invalidKey('ERR_FILES', file, 'path', 'is empty');
  if (path.every((name) => name instanceof Uint8Array)) return [...path];
  throw invalidKey('ERR_FILES', file, 'path', 'has a name that is not a string');
}

function readLength(file: BencodeDictionary): number {
  const length = file.get('length');
  if (length === undefined) throw invalidKey('ERR_LENGTH', file, 'length', 'is missing');
  if (typeof length === 'number' && length >= 0) return length;
  throw invalidKey('ERR_LENGTH', file, 'length', 'is not an integer within 0 and 2^53-1');
}

function readLinkLength(file: BencodeDictionary): 0 {
  if ((file.get('length') ?? 0) === 0) return 0;
  throw invalidKey('ERR_LENGTH', file, 'length', 'of a symbolic link is not 0');
}

function readAttributes(file: BencodeDictionary): Attributes {
  const value = file.get('attr');
  if (!(value instanceof Uint8Array)) return NO_ATTRIBUTES;
  const attributes = Buffer.from(value.subarray(0, 16)).toString('latin1');
  return {
    isLink: attributes.includes('l'),
    isExecutable: attributes.includes('x'),
    hasPadAttribute: attributes.includes('p'),
  };
}

/** BEP 47 recommends the first name; BitComet makes the second, without an attribute. The root folder's name is first. */
function isPadName(names: readonly string[], length: number, pieceLength: number): boolean {
  if (length >= pieceLength) return false;
  const isNumbered = names.length === 3 && names[1] === '.pad' && /^\d+$/.test(names[2]!);
  return isNumbered || names[names.length - 1]!.startsWith('_____padding_file_');
}

function warnOfCase(collisions: readonly string[], warnings: Warnings): void {
  if (collisions.length === 0) return;
  const what = `${quote(collisions[0]!)}${collisions.length > 1 ? ` and ${collisions.length - 1} more` : ''}`;
  warnings.add(`names that differ from others in case only need a disk that keeps them apart: ${what}`, 'such names');
}
