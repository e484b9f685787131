import type { Metainfo } from '../metainfo/metainfo.js';
import type { FileLayout } from './layout.js';
import type { Wanted } from './wanted.js';

/** Tells when a wanted file has all its pieces. */
export class FileTally {
  readonly #metainfo: Metainfo;
  readonly #layout: FileLayout;
  readonly #wanted: Wanted;
  readonly #onFile: (file: number) => void;
  /** Pieces that each file lacks. */
  readonly #missing: Int32Array;

  constructor(metainfo: Metainfo, layout: FileLayout, wanted: Wanted, onFile: (file: number) => void) {
    this.#metainfo = metainfo;
    this.#layout = layout;
    this.#wanted = wanted;
    this.#onFile = onFile;
    this.#missing = new Int32Array(metainfo.files.length);
    this.restart();
  }

  /** All pieces are missing. */
  restart(): void {
    for (const [file, { length }] of this.#metainfo.files.entries()) {
      const { first, last } = this.#layout.piecesOf(file);
      this.#missing[file] = length === 0 ? 0 : last - first + 1;
    }
  }

  /** Tells of wanted files that need none. */
  tellEmpty(): void {
    for (const [file, { length, isPadding }] of this.#metainfo.files.entries()) {
      if (length === 0 && !isPadding && this.#wanted.files.has(file)) this.#onFile(file);
    }
  }

  /** A piece is there that was missing. */
  add(index: number): void {
    for (const { file } of this.#layout.spansOf(index)) {
      const missing = (this.#missing[file]! -= 1);
      if (missing === 0 && this.#wanted.files.has(file) && !this.#metainfo.files[file]!.isPadding) this.#onFile(file);
    }
  }
}
