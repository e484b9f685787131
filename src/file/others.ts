import type { Bitfield } from '../common/bitfield.js';
import type { Metainfo, MetainfoFile } from '../metainfo/metainfo.js';
import type { Found } from './check.js';
import type { FileLayout } from './layout.js';

/** Files that were there without a run of ours, and of which no piece is right: they may be somebody's. */
export function findOthers(
  { files }: Metainfo,
  layout: FileLayout,
  { wanted, disk, hasSide }: Found,
  have: Bitfield,
): MetainfoFile[] {
  return files.filter(({ length, isPadding }, file) => {
    if (isPadding || length === 0 || !disk.has(file) || disk.size(file) === 0) return false;
    const { first, last } = layout.piecesOf(file);
    for (let index = first; index <= last; index++) {
      const isBeyondProof = !hasSide && wanted.boundary.has(index);
      if (have.has(index) || isBeyondProof) return false;
    }
    return true;
  });
}
