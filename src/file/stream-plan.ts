import { Bitfield } from '../common/bitfield.js';
import { UsageError } from '../common/errors.js';
import type { Metainfo, MetainfoFile } from '../metainfo/metainfo.js';
import { FileLayout } from './layout.js';
import { TAR_END, tarHeader, tarPadding } from './tar.js';

/** Bytes of our own, or a stretch of the torrent's data that ends with a file. */
export type StreamPart = { readonly bytes: Uint8Array } | DataPart;

export interface DataPart {
  /** The file's place in `Metainfo.files`. */
  readonly file: number;
  /** First byte's place in the torrent's data; ascending from part to part. */
  readonly offset: number;
  /** Never 0. */
  readonly length: number;
}

/** What leaves in a stream. */
export interface StreamPlan {
  /** The files whose data leaves, by their places in `Metainfo.files`. */
  readonly files: readonly number[];
  /** Everything in order, made when it is due. */
  parts: () => IterableIterator<StreamPart>;
}

/**
 * The bytes of one file: of `file`, or of the only one that `isWanted` says (all by default).
 * @throws {UsageError} when there are several files and none is named, or there is none of that number
 */
export function planFile({ files }: Metainfo, file?: number, isWanted?: (file: number) => boolean): StreamPlan {
  const index = file ?? onlyFile(files, isWanted);
  if (!files[index])
    throw new UsageError('ERR_NO_SUCH_FILE', `the torrent has ${files.length} files, and none at ${index}`);
  return {
    files: [index],
    *parts() {
      const { offset, length } = files[index]!;
      if (length > 0) yield { file: index, offset, length };
    },
  };
}

/**
 * A tar archive of the files that `isWanted` says (all by default), empty ones included and pad files (BEP 47) not. Their
 * time is that of the torrent's creation, or 0.
 */
export function planTar({ files, creationDate = 0 }: Metainfo, isWanted?: (file: number) => boolean): StreamPlan {
  const wanted = [...files.keys()].filter((file) => !files[file]!.isPadding && (isWanted?.(file) ?? true));
  return {
    files: wanted,
    *parts() {
      for (const file of wanted) {
        const { path, offset, length, isExecutable } = files[file]!;
        yield { bytes: tarHeader({ path, length, mode: isExecutable ? 0o755 : 0o644, mtime: creationDate }) };
        if (length > 0) yield { file, offset, length };
        const bytes = tarPadding(length);
        if (bytes.length > 0) yield { bytes };
      }
      yield { bytes: TAR_END };
    },
  };
}

/** The files of a plan, as a set. */
export function filesOf(plan: StreamPlan, { files }: Metainfo): Bitfield {
  const chosen = new Bitfield(files.length);
  for (const file of plan.files) chosen.add(file);
  return chosen;
}

/** The pieces that a plan needs. */
export function piecesOf({ files }: StreamPlan, metainfo: Metainfo): Bitfield {
  const pieces = new Bitfield(metainfo.pieceCount);
  const layout = new FileLayout(metainfo, metainfo.files);
  for (const file of files) {
    if (metainfo.files[file]!.length === 0) continue;
    const { first, last } = layout.piecesOf(file);
    for (let index = first; index <= last; index++) pieces.add(index);
  }
  return pieces;
}

function onlyFile(files: readonly MetainfoFile[], isWanted?: (file: number) => boolean): number {
  const indexes = [...files.keys()].filter((file) => !files[file]!.isPadding && (isWanted?.(file) ?? true));
  if (indexes.length === 1) return indexes[0]!;
  const what = isWanted && indexes.length < files.length ? 'the selection' : 'the torrent';
  const text = `${what} has ${indexes.length} files, and standard output takes one`;
  throw new UsageError('ERR_SEVERAL_FILES', `${text}: select one, or ask for an archive of all (--tar)`);
}
