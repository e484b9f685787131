/** What a download would begin with. Writes nothing, and asks no peer for data. */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DownloadOptions } from './api.js';
import { Bitfield } from './common/bitfield.js';
import { Closers } from './common/closers.js';
import { bug, NoSourceError, type DiskError } from './common/errors.js';
import { lengthOfPieces } from './common/pieces.js';
import { preview, type Preview } from './file/preview.js';
import { noSpaceError } from './file/space.js';
import { Wanted } from './file/wanted.js';
import type { Magnet } from './metainfo/magnet.js';
import type { Metainfo } from './metainfo/metainfo.js';
import { isMagnetLink, readSource } from './metainfo/source.js';
import type { PeerConnection } from './peer/connection.js';
import { createPeerId } from './peer/handshake.js';
import { PieceAssembler } from './piece/assembler.js';
import { PiecePicker } from './piece/picker.js';
import { Slots } from './piece/slots.js';
import { planFiles } from './plan.js';
import { keptMetainfo, metainfoOf } from './resolve.js';
import { Session } from './session.js';
import { lacking, whoIsAsked } from './stall.js';
import { Swarm } from './swarm.js';
import type { SourceStatus } from './tracker/source.js';

const LOOK_MS = 100;
/** Who answers at all mostly does so within that time; once somebody has, no longer is waited for the others. */
const ENOUGH_MS = 3000;
/** … and if nobody has, no longer than that: a tracker over UDP is given 15 s. */
const MOST_MS = 20_000;
/** For a magnet link's info dictionary, unless told otherwise. */
const METADATA_MS = 60_000;

export interface DryRun {
  /** The torrent with its files where they would be written. */
  readonly metainfo: Metainfo;
  /** How many files are wanted, and their bytes. */
  readonly wanted: { readonly files: number; readonly totalLength: number };
  /** What is there and what is in the way. Lengths are bytes. */
  readonly disk: Preview;
  /** Why the download would end before it begins, or never get anything; undefined when it would begin. */
  readonly problem: Error | undefined;
  /** Whether it would end at once, for all is there. Then nobody was asked. */
  readonly isComplete: boolean;
  /** What trackers and DHT said. */
  readonly sources: readonly SourceStatus[];
  readonly peers: {
    /** Addresses. */
    readonly known: number;
    /** Those that took our connection and serve this torrent; and those of them that have everything. */
    readonly answered: number;
    readonly seeds: number;
    /** How much of what is missing they have, 0 … 1. */
    readonly availability: number;
  };
}

/**
 * Looks at the place of a download, asks its trackers and DHT, and connects to peers, as `download` would with the same
 * options. Trackers hear `started`, for many name no peers otherwise, and `stopped` right after, so that they forget us;
 * the DHT is searched and not told of us, and the local network, which nobody can search, is left alone.
 * What stands in the way is in `problem`, not thrown.
 * @throws {MetainfoError} @throws {UsageError} @throws {NoSourceError} when the metadata of a magnet link is not to be had
 * @throws the signal's reason
 */
export async function checkDownload(
  source: string | Uint8Array | Metainfo,
  options: DownloadOptions = {},
): Promise<DryRun> {
  const isRead = typeof source !== 'string' && !(source instanceof Uint8Array);
  const torrent = isRead ? source : await readSource(source, options.signal);
  await using closers = new Closers();
  const inquiry = await Inquiry.open(options);
  closers.use(inquiry);
  const isLink = isMagnetLink(torrent);
  const read = isLink ? await inquiry.resolve(torrent) : torrent;
  const warn = (text: string): void => options.onNotice?.({ level: 'warning', text });
  for (const text of new Set([...torrent.warnings, ...read.warnings])) warn(text);
  const { metainfo, chosen } = planFiles(read, options, isLink ? torrent.selectOnly : undefined, warn);
  const wanted = new Wanted(metainfo, chosen);
  const { out = '.', atomic = false, recheck = false, signal } = options;
  const disk = await preview(metainfo, out, { wanted, isAtomic: atomic, recheck, signal });
  const isComplete = wanted.isIn(disk.proven) && disk.clashes.length === 0;
  const answers = isComplete ? NOBODY_ASKED : await inquiry.ask(metainfo, wanted, disk.proven);
  // Where nothing is missing the files are checked first, and perhaps nobody is needed.
  const problem = diskProblem(out, disk) ?? (disk.isAllThere ? undefined : answers.problem);
  return {
    metainfo,
    wanted: sizeOf(metainfo, wanted),
    disk,
    isComplete,
    problem,
    sources: answers.sources,
    peers: answers.peers,
  };
}

