/** What is fetched of a torrent and where it goes, by the user's options. */
import { arrange, type Arrangement } from './arrange.js';
import type { Bitfield } from './common/bitfield.js';
import { escapeControl } from './common/text.js';
import type { IndexRange } from './metainfo/magnet.js';
import type { Metainfo } from './metainfo/metainfo.js';
import { chooseFiles, isSelective, type Selection } from './selection.js';

export interface FilePlan {
  /** The torrent with its files where they are written. */
  readonly metainfo: Metainfo;
  /** The files that are wanted, by their places in `Metainfo.files`; undefined for all of them. */
  readonly chosen: Bitfield | undefined;
}

/**
 * `selectOnly` are the files that a magnet link asks for (BEP 53), in force when the user selects none.
 * @throws {UsageError}
 */
export function planFiles(
  metainfo: Metainfo,
  options: Selection & Arrangement,
  selectOnly: readonly IndexRange[] | undefined,
  onWarning: (text: string) => void,
): FilePlan {
  const chosen = isSelective(options) || selectOnly ? choose(metainfo, options, selectOnly, onWarning) : undefined;
  return { metainfo: arrange(metainfo, options, chosen), chosen };
}

function choose(
  metainfo: Metainfo,
  selection: Selection,
  selectOnly: readonly IndexRange[] | undefined,
  onWarning: (text: string) => void,
): Bitfield | undefined {
  const { files, unmatched } = chooseFiles(metainfo, selection, selectOnly);
  for (const word of unmatched)
    onWarning(`nothing to exclude: no file of the torrent matches "${escapeControl(word)}"`);
  return metainfo.files.every(({ isPadding }, file) => isPadding || files.has(file)) ? undefined : files;
}
