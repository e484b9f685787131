/** The stages of a running download from the choice of pieces to the disk, and how they are plugged together. */
import type { DownloadOptions } from './api.js';
import type { DiskError, OutputClosedError } from './common/errors.js';
import type { Metainfo } from './metainfo/metainfo.js';
import { openFiles, openStream, type Target } from './output.js';
import { PieceAssembler } from './piece/assembler.js';
import { PiecePicker } from './piece/picker.js';
import { Slots } from './piece/slots.js';
import type { FilePlan } from './plan.js';
import type { Session } from './session.js';

export interface Line {
  readonly metainfo: Metainfo;
  readonly session: Session;
  readonly target: Target;
  readonly slots: Slots;
  readonly picker: PiecePicker;
  readonly assembler: PieceAssembler;
}

/** What a line tells its download. */
export interface LineEvents {
  /** A full piece was hashed and, if it was right, written or handed to the stream. */
  readonly onPiece: (index: number, result: 'ok' | 'corrupt' | DiskError) => void;
  /** There may be room for a piece again, of which peers that wait learn from nobody else. */
  readonly onRoom: () => void;
  /** These peers sent wrong bytes, for sure. */
  readonly onGuilty: (peers: number[]) => void;
  readonly onError: (error: DiskError | OutputClosedError) => void;
  /** By its place in `Metainfo.files`; missing when nobody asks. */
  readonly onFile: ((file: number) => void) | undefined;
  readonly onWarning: (text: string) => void;
}

/** Opens the stages from the disk on. `signal` ends all waiting. @throws {DiskError, UsageError} of the target */
export async function openLine(
  { metainfo, chosen }: FilePlan,
  session: Session,
  options: DownloadOptions,
  signal: AbortSignal,
  events: LineEvents,
): Promise<Line> {
  const { output, sequential = false } = options;
  const slots = new Slots(metainfo, output?.windowLength);
  const context = {
    threads: session.threads,
    slots,
    signal,
    onPiece: (slot: number, index: number, result: 'ok' | 'corrupt' | DiskError) => {
      const couldStart = slots.mayStart;
      if (typeof result === 'string') line.assembler.written(slot, index, result === 'ok');
      events.onPiece(index, result);
      if (!couldStart || output) events.onRoom(); // of a stream the window has moved
    },
    onHeld: (slot: number) => {
      slots.hold(slot);
      events.onRoom();
    },
    onError: events.onError,
    onFile: events.onFile,
    onNotice: events.onWarning,
  };
  const target = output
    ? openStream(metainfo, chosen, output, context)
    : await openFiles(metainfo, chosen, options, context);
  const picker = new PiecePicker(metainfo.pieceCount, { sequential, window: output ? slots.count : undefined });
  const assembler = new PieceAssembler(metainfo, picker, slots, {
    onFull: (slot, index) => target.sink.write(slot, index),
    onGuilty: events.onGuilty,
  });
  const line = { metainfo, session, target, slots, picker, assembler };
  return line;
}