/** Of the files that are wanted, without padding. */
function sizeOf({ files }: Metainfo, wanted: Wanted): DryRun['wanted'] {
  const real = files.filter(({ isPadding }, file) => !isPadding && wanted.files.has(file));
  return { files: real.length, totalLength: real.reduce((sum, file) => sum + file.length, 0) };
}

/** What came of asking around. */
type Answers = Pick<DryRun, 'sources' | 'peers' | 'problem'>;

const NOBODY_ASKED: Answers = {
  sources: [],
  peers: { known: 0, answered: 0, seeds: 0, availability: 1 },
  problem: undefined,
};

function diskProblem(out: string, { clashes, space }: Preview): DiskError | undefined {
  const isShort = space?.free !== undefined && space.needed > space.free;
  return clashes[0] ?? (isShort ? noSpaceError(out, space) : undefined);
}

/** Meets the swarm of a torrent without taking part in it. */
class Inquiry implements AsyncDisposable {
  readonly #options: DownloadOptions;
  readonly #swarm: Swarm;
  readonly #closers: Closers;
  readonly #stop: AbortController;
  /** Peers that the user names, once their addresses are known. */
  #named: Promise<void> = Promise.resolve();
  #left = 16_384; // what trackers are told while the size is not known

  private constructor(options: DownloadOptions, session: Session, closers: Closers, stop: AbortController) {
    this.#options = options;
    this.#closers = closers;
    this.#stop = stop;
    this.#swarm = closers.use(
      new Swarm({
        session,
        peerId: createPeerId(randomBytes),
        options,
        signal: stop.signal,
        totals: () => ({ uploaded: 0, downloaded: 0, left: this.#left }),
        onNotice: (level, text) => options.onNotice?.({ level, text }),
        isQuiet: true,
      }),
    );
  }

  /** @throws {UsageError} when a port cannot be had */
  static async open(options: DownloadOptions): Promise<Inquiry> {
    const { signal } = options;
    signal?.throwIfAborted();
    const stop = new AbortController();
    const closers = new Closers();
    const onAbort = (): void => stop.abort(signal?.reason);
    signal?.addEventListener('abort', onAbort, { once: true });
    closers.defer(() => signal?.removeEventListener('abort', onAbort));
    const session = closers.use(await Session.open({ ...options, isReadOnly: true }));
    const inquiry = new Inquiry(options, session, closers, stop);
    inquiry.#named = inquiry.#swarm.addNamed(options.peers ?? []);
    return inquiry;
  }

  /** The metadata of a link, of an earlier run or out of peers. @throws as `checkDownload` */
  async resolve(magnet: Magnet): Promise<Metainfo> {
    const { out = '.', output, metadataTimeoutMs, stallTimeoutMs, timeoutMs } = this.#options;
    void this.#swarm.addNamed(magnet.peers);
    const kept = output ? undefined : await keptMetainfo(out, magnet);
    if (kept) return kept;
    const limitMs = Math.min(metadataTimeoutMs ?? METADATA_MS, stallTimeoutMs ?? METADATA_MS, timeoutMs ?? METADATA_MS);
    const giveUp = (): void => this.#stop.abort(this.#swarm.noMetadata(limitMs));
    const timer = setTimeout(giveUp, limitMs);
    try {
      const metainfo = metainfoOf(await this.#swarm.fetchInfo(magnet), magnet);
      if (metainfo.isPrivate) await this.#swarm.leavePublic();
      return metainfo;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Who answers, and whether they have what is missing. @throws the signal's reason */
  async ask(metainfo: Metainfo, wanted: Wanted, have: Bitfield): Promise<Answers> {
    this.#left = metainfo.totalLength - lengthOfPieces(metainfo, have);
    await this.#swarm.open(withoutData(metainfo));
    await this.#named;
    const answers = await this.#listen(metainfo.pieceCount);
    const missing = new Bitfield(metainfo.pieceCount, wanted.pieces.bytes);
    for (let index = 0; index < missing.length; index++) if (have.has(index)) missing.delete(index);
    const lack = missing.count;
    const held = lack - missing.countWithout(answers.offered);
    const asked = this.#swarm.asked();
    const { answered, seeds } = answers;
    const why = answered === 0 ? whoIsAsked(asked) : held === 0 ? lacking(answered, 'the missing data') : undefined;
    const failures = this.#swarm.failures();
    return {
      sources: asked.sources,
      peers: { known: asked.knownPeers, answered, seeds, availability: lack === 0 ? 1 : held / lack },
      problem:
        why === undefined ? undefined : new NoSourceError('ERR_NO_SOURCE', `nobody to download from: ${why}`, failures),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#closers[Symbol.asyncDispose]();
  }

  /** Waits until all have answered or cannot, or long enough. */
  async #listen(pieceCount: number): Promise<{ answered: number; seeds: number; offered: Bitfield }> {
    const answered = new Set<number>();
    const seeds = new Set<number>();
    const offered = new Bitfield(pieceCount);
    const beganAt = performance.now();
    const mostMs = Math.min(this.#options.timeoutMs ?? MOST_MS, MOST_MS);
    for (let spentMs = 0; spentMs < mostMs; spentMs = performance.now() - beganAt) {
      if (spentMs > ENOUGH_MS && offered.count > 0) break;
      await sleep(LOOK_MS);
      this.#stop.signal.throwIfAborted();
      for (const peer of this.#swarm.peers?.connections ?? []) {
        if (!peer.isOpen) continue;
        answered.add(peer.id);
        if (peer.isSeed) {
          seeds.add(peer.id);
          offered.fill();
        } else if (!offered.isFull) addAll(offered, peer.have);
      }
      if (this.#isSettled()) break;
    }
    return { answered: answered.size, seeds: seeds.size, offered };
  }

  /** Nobody is asked or dialled any more. */
  #isSettled(): boolean {
    const { peers } = this.#swarm;
    if (!peers || peers.pool.nextDueAt <= performance.now()) return false;
    const isAsking = this.#swarm.sources().some(({ state }) => state === 'asking');
    const hasSaid = (peer: PeerConnection): boolean =>
      peer.isOpen && (peer.have.count > 0 || performance.now() - peer.connectedAtMs > ENOUGH_MS);
    return !isAsking && [...peers.connections].every(hasSaid);
  }
}

/** What connections need of a download that wants nothing: they hear what peers have, and ask for none of it. */
function withoutData(metainfo: Metainfo): Parameters<Swarm['open']>[0] {
  const picker = new PiecePicker(metainfo.pieceCount);
  for (let index = 0; index < metainfo.pieceCount; index++) picker.markDone(index);
  const slots = new Slots(metainfo, 1);
  return {
    metainfo,
    have: new Bitfield(metainfo.pieceCount),
    picker,
    assembler: new PieceAssembler(metainfo, picker, slots, {
      onFull: () => bug('nothing was asked for'),
      onGuilty: () => undefined,
    }),
    reader: { read: () => bug('nobody was told of a piece') },
    onPayload: () => undefined,
    onBlock: () => undefined,
    onUploaded: () => undefined,
    onReadError: () => undefined,
  };
}

function addAll(to: Bitfield, from: Bitfield): void {
  const union = from.bytes.map((byte, at) => byte | to.bytes[at]!);
  to.load(union);
}
