/** The state of one download, and the wiring of its stages. */
import { randomBytes } from 'node:crypto';
import createDebug from 'debug';
import { Bitfield } from './common/bitfield.js';
import type { Download, DownloadOptions, DownloadStats, Notice } from './api.js';
import { diagnose, type Diagnosis } from './diagnosis.js';
import { Closers } from './common/closers.js';
import { bug, DiskError } from './common/errors.js';
import { lengthOfPieces } from './common/pieces.js';
import type { Magnet } from './metainfo/magnet.js';
import type { Metainfo } from './metainfo/metainfo.js';
import { isMagnetLink, readSource } from './metainfo/source.js';
import { openLine, type Line } from './line.js';
import { checkOutput } from './output.js';
import { createPeerId } from './peer/handshake.js';
import { mayFollow, type Phase } from './phase.js';
import { mapPieces, type PieceCell } from './piece-map.js';
import { planFiles, type FilePlan } from './plan.js';
import { keepMetainfo, keptMetainfo, metainfoOf } from './resolve.js';
import { hasSeededEnough, wantsToSeed } from './seeding.js';
import { Session } from './session.js';
import { statsOf, type DownloadState } from './stats.js';
import { Swarm } from './swarm.js';
import { Tally } from './tally.js';
import type { TransferTotals } from './tracker/source.js';
import { Watch } from './watch.js';
import { isHeldBack, owedBy, Watchdog } from './watchdog.js';

const log = createDebug('torrent-dl:download');

/** How often time limits are looked at, and the resume state is saved. */
const WATCH_MS = 250;
const SAVE_MS = 60_000;
/** What trackers are told to be left while the size is not known: as others do, one block. */
const UNKNOWN_LEFT = 16_384;

/**
 * Starts a download. `source` is the path of a `.torrent`, its http(s) URL, its bytes, a `Metainfo`, a magnet link or a
 * bare v1 info hash.
 * Nothing is thrown here: `done` rejects with what went wrong.
 */
export function download(source: string | Uint8Array | Metainfo, options: DownloadOptions = {}): Download {
  return new TorrentDownload(source, options);
}

class TorrentDownload implements Download {
  metainfo: Metainfo | undefined;
  infoHash: Uint8Array | undefined;
  readonly done: Promise<void>;
  readonly ended: Promise<void>;
  readonly #options: DownloadOptions;
  readonly #peerId = createPeerId(randomBytes);
  readonly #closers = new Closers();
  readonly #stopped = new AbortController();
  readonly #started: Promise<void>;
  #phase: Phase = 'opening';
  #phaseAt = performance.now();
  #name = '';
  readonly #tally = new Tally();
  #checked = 0;
  #savedAt = performance.now();
  #swarm: Swarm | undefined;
  #port = 0;
  readonly #watch: Watch;
  readonly #watchdog = new Watchdog();
  /** There once the info dictionary is. */
  #line: Line | undefined;
  /** When `done` was resolved. */
  #doneAt = Infinity;
  /** As it was when the download failed. */
  #lastDiagnosis: Diagnosis | undefined;
  #closing: Promise<void> | undefined;
  #resolveDone!: () => void;
  #rejectDone!: (error: unknown) => void;
  #resolveEnded!: () => void;
  #rejectEnded!: (error: unknown) => void;

