import type { DownloadOptions, OutputOptions } from './api.js';
import type { Bitfield } from './common/bitfield.js';
import { Closers } from './common/closers.js';
import { bug, UsageError, type DiskError, type OutputClosedError } from './common/errors.js';
import type { PieceSink } from './file/piece-sink.js';
import { FileReader } from './file/reader.js';
import { untilRoom, waitingText } from './file/room.js';
import { requireSpace } from './file/space.js';
import { isStaged, StagedFiles } from './file/staged-files.js';
import { filesOf, planFile, planTar } from './file/stream-plan.js';
import { StreamWriter } from './file/stream-writer.js';
import type { DiskThreads } from './file/threads.js';
import { Wanted } from './file/wanted.js';
import { FileWriter } from './file/writer.js';
import type { Metainfo } from './metainfo/metainfo.js';
import type { BlockReader } from './peer/upload.js';
import type { Slots } from './piece/slots.js';

/** The slots are memory, all of it in use when the reader stops. */
const LONGEST_WINDOW = 4 * 1024 ** 3;

/** Where a download's pieces go: to files below a folder, or in order to a stream. */
export interface Target extends AsyncDisposable {
  readonly wanted: Wanted;
  readonly sink: PieceSink;
  readonly reader: BlockReader;
  /** Whether pieces can be read again once they are done, so that peers may be told of them. */
  readonly keepsPieces: boolean;
  /** Whether nothing has to arrive: the reader of the stream is behind, or the disk is full. */
  readonly isWaiting: boolean;
  /** Sees to it that there is room for the pieces that are missing. @throws {DiskError} */
  requireRoom(have: Bitfield): Promise<void>;
}

/** What a target is made for. */
export interface TargetContext {
  readonly threads: DiskThreads;
  readonly slots: Slots;
  /** Ends all waiting. */
  readonly signal: AbortSignal;
  readonly onPiece: (slot: number, index: number, result: 'ok' | 'corrupt' | DiskError) => void;
  /** A piece was verified, and its slot has to wait for its turn. */
  readonly onHeld: (slot: number) => void;
  readonly onError: (error: DiskError | OutputClosedError) => void;
  /** A file is complete, by its place in `Metainfo.files`. */
  readonly onFile?: ((file: number) => void) | undefined;
  readonly onNotice: (text: string) => void;
}

/** @throws {UsageError} when a stream cannot do what was asked for */
export function checkOutput({ windowLength }: OutputOptions, isSeeding: boolean): void {
  if (isSeeding) {
    throw new UsageError('ERR_OUTPUT_SEED', 'what goes to a stream is not kept, so it cannot be seeded');
  }
  if (windowLength !== undefined && !(windowLength >= 1 && windowLength <= LONGEST_WINDOW)) {
    throw new UsageError('ERR_WINDOW', `a window has from 1 byte to 4 GiB, not ${windowLength} bytes`);
  }
}

/**
 * Writes the files in `chosen`, or all.
 * @throws {DiskError} when the place below `out` is taken or cannot be written to
 * @throws {UsageError} when the torrent cannot be put in place at once
 */
export async function openFiles(
  metainfo: Metainfo,
  chosen: Bitfield | undefined,
  { out = '.', atomic = false, onDiskFull }: Pick<DownloadOptions, 'out' | 'atomic' | 'onDiskFull'>,
  { threads, slots: { memory, slotLength }, signal, onPiece, onFile, onNotice }: TargetContext,
): Promise<Target> {
  const onWaiting = (error: DiskError): void => onNotice(waitingText(error));
  const withRoom = <T>(attempt: () => Promise<T>): Promise<T> =>
    onDiskFull === 'wait' ? untilRoom(attempt, { signal, onWaiting }) : attempt();
  const wanted = new Wanted(metainfo, chosen);
  const options = { threads, memory, slotLength, wanted, onPiece, onNotice, onDiskFull, ...(onFile && { onFile }) };
  const closers = new Closers();
  const openStaged = () => StagedFiles.open(metainfo, out, options);
  const open = () => FileWriter.open(metainfo, out, options);
  if (!atomic && isStaged(out, metainfo))
    onNotice('an unfinished download with --atomic is left alone, and waits there');
  const sink = closers.use(await withRoom<FileWriter | StagedFiles>(atomic ? openStaged : open));
  return {
    wanted,
    sink,
    reader: sink instanceof StagedFiles ? sink : closers.use(new FileReader(metainfo, out, wanted)),
    keepsPieces: true,
    get isWaiting() {
      return sink.isWaitingForRoom;
    },
    requireRoom: (have) => withRoom(() => requireSpace(sink.folder, { metainfo, have, wanted })),
    [Symbol.asyncDispose]: () => closers[Symbol.asyncDispose](),
  };
}

/**
 * Writes the file or files in `chosen`, or all, to a stream.
 * @throws {UsageError} when there are several, and neither one nor an archive was asked for
 */
export function openStream(
  metainfo: Metainfo,
  chosen: Bitfield | undefined,
  { stream: output, isTar = false, file }: OutputOptions,
  { threads, slots: { memory, slotLength }, onPiece, onHeld, onError, onFile }: TargetContext,
): Target {
  const isWanted = (at: number): boolean => (file === undefined ? (chosen?.has(at) ?? true) : at === file);
  const plan = isTar ? planTar(metainfo, isWanted) : planFile(metainfo, file, isWanted);
  const context = { threads, memory, slotLength, plan, output, onPiece, onHeld, onError, ...(onFile && { onFile }) };
  const sink = new StreamWriter(metainfo, context);
  return {
    wanted: new Wanted(metainfo, filesOf(plan, metainfo)),
    sink,
    reader: { read: () => bug('nobody was told of a piece') },
    keepsPieces: false,
    get isWaiting() {
      return sink.isWaitingForReader;
    },
    requireRoom: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => sink[Symbol.asyncDispose](),
  };
}
