/** The state of one download, and the wiring of its stages. */
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import createDebug from 'debug';
import { formatAddress, type PeerAddress } from './common/address.js';
import { Bitfield } from './common/bitfield.js';
import { Closers } from './common/closers.js';
import { bug, DiskError, MetainfoError, NoSourceError, TimeLimitError } from './common/errors.js';
import { lengthOfPiece } from './common/pieces.js';
import { RateMeter } from './common/rate.js';
import { CLIENT } from './common/version.js';
import { FileReader } from './file/reader.js';
import { FileWriter } from './file/writer.js';
import { decodeMetainfo } from './metainfo/decode.js';
import type { Metainfo } from './metainfo/metainfo.js';
import { createPeerId } from './peer/handshake.js';
import { PeerManager } from './peer/manager.js';
import { PieceAssembler } from './piece/assembler.js';
import { PiecePicker } from './piece/picker.js';
import { Slots } from './piece/slots.js';
import { Session } from './session.js';
import { Announcer } from './tracker/announcer.js';
import type { SourceStatus } from './tracker/source.js';

const log = createDebug('torrent-dl:download');

export interface DownloadOptions {
  /** Folder to write below; made when missing. Default: the current one. */
  readonly out?: string;
  /** TCP port for incoming peers. Default: a free one of 6881–6889, else any. */
  readonly port?: number;
  /** Connections at once. Default 100. */
  readonly maxPeers?: number;
  /** Fetch pieces in order. */
  readonly sequential?: boolean;
  /** Go on uploading after completion, until closed or aborted. */
  readonly seed?: boolean;
  /** Peers to try beside those that are found. */
  readonly peers?: readonly PeerAddress[];
  /** Hash everything on disk again, whatever the resume state says. */
  readonly recheck?: boolean;
  /** Give up when nothing was received for so long. Default: never. */
  readonly stallTimeoutMs?: number;
  /** Give up when it takes longer than that in all. Default: never. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly onNotice?: (notice: Notice) => void;
}

/** Something worth a line to the user while a download runs. Foreign text in it is escaped. */
export interface Notice {
  readonly level: 'warning' | 'info';
  readonly text: string;
}

/** Which phase may follow which. */
const NEXT = {
  opening: ['checking', 'stopped', 'failed'],
  checking: ['downloading', 'seeding', 'stopped', 'failed'],
  downloading: ['seeding', 'stopped', 'failed'],
  seeding: ['stopped', 'failed'],
  stopped: [],
  failed: [],
} as const satisfies Record<string, readonly string[]>;

/** `seeding`: everything is here; `stopped`: closed or aborted. */
export type Phase = keyof typeof NEXT;

/** A plain snapshot; lengths in bytes, rates in bytes per second over the last few seconds. */
export interface DownloadStats {
  readonly phase: Phase;
  readonly name: string;
  readonly totalLength: number;
  /** Bytes verified and on disk. */
  readonly haveLength: number;
  /** Phase `checking`: 0 … 1. */
  readonly checked: number;
  readonly pieceCount: number;
  readonly havePieces: number;
  /** Pieces whose hash was wrong. */
  readonly corruptPieces: number;
  /** Payload received in this run, wasted blocks included. */
  readonly downloaded: number;
  readonly uploaded: number;
  readonly wasted: number;
  readonly downloadPerSecond: number;
  readonly uploadPerSecond: number;
  readonly etaSeconds: number | undefined;
  readonly connectedPeers: number;
  readonly connectedSeeds: number;
  readonly knownPeers: number;
  readonly bannedPeers: number;
  readonly port: number;
  readonly sources: readonly SourceStatus[];
}

/** One running download. Closing it says goodbye to peers and trackers (within 3 s) and saves the resume state. */
export interface Download extends AsyncDisposable {
  /** What is downloaded; undefined until it was read. */
  readonly metainfo: Metainfo | undefined;
  /** Every wanted byte is verified and on disk; rejects with the error that ended the download. */
  readonly done: Promise<void>;
  /** It was closed or aborted, after `done` or before; rejects with the error that ended it, also while seeding. */
  readonly ended: Promise<void>;
  stats(): DownloadStats;
}

/** How often time limits are looked at, and the resume state is saved. */
const WATCH_MS = 250;
const SAVE_MS = 60_000;
const DEFAULT_MAX_PEERS = 100;

/**
 * Starts a download. `source` is the path of a `.torrent`, its bytes, or a `Metainfo`.
 * Nothing is thrown here: `done` rejects with what went wrong.
 */
export function download(source: string | Uint8Array | Metainfo, options: DownloadOptions = {}): Download {
  return new TorrentDownload(source, options);
}

/** The stages of a running download, from the end of the line to its beginning. */
interface Line {
  readonly metainfo: Metainfo;
  readonly session: Session;
  readonly files: FileWriter;
  readonly reader: FileReader;
  readonly slots: Slots;
  readonly picker: PiecePicker;
  readonly assembler: PieceAssembler;
}

class TorrentDownload implements Download {
  metainfo: Metainfo | undefined;
  readonly done: Promise<void>;
  readonly ended: Promise<void>;
  readonly #options: DownloadOptions;
  readonly #peerId = createPeerId(randomBytes);
  readonly #closers = new Closers();
  readonly #stopped = new AbortController();
  readonly #started: Promise<void>;
  #phase: Phase = 'opening';
  /** The pieces that are verified and on disk. */
  #have = new Bitfield(0);
  #haveLength = 0;
  #checked = 0;
  #corruptPieces = 0;
  #downloaded = 0;
  #uploaded = 0;
  #wasted = 0;
  readonly #downloadRate = new RateMeter(performance.now());
  readonly #uploadRate = new RateMeter(performance.now());
  readonly #startedAt = performance.now();
  #lastPayloadAt = performance.now();
  #savedAt = performance.now();
  #files: FileWriter | undefined;
  #peers: PeerManager | undefined;
  #trackers: Announcer | undefined;
  #port = 0;
  #resolveDone!: () => void;
  #rejectDone!: (error: unknown) => void;
  #resolveEnded!: () => void;
  #rejectEnded!: (error: unknown) => void;