  constructor(source: string | Uint8Array | Metainfo, options: DownloadOptions) {
    this.#options = options;
    this.#watch = this.#openWatch();
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
    // A turn later: whoever is told something has the download by then.
    this.#started = Promise.resolve()
      .then(() => this.#start(source))
      .catch((error: unknown) => this.#fail(error));
  }

  stats(): DownloadStats {
    return statsOf(this.#state, performance.now());
  }

  pieces(cells: number): readonly PieceCell[] {
    if (!this.#line) return [];
    const { target, slots, picker } = this.#line;
    return mapPieces(cells, {
      wanted: target.wanted,
      tally: this.#tally,
      isInFlight: (index) => slots.slotOf(index) >= 0,
      availability: (index) => picker.availability(index),
    });
  }

  diagnose(): Diagnosis {
    return this.#lastDiagnosis ?? diagnose(this.#state, performance.now());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop('stopped', abortError());
    try {
      await this.#close();
    } catch (error) {
      if (this.#phase !== 'failed') throw error;
      log('closing after that failed, too: %o', error); // `done` or `ended` has told why; `await using` would hide it
    }
  }

  /** Closes everything, once. @throws the first error */
  #close(): Promise<void> {
    return (this.#closing ??= (async () => {
      await this.#started;
      if (this.#swarm) this.#closers.use(this.#swarm); // first: peers go before what they read from and write to
      await this.#closers[Symbol.asyncDispose]();
    })());
  }

  // ── The line, from its end ────────────────────────────────────────────────────────────────────────────────────────

  async #start(source: string | Uint8Array | Metainfo): Promise<void> {
    if (this.#options.output) checkOutput(this.#options.output, wantsToSeed(this.#options));
    const watch = setInterval(() => this.#tick(), WATCH_MS);
    this.#closers.defer(() => clearInterval(watch));
    const isRead = typeof source !== 'string' && !(source instanceof Uint8Array);
    const torrent = isRead ? source : await readSource(source, this.#stopped.signal);
    this.infoHash = torrent.infoHash;
    for (const warning of torrent.warnings) this.#notice('warning', warning);
    const session = this.#options.session ?? this.#closers.use(await Session.open(this.#options));
    this.#closers.defer(session.claim(torrent.infoHash));
    this.#port = session.listener.port;
    if (this.#hasEnded()) return;
    const swarm = (this.#swarm = this.#openSwarm(session));
    void swarm.addNamed(this.#options.peers ?? []);
    const isLink = isMagnetLink(torrent);
    const plan = this.#plan(
      isLink ? await this.#resolve(torrent, swarm) : torrent,
      isLink ? torrent.selectOnly : undefined,
    );
    const metainfo = (this.metainfo = plan.metainfo);
    this.#options.onMetadata?.(metainfo, (file) => plan.chosen?.has(file) ?? true);
    const line = (this.#line = await this.#openLine(plan, session));
    this.#closers.use(line.target);
    this.#tally.begin(line.target.wanted);
    await this.#check(line);
    if (this.#hasEnded()) return;
    const { isComplete } = this.#tally;
    if (!isComplete) await line.target.requireRoom(this.#tally.have);
    if (this.#hasEnded()) return;
    if (isComplete) this.#complete();
    else this.#setPhase('downloading');
    if (isComplete && !wantsToSeed(this.#options)) return;
    await this.#openPeers(line, swarm);
  }

  /**
   * Gets the info dictionary that a magnet link stands for: from an earlier run, or from peers (BEP 9). Those and the
   * sources that found them go on with the download, unless the torrent turns out to be private (BEP 27).
   */
  async #resolve(magnet: Magnet, swarm: Swarm): Promise<Metainfo> {
    const { out = '.', output } = this.#options;
    this.#name = magnet.name ?? Buffer.from(magnet.infoHash).toString('hex');
    this.#setPhase('resolving');
    void swarm.addNamed(magnet.peers);
    const kept = output ? undefined : await keptMetainfo(out, magnet);
    if (kept) return kept;
    const metainfo = metainfoOf(await swarm.fetchInfo(magnet), magnet);
    for (const warning of metainfo.warnings) this.#notice('warning', warning);
    if (!output) await keepMetainfo(metainfo, this.#options, (text) => this.#notice('warning', text));
    if (metainfo.isPrivate) await swarm.leavePublic();
    return metainfo;
  }

  #openSwarm(session: Session): Swarm {
    return new Swarm({
      session,
      peerId: this.#peerId,
      options: this.#options,
      signal: this.#stopped.signal,
      totals: () => this.#totals(),
      onNotice: (level, text) => this.#notice(level, text),
    });
  }

  #openWatch(): Watch {
    const context = {
      options: this.#options,
      stats: () => this.stats(),
      diagnose: () => this.diagnose(),
      failures: () => this.#swarm?.failures() ?? [],
      onNotice: (level: Notice['level'], text: string) => this.#notice(level, text),
    };
    return new Watch(context, performance.now());
  }

  get #state(): DownloadState {
    return {
      ...{ phase: this.#phase, name: this.#name, checked: this.#checked, port: this.#port },
      ...{ tally: this.#tally, metainfo: this.metainfo, swarm: this.#swarm, line: this.#line },
    };
  }

  #hasEnded(): boolean {
    return this.#phase === 'stopped' || this.#phase === 'failed';
  }

  #plan(metainfo: Metainfo, selectOnly: Magnet['selectOnly']): FilePlan {
    return planFiles(metainfo, this.#options, selectOnly, (text) => this.#notice('warning', text));
  }

  #openLine(plan: FilePlan, session: Session): Promise<Line> {
    const { onFile } = this.#options;
    return openLine(plan, session, this.#options, this.#stopped.signal, {
      onPiece: (index, result) => this.#onPiece(index, result),
      onRoom: () => this.#swarm?.refill(),
      onGuilty: (peers) => this.#swarm?.peers?.ban(peers),
      onError: (error) => this.#fail(error),
      onFile: onFile && ((file) => this.#onFile(plan.metainfo, file)),
      onWarning: (text) => this.#notice('warning', text),
    });
  }

  async #check({ target, metainfo, picker }: Line): Promise<void> {
    this.#setPhase('checking');
    const { settled } = this.#tally;
    for (let index = 0; index < metainfo.pieceCount; index++) if (settled.has(index)) picker.skip(index);
    const { have, readable } = await target.sink.check({
      recheck: this.#options.recheck ?? false,
      signal: this.#stopped.signal,
      onProgress: (checked, total) => (this.#checked = total > 0 ? checked / total : 1),
    });
    for (let index = 0; index < metainfo.pieceCount; index++) {
      if (!have.has(index)) continue;
      picker.markDone(index);
      this.#tally.addPiece(index, readable.has(index));
    }
  }

  async #openPeers({ metainfo, picker, assembler, target }: Line, swarm: Swarm): Promise<void> {
    const { readable, settled } = this.#tally;
    const { length } = settled;
    await swarm.open({
      metainfo,
      have: target.keepsPieces ? readable : new Bitfield(length),
      settled: target.keepsPieces ? settled : new Bitfield(length, settled.bytes),
      picker,
      assembler,
      reader: target.reader,
      onPayload: (received, wasted) => this.#tally.addPayload(received, wasted),
      onBlock: () => this.#tally.addBlock(),
      onUploaded: (length) => this.#tally.addUploaded(length),
      onReadError: (error) => this.#fail(error),
    });
  }

  /** `left` is of all files: with 0 trackers would take who wants some only, and has those, for a seed (BEP 21). */
  #totals(): TransferTotals {
    const { uploaded, downloaded, have } = this.#tally;
    const { metainfo } = this;
    const left = metainfo ? metainfo.totalLength - lengthOfPieces(metainfo, have) : UNKNOWN_LEFT;
    return { uploaded, downloaded, left };
  }

  // ── News ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  #onPiece(index: number, result: 'ok' | 'corrupt' | DiskError): void {
    if (result instanceof DiskError) return this.#fail(result);
    if (result === 'corrupt') {
      this.#tally.corruptPieces++;
      return;
    }
    this.#tally.addPiece(index);
    if (this.#line?.target.keepsPieces) this.#swarm?.peers?.broadcastHave(index);
    if (this.#tally.isComplete) this.#complete();
  }

  #onFile({ files }: Metainfo, index: number): void {
    const { path, length } = files[index]!;
    this.#options.onFile?.({ index, path, length });
  }

  #complete(): void {
    if (this.#hasEnded()) return; // all is being closed: the next run finds it complete
    if (this.#phase === 'downloading' && this.#tally.have.isFull) this.#swarm?.completed();
    this.#setPhase('seeding');
    this.#swarm?.peers?.dropSeeds();
    this.#line?.target.sink.finish(this.#tally.have).then(
      () => {
        this.#doneAt = performance.now();
        this.#resolveDone();
      },
      (error: unknown) => this.#fail(error),
    );
  }

  // ── Time limits and ends ──────────────────────────────────────────────────────────────────────────────────────────

  #tick(): void {
    const now = performance.now();
    if (this.#isHeldBack()) this.#tally.restartIdle(now);
    const idleMs = this.#tally.idleMs(now);
    if (now - this.#savedAt > SAVE_MS) {
      this.#savedAt = now;
      this.#line?.target.sink.save(this.#tally.have).catch((error: unknown) => this.#fail(error));
    }
    if (this.#phase === 'seeding') this.#limitSeeding(now);
    if (this.#hasEnded()) return;
    const error = this.#watch.look({ now, phase: this.#phase, phaseAt: this.#phaseAt, idleMs });
    if (error) this.#fail(error);
    this.#lookAtOurselves();
  }

  /** Whether it is for us that nothing comes. */
  #isHeldBack(): boolean {
    if (this.#line?.target.isWaiting) return true;
    const { peers } = this.#swarm ?? {};
    return this.#line?.session.downloadLimit && peers ? isHeldBack(this.#line, peers.connections) : false;
  }

  /** A download that nobody but we could help is a bug, and ends. */
  #lookAtOurselves(): void {
    if (!this.#line || this.#hasEnded()) return;
    const { threads } = this.#line.session;
    const { downloaded, uploaded, corruptPieces, have } = this.#tally;
    const progress = downloaded + uploaded + corruptPieces + have.count + this.#line.slots.asked + threads.answered;
    const peers = this.#phase === 'downloading' ? (this.#swarm?.peers?.connections ?? []) : undefined;
    const error = this.#watchdog.look({ progress, owed: owedBy(this.#line, peers) });
    if (!error) return;
    this.#fail(error);
    threads.giveUp(error); // or closing would wait for their answers
  }

  #limitSeeding(now: number): void {
    if (now < this.#doneAt) return;
    const { uploaded, haveLength } = this.#tally;
    if (!hasSeededEnough(this.#options, uploaded, haveLength, now - this.#doneAt)) return;
    log('seeded enough');
    this.#stop('stopped', abortError());
  }

  readonly #onAbort = (): void => this.#stop('stopped', this.#options.signal?.reason ?? abortError());

  #fail(error: unknown): void {
    log('failed: %o', error);
    this.#stop('failed', error);
  }

  #stop(phase: 'stopped' | 'failed', error: unknown): void {
    if (this.#hasEnded()) return;
    if (phase === 'failed') this.#lastDiagnosis = this.diagnose();
    this.#setPhase(phase);
    this.#stopped.abort();
    this.#rejectDone(error);
    const end = phase === 'failed' ? () => this.#rejectEnded(error) : this.#resolveEnded;
    queueMicrotask(
      () => void this.#close().then(end, (late: unknown) => this.#rejectEnded(phase === 'failed' ? error : late)),
    );
  }

  #setPhase(phase: Phase): void {
    if (this.#phase === phase) return;
    if (!mayFollow(this.#phase, phase)) {
      if (this.#hasEnded()) return;
      bug(`phase ${phase} after ${this.#phase}`);
    }
    log('%s', phase);
    this.#phase = phase;
    this.#phaseAt = performance.now();
    this.#tally.restartIdle(this.#phaseAt);
  }

  #notice(level: Notice['level'], text: string): void {
    this.#options.onNotice?.({ level, text });
  }
}

function abortError(): Error {
  return new DOMException('the download was stopped', 'AbortError');
}
