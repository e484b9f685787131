import { BencodeDictionary } from '../common/bencode.js';
import { invalid, invalidKey } from './invalid.js';

/** A file of the v2 part; names as latin1 text. */
interface TreeFile {
  readonly path: readonly string[];
  readonly length: number;
  /** Root of its Merkle tree, 32 bytes; an empty file has none. */
  readonly piecesRoot: Uint8Array | undefined;
}

/** What is compared of a file of the v1 part; names as latin1 text. */
interface ListedFile {
  readonly path: readonly string[];
  readonly length: number;
  readonly isPadding: boolean;
}

const ROOT_LENGTH = 32;

/**
 * The files of a v2 `file tree` (BEP 52), in its order; undefined when there is none.
 * @throws {MetainfoError} and {BencodeError}
 */
export function readFileTree(info: BencodeDictionary): readonly TreeFile[] | undefined {
  const tree = info.getDictionary('file tree');
  if (!tree) return undefined;
  const files: TreeFile[] = [];
  walk(tree, [], files);
  return files;
}

/** The decoder's limit on depth is this one's, too. */
function walk(folder: BencodeDictionary, path: readonly string[], files: TreeFile[]): void {
  for (const [name, node] of folder) {
    if (!(node instanceof BencodeDictionary)) throw invalidKey('ERR_HYBRID', folder, name, 'is not a dictionary');
    if (name === '') files.push({ path, ...readLeaf(node) });
    else walk(node, [...path, name], files);
  }
}

function readLeaf(leaf: BencodeDictionary): Omit<TreeFile, 'path'> {
  const length = leaf.getInteger('length', 0) ?? (isLink(leaf) ? 0 : undefined);
  const piecesRoot = leaf.getBytes('pieces root');
  if (length === undefined) throw invalidKey('ERR_HYBRID', leaf, 'length', 'is missing');
  if (length > 0 && piecesRoot?.length !== ROOT_LENGTH) {
    throw invalidKey('ERR_HYBRID', leaf, 'pieces root', `does not have ${ROOT_LENGTH} bytes`);
  }
  return { length, piecesRoot: length > 0 ? piecesRoot : undefined };
}

/** libtorrent writes no length for symbolic links (BEP 47). */
function isLink(leaf: BencodeDictionary): boolean {
  return leaf.get('symlink path') !== undefined;
}

/**
 * The Merkle roots of v1 files, found in the v2 part.
 * @throws {MetainfoError} when both parts do not have the same files in the same order (THREATS M7)
 */
export function rootsOf(listed: readonly ListedFile[], tree: readonly TreeFile[]): Map<object, Uint8Array> {
  const files = listed.filter((file) => !file.isPadding);
  const roots = new Map<object, Uint8Array>();
  for (const [index, file] of files.entries()) {
    const other = tree[index];
    if (!other || !isSame(file, other)) throw disagree(`file ${index} is not the same in both`);
    if (other.piecesRoot) roots.set(file, other.piecesRoot);
  }
  if (files.length !== tree.length) throw disagree(`${files.length} files in one, ${tree.length} in the other`);
  return roots;
}

function isSame(file: ListedFile, other: TreeFile): boolean {
  if (file.length !== other.length || file.path.length !== other.path.length) return false;
  return file.path.every((name, at) => name === other.path[at]);
}

function disagree(what: string): Error {
  return invalid('ERR_HYBRID', `its v1 and v2 parts disagree: ${what}`);
}
