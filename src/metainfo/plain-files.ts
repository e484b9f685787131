import { TextWindow } from '../common/text-window.js';
import type { MetainfoFile } from './metainfo.js';
import { topName } from './names.js';
import { PlainTree, type PlainFolder } from './plain-tree.js';

/** More digits than these could be more than 2^53-1. */
const MOST_DIGITS = 15;

const [ZERO, NINE, END, LIST] = [0x30, 0x39, 0x65, 0x6c];

/** Files, and what they have together. */
export interface PlainFiles {
  readonly files: readonly MetainfoFile[];
  readonly totalLength: number;
}

/**
 * The quick way of `readFiles`, for what most torrents are: files that have a length and a path and nothing more, with
 * names that are safe as they are, each in a place of its own. `list` is the value of `files`, well-formed. Undefined
 * when one file is not so, or is odd in another way: then all go the longer way, which finds the same for these.
 */
export function readPlainFiles(list: Uint8Array, root: string, platform: NodeJS.Platform): PlainFiles | undefined {
  if (list[0] !== LIST || list[1] === END || topName(root) !== root) return undefined;
  const tree = new PlainTree(platform);
  const top = tree.enter(tree.top, root);
  const reader = new PlainReader(list, tree);
  const files: MetainfoFile[] = [];
  let offset = 0;
  while (top && !reader.isAtEnd) {
    const file = reader.read(top, offset);
    if (!file) return undefined;
    files.push(file);
    offset += file.length;
  }
  return top && offset <= Number.MAX_SAFE_INTEGER ? { files, totalLength: offset } : undefined;
}

/** Reads `d6:lengthi5e4:pathl6:folder4:nameee`, one file after the other. */
class PlainReader {
  readonly #bytes: Uint8Array;
  readonly #texts: TextWindow;
  readonly #tree: PlainTree;
  #at = 1; // behind the list's `l`

  constructor(list: Uint8Array, tree: PlainTree) {
    this.#bytes = list;
    this.#texts = new TextWindow(Buffer.from(list.buffer, list.byteOffset, list.length));
    this.#tree = tree;
  }

  get isAtEnd(): boolean {
    return this.#bytes[this.#at] === END;
  }

  read(top: PlainFolder, offset: number): MetainfoFile | undefined {
    if (!this.#skip('d6:lengthi')) return undefined;
    const length = this.#number();
    if (length < 0 || !this.#skip('e4:pathl')) return undefined;
    const path = this.#path(top);
    if (path === undefined || !this.#skip('ee')) return undefined;
    return { path, length, offset, isPadding: false, isExecutable: false };
  }

  #path(top: PlainFolder): string | undefined {
    let folder: PlainFolder | undefined = top;
    while (folder) {
      const name = this.#string();
      if (name === undefined || isPadName(name)) return undefined;
      if (this.isAtEnd) return this.#tree.add(folder, name);
      folder = this.#tree.enter(folder, name);
    }
    return undefined;
  }

  #string(): string | undefined {
    const length = this.#number();
    if (length < 0) return undefined;
    const from = this.#at + 1;
    this.#at = from + length;
    return this.#texts.textOf(from, this.#at);
  }

  /** Digits; -1 when there are none, or many. */
  #number(): number {
    const bytes = this.#bytes;
    const start = this.#at;
    let value = 0;
    let at = start;
    for (; bytes[at]! >= ZERO && bytes[at]! <= NINE; at++) value = value * 10 + (bytes[at]! - ZERO);
    this.#at = at;
    return at > start && at - start <= MOST_DIGITS ? value : -1;
  }

  #skip(text: string): boolean {
    const start = this.#at;
    for (let at = 0; at < text.length; at++) if (this.#bytes[start + at] !== text.charCodeAt(at)) return false;
    this.#at = start + text.length;
    return true;
  }
}

/** What could be the name of a pad file, or of their folder. */
function isPadName(name: string): boolean {
  return name === '.pad' || name.startsWith('_____padding_file_');
}