  constructor(source: string | Uint8Array | Metainfo, options: DownloadOptions) {
    this.#options = options;
    this.done = new Promise((resolve, reject) => {
      this.#resolveDone = resolve;
      this.#rejectDone = reject;
    });
    this.ended = new Promise((resolve, reject) => {
      this.#resolveEnded = resolve;
      this.#rejectEnded = reject;
    });
    for (const promise of [this.done, this.ended]) promise.catch(() => undefined); // nobody has to wait for them
    const { signal } = options;
    signal?.addEventListener('abort', this.#onAbort, { once: true });
    this.#closers.defer(() => signal?.removeEventListener('abort', this.#onAbort));
    if (signal?.aborted) this.#onAbort();
    this.#started = this.#start(source).catch((error: unknown) => this.#fail(error));
  }

  stats(): DownloadStats {
    const now = performance.now();
    const totalLength = this.metainfo?.totalLength ?? 0;
    const downloadPerSecond = this.#downloadRate.perSecond(now);
    const left = totalLength - this.#haveLength;
    return {
      phase: this.#phase,
      name: this.metainfo?.name ?? '',
      totalLength,
      haveLength: this.#haveLength,
      checked: this.#checked,
      pieceCount: this.#have.length,
      havePieces: this.#have.count,
      corruptPieces: this.#corruptPieces,
      downloaded: this.#downloaded,
      uploaded: this.#uploaded,
      wasted: this.#wasted,
      downloadPerSecond,
      uploadPerSecond: this.#uploadRate.perSecond(now),
      etaSeconds: left > 0 && downloadPerSecond > 0 ? left / downloadPerSecond : undefined,
      connectedPeers: this.#peers?.openCount ?? 0,
      connectedSeeds: this.#peers?.seedCount ?? 0,
      knownPeers: this.#peers?.pool.known ?? 0,
      bannedPeers: this.#peers?.pool.banned ?? 0,
      port: this.#port,
      sources: this.#trackers?.status() ?? [],
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop('stopped', abortError());
    await this.#started;
    await this.#closers[Symbol.asyncDispose]();
  }

  // ── The line, from its end ────────────────────────────────────────────────────────────────────────────────────────

  async #start(source: string | Uint8Array | Metainfo): Promise<void> {
    const metainfo = (this.metainfo = await read(source));
    for (const warning of metainfo.warnings) this.#notice('warning', warning);
    this.#have = new Bitfield(metainfo.pieceCount);
    const session = this.#closers.use(await Session.open({ port: this.#options.port }));
    this.#port = session.listener.port;
    if (this.#hasEnded()) return;
    const line = await this.#openLine(metainfo, session);
    await this.#check(line);
    if (this.#hasEnded()) return;
    if (this.#have.isFull) this.#complete();
    else this.#setPhase('downloading');
    if (this.#have.isFull && !this.#options.seed) return;
    this.#openSources(line, this.#openPeers(line));
    const watch = setInterval(() => this.#watch(), WATCH_MS);
    this.#closers.defer(() => clearInterval(watch));
  }

  #hasEnded(): boolean {
    return this.#phase === 'stopped' || this.#phase === 'failed';
  }

  async #openLine(metainfo: Metainfo, session: Session): Promise<Line> {
    const slots = new Slots(metainfo);
    const out = this.#options.out ?? '.';
    const files = await FileWriter.open(metainfo, out, {
      threads: session.threads,
      memory: slots.memory,
      slotLength: slots.slotLength,
      onPiece: (slot, index, result) => this.#onPiece(line, slot, index, result),
      onNotice: (text) => this.#notice('warning', text),
    });
    this.#files = this.#closers.use(files);
    const reader = this.#closers.use(new FileReader(metainfo, out));
    const picker = new PiecePicker(metainfo.pieceCount, { sequential: this.#options.sequential ?? false });
    const assembler = new PieceAssembler(metainfo, picker, slots, {
      onFull: (slot, index) => files.write(slot, index),
      onGuilty: (peers) => this.#peers?.ban(peers),
    });
    const line = { metainfo, session, files, reader, slots, picker, assembler };
    return line;
  }

  async #check({ files, metainfo, picker }: Line): Promise<void> {
    this.#setPhase('checking');
    const found = await files.check({
      recheck: this.#options.recheck ?? false,
      signal: this.#stopped.signal,
      onProgress: (checked, total) => (this.#checked = total > 0 ? checked / total : 1),
    });
    for (let index = 0; index < metainfo.pieceCount; index++) {
      if (!found.has(index)) continue;
      picker.markDone(index);
      this.#have.add(index);
      this.#haveLength += lengthOfPiece(metainfo, index);
    }
  }

  #openPeers({ metainfo, session, picker, assembler, reader }: Line): PeerManager {
    const peers = new PeerManager({
      metainfo,
      peerId: this.#peerId,
      have: this.#have,
      picker,
      assembler,
      reader,
      port: this.#port,
      clientName: CLIENT,
      maxPeers: this.#options.maxPeers ?? DEFAULT_MAX_PEERS,
      onPayload: (received, wasted) => this.#onPayload(received, wasted),
      onUploaded: (length) => {
        this.#uploaded += length;
        this.#uploadRate.add(length);
      },
      onReadError: (error) => this.#fail(error),
      onBanned: (address) => this.#notice('warning', `banned ${formatAddress(address)}: it sent wrong data`),
      onNeedPeers: () => this.#trackers?.requestPeers(),
    });
    this.#peers = this.#closers.use(peers);
    this.#closers.defer(session.listener.serve(metainfo.infoHash, (peer) => peers.accept(peer)));
    if (this.#options.peers) peers.add(this.#options.peers, 'user');
    return peers;
  }

  #openSources({ metainfo }: Line, peers: PeerManager): void {
    if (metainfo.trackers.length === 0) return;
    const trackers = Announcer.open({
      tiers: metainfo.trackers,
      infoHash: metainfo.infoHash,
      peerId: this.#peerId,
      port: () => this.#port,
      totals: () => ({
        uploaded: this.#uploaded,
        downloaded: this.#downloaded,
        left: metainfo.totalLength - this.#haveLength,
      }),
      onPeers: (addresses, source) => peers.add(addresses, source),
      onNotice: (text) => this.#notice('info', text),
    });
    this.#trackers = this.#closers.use(trackers);
  }

  // ── News ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  #onPayload(received: number, wasted: number): void {
    this.#downloaded += received;
    this.#wasted += wasted;
    this.#downloadRate.add(received);
    if (wasted === 0) this.#lastPayloadAt = 0; // noted as `now` by the watch: no clock is read per block
  }

  #onPiece({ assembler, metainfo }: Line, slot: number, index: number, result: 'ok' | 'corrupt' | DiskError): void {
    if (result instanceof DiskError) return this.#fail(result);
    assembler.written(slot, index, result === 'ok');
    if (result === 'corrupt') {
      this.#corruptPieces++;
      return;
    }
    this.#have.add(index);
    this.#haveLength += lengthOfPiece(metainfo, index);
    this.#peers?.broadcastHave(index);
    if (this.#have.isFull) this.#complete();
  }

  #complete(): void {
    if (this.#phase === 'downloading') this.#trackers?.completed();
    this.#setPhase('seeding');
    this.#peers?.dropSeeds();
    this.#files?.save(this.#have, { sync: false }).then(this.#resolveDone, (error: unknown) => this.#fail(error));
  }

  // ── Time limits and ends ──────────────────────────────────────────────────────────────────────────────────────────

  #watch(): void {
    const now = performance.now();
    if (this.#lastPayloadAt === 0) this.#lastPayloadAt = now;
    if (now - this.#savedAt > SAVE_MS) {
      this.#savedAt = now;
      this.#files?.save(this.#have).catch((error: unknown) => this.#fail(error));
    }
    if (this.#phase !== 'downloading') return;
    const { timeoutMs, stallTimeoutMs } = this.#options;
    if (timeoutMs !== undefined && now - this.#startedAt > timeoutMs) {
      this.#fail(new TimeLimitError('ERR_TIMEOUT', `not done within ${seconds(timeoutMs)}; run again to resume`));
    } else if (stallTimeoutMs !== undefined && now - this.#lastPayloadAt > stallTimeoutMs) {
      this.#fail(this.#stallError(stallTimeoutMs));
    }
  }

  /** Why nothing came: somebody has what we lack and does not send it, or nobody has it. */
  #stallError(stallTimeoutMs: number): Error {
    const { connectedPeers, sources } = this.stats();
    const holders = [...(this.#peers?.connections ?? [])].filter((peer) => peer.isOpen && peer.amInterested).length;
    if (holders > 0) {
      const text = `nothing received for ${seconds(stallTimeoutMs)}: ${holders} peer(s) have the missing data and do not send it`;
      return new TimeLimitError('ERR_STALLED', `${text}; run again to resume`);
    }
    const failures = this.#trackers?.failures() ?? [];
    const isAnswered = sources.some((source) => source.state === 'working');
    const who =
      connectedPeers > 0
        ? `none of ${connectedPeers} connected peers has the missing data`
        : sources.length > 0 && !isAnswered
          ? 'no tracker answered and no peer is connected'
          : 'no peer could be reached';
    return new NoSourceError(
      'ERR_NO_SOURCE',
      `nobody to download from for ${seconds(stallTimeoutMs)}: ${who}`,
      failures,
    );
  }

  readonly #onAbort = (): void => this.#stop('stopped', this.#options.signal?.reason ?? abortError());

  #fail(error: unknown): void {
    log('failed: %o', error);
    this.#stop('failed', error);
  }

  #stop(phase: 'stopped' | 'failed', error: unknown): void {
    if (this.#hasEnded()) return;
    this.#setPhase(phase);
    this.#stopped.abort();
    this.#rejectDone(error);
    if (phase === 'failed') this.#rejectEnded(error);
    else this.#resolveEnded();
  }

  #setPhase(phase: Phase): void {
    if (this.#phase === phase) return;
    if (!(NEXT[this.#phase] as readonly Phase[]).includes(phase)) {
      if (this.#hasEnded()) return;
      bug(`phase ${phase} after ${this.#phase}`);
    }
    log('%s', phase);
    this.#phase = phase;
  }

  #notice(level: Notice['level'], text: string): void {
    this.#options.onNotice?.({ level, text });
  }
}

async function read(source: string | Uint8Array | Metainfo): Promise<Metainfo> {
  if (source instanceof Uint8Array) return decodeMetainfo(source);
  if (typeof source !== 'string') return source;
  const bytes = await readFile(source).catch((error: unknown) => {
    const { code } = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'no such file' : code === 'EISDIR' ? 'it is a folder' : String(code);
    throw new MetainfoError('ERR_NO_TORRENT', `cannot read "${source}": ${why}`, { cause: error });
  });
  return decodeMetainfo(bytes);
}

function abortError(): Error {
  return new DOMException('the download was stopped', 'AbortError');
}

function seconds(ms: number): string {
  return `${Math.round(ms / 100) / 10} s`;
}
