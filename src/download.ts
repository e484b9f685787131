/** The state of one download, and the wiring of its stages. */
import { randomBytes } from 'node:crypto';
import createDebug from 'debug';
import { formatAddress, type HostPort, type PeerAddress } from './common/address.js';
import { Bitfield } from './common/bitfield.js';
import type { Download, DownloadOptions, DownloadStats, Notice } from './api.js';
import { Closers } from './common/closers.js';
import { bug, DiskError, TimeLimitError } from './common/errors.js';
import { resolveHosts } from './common/lookup.js';
import { lengthOfPiece } from './common/pieces.js';
import { RateMeter } from './common/rate.js';
import { CLIENT } from './common/version.js';
import { openSources } from './discovery.js';
import type { Magnet } from './metainfo/magnet.js';
import type { Metainfo } from './metainfo/metainfo.js';
import { isMagnetLink, readSource } from './metainfo/source.js';
import { checkOutput, openFiles, openStream, type Target, type TargetContext } from './output.js';
import { AddressPool } from './peer/address-pool.js';
import type { PeerConnection } from './peer/connection.js';
import { PeerExchange } from './peer/extension/exchange.js';
import { createPeerId } from './peer/handshake.js';
import { PeerManager } from './peer/manager.js';
import { MetadataResolver } from './peer/resolver.js';
import { PieceAssembler } from './piece/assembler.js';
import { PiecePicker } from './piece/picker.js';
import { Slots } from './piece/slots.js';
import { mayFollow, type Phase } from './phase.js';
import { keepMetainfo, keptMetainfo, metainfoOf } from './resolve.js';
import { Session } from './session.js';
import { SourceNews } from './news.js';
import { formatSeconds, noMetadataError, stallError, whoIsAsked, type Stall } from './stall.js';
import type { TransferTotals } from './tracker/source.js';
import type { PeerSources } from './tracker/sources.js';

const log = createDebug('torrent-dl:download');

/** How often time limits are looked at, and the resume state is saved. */
const WATCH_MS = 250;
const SAVE_MS = 60_000;
/** So long without any peer is worth a line. */
const LONELY_MS = 10_000;
const DEFAULT_MAX_PEERS = 100;
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

/** The stages of a running download, from the end of the line to its beginning. */
interface Line {
  readonly metainfo: Metainfo;
  readonly session: Session;
  readonly target: Target;
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
  #phaseAt = performance.now();
  #name = '';
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
  #target: Target | undefined;
  #peers: PeerManager | undefined;
  #resolver: MetadataResolver | undefined;
  #sources: PeerSources | undefined;
  #pool = new AddressPool();
  readonly #exchange = new PeerExchange((addresses) => this.#add(addresses, 'PEX'));
  #port = 0;
  #isRefilling = false;
  /** Some pieces are not fetched, for none of their bytes are wanted. */
  #isPartial = false;
  readonly #news = new SourceNews();
  #isLonely = false;
  #closing: Promise<void> | undefined;
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
      name: this.metainfo?.name ?? this.#name,
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
      connectedPeers: (this.#peers ?? this.#resolver)?.openCount ?? 0,
      connectedSeeds: this.#peers?.seedCount ?? 0,
      knownPeers: this.#pool.known,
      bannedPeers: this.#pool.banned,
      port: this.#port,
      sources: this.#sources?.status() ?? [],
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop('stopped', abortError());
    await this.#close();
  }

  /** Closes everything, once. @throws the first error */
  #close(): Promise<void> {
    return (this.#closing ??= (async () => {
      await this.#started;
      if (this.#sources) this.#closers.use(this.#sources); // first: trackers hear of the end while peers are there
      await this.#closers[Symbol.asyncDispose]();
    })());
  }

  // ── The line, from its end ────────────────────────────────────────────────────────────────────────────────────────

  async #start(source: string | Uint8Array | Metainfo): Promise<void> {
    if (this.#options.output) checkOutput(this.#options.output, this.#options.seed ?? false);
    const watch = setInterval(() => this.#watch(), WATCH_MS);
    this.#closers.defer(() => clearInterval(watch));
    const isRead = typeof source !== 'string' && !(source instanceof Uint8Array);
    const torrent = isRead ? source : await readSource(source, this.#stopped.signal);
    for (const warning of torrent.warnings) this.#notice('warning', warning);
    const session = this.#closers.use(await Session.open(this.#options));
    this.#port = session.listener.port;
    if (this.#hasEnded()) return;
    void this.#addNamed(this.#options.peers ?? []);
    const metainfo = (this.metainfo = isMagnetLink(torrent) ? await this.#resolve(torrent, session) : torrent);
    this.#have = new Bitfield(metainfo.pieceCount);
    const line = await this.#openLine(metainfo, session);
    await this.#check(line);
    if (this.#hasEnded()) return;
    if (this.#have.isFull) this.#complete();
    else this.#setPhase('downloading');
    if (this.#have.isFull && !this.#options.seed) return;
    await this.#openPeers(line);
    if (!this.#hasEnded()) await this.#openSources(session, metainfo);
  }

  /**
   * Gets the info dictionary that a magnet link stands for: from an earlier run, or from peers (BEP 9). Those and the
   * sources that found them go on with the download, unless the torrent turns out to be private (BEP 27).
   */
  async #resolve(magnet: Magnet, session: Session): Promise<Metainfo> {
    const { out = '.', output } = this.#options;
    this.#name = magnet.name ?? Buffer.from(magnet.infoHash).toString('hex');
    this.#setPhase('resolving');
    void this.#addNamed(magnet.peers);
    const kept = output ? undefined : await keptMetainfo(out, magnet);
    if (kept) return kept;
    const { exchange, ...swarm } = await this.#swarmOptions(session, false);
    const resolver = new MetadataResolver({
      ...swarm,
      infoHash: magnet.infoHash,
      pool: this.#pool,
      extensions: exchange ? [exchange] : [],
      signal: this.#stopped.signal,
    });
    this.#resolver = this.#closers.use(resolver);
    this.#closers.defer(session.listener.serve(magnet.infoHash, (peer) => resolver.accept(peer)));
    await this.#openSources(session, magnet);
    resolver.add([], 'user'); // begins with those that are known
    const metainfo = metainfoOf(await resolver.done, magnet);
    for (const warning of metainfo.warnings) this.#notice('warning', warning);
    if (!output) await keepMetainfo(out, metainfo);
    if (metainfo.isPrivate) await this.#leavePublicSwarm();
    return metainfo;
  }

  /** The torrent is private after all: whoever was found without its trackers is forgotten. */
  async #leavePublicSwarm(): Promise<void> {
    await this.#sources?.[Symbol.asyncDispose]();
    await this.#resolver?.[Symbol.asyncDispose]();
    this.#sources = this.#resolver = undefined;
    this.#pool = new AddressPool();
    if (this.#options.peers) await this.#addNamed(this.#options.peers);
  }

  #hasEnded(): boolean {
    return this.#phase === 'stopped' || this.#phase === 'failed';
  }

  async #openLine(metainfo: Metainfo, session: Session): Promise<Line> {
    const { out = '.', output, sequential = false } = this.#options;
    const slots = new Slots(metainfo, output?.windowLength);
    const context: TargetContext = {
      threads: session.threads,
      slots,
      onPiece: (slot, index, result) => this.#onPiece(line, slot, index, result),
      onHeld: (slot) => {
        slots.hold(slot);
        this.#refill();
      },
      onError: (error) => this.#fail(error),
      onNotice: (text) => this.#notice('warning', text),
    };
    const target = output ? openStream(metainfo, output, context) : await openFiles(metainfo, out, context);
    this.#target = this.#closers.use(target);
    const window = output ? slots.count : undefined;
    const picker = new PiecePicker(metainfo.pieceCount, { sequential, window });
    const assembler = new PieceAssembler(metainfo, picker, slots, {
      onFull: (slot, index) => target.sink.write(slot, index),
      onGuilty: (peers) => this.#peers?.ban(peers),
    });
    const line = { metainfo, session, target, slots, picker, assembler };
    return line;
  }

  async #check({ target, metainfo, picker }: Line): Promise<void> {
    this.#setPhase('checking');
    const found = await target.sink.check({
      recheck: this.#options.recheck ?? false,
      signal: this.#stopped.signal,
      onProgress: (checked, total) => (this.#checked = total > 0 ? checked / total : 1),
    });
    this.#isPartial = !target.keepsPieces && found.count > 0;
    for (let index = 0; index < metainfo.pieceCount; index++) {
      if (!found.has(index)) continue;
      picker.markDone(index);
      this.#have.add(index);
      this.#haveLength += lengthOfPiece(metainfo, index);
    }
  }

  async #openPeers({ metainfo, session, picker, assembler, target }: Line): Promise<void> {
    const peers = new PeerManager({
      ...(await this.#swarmOptions(session, metainfo.isPrivate)),
      metainfo,
      pool: this.#pool,
      have: target.keepsPieces ? this.#have : new Bitfield(metainfo.pieceCount),
      picker,
      assembler,
      reader: target.reader,
      onPayload: (received, wasted) => this.#onPayload(received, wasted),
      onUploaded: (length) => {
        this.#uploaded += length;
        this.#uploadRate.add(length);
      },
      onReadError: (error) => this.#fail(error),
    });
    this.#peers = this.#closers.use(peers);
    this.#closers.defer(session.listener.serve(metainfo.infoHash, (peer) => peers.accept(peer)));
    for (const peer of this.#resolver?.release() ?? []) peers.adopt(peer);
    peers.add([], 'user'); // begins with those that are known
  }

  /** What connections are made with, before and after the info dictionary is here. */
  async #swarmOptions(session: Session, isPrivate: boolean) {
    const { dht: wantsDht = true, pex = true, maxPeers = DEFAULT_MAX_PEERS } = this.#options;
    const dht = wantsDht && !isPrivate ? await session.dht() : undefined;
    return {
      peerId: this.#peerId,
      port: this.#port,
      clientName: CLIENT,
      maxPeers,
      dhtPort: dht && (await session.udp())?.port,
      exchange: pex && !isPrivate ? this.#exchange : undefined,
      onNeedPeers: () => this.#sources?.requestPeers(),
      onDhtNode: (address: PeerAddress) => dht?.addNode(address),
      onBanned: (address: PeerAddress) =>
        this.#notice('warning', `banned ${formatAddress(address)}: it sent wrong data`),
    };
  }

  /** Begins to look for peers, unless that was done to get the info dictionary. */
  async #openSources(session: Session, torrent: Magnet | Metainfo): Promise<void> {
    this.#sources ??= await openSources(
      session,
      {
        infoHash: torrent.infoHash,
        peerId: this.#peerId,
        trackers: torrent.trackers,
        isPrivate: !isMagnetLink(torrent) && torrent.isPrivate,
        port: () => this.#port,
        totals: () => this.#totals(),
        onPeers: (addresses, source) => this.#add(addresses, source),
        onSwitch: () => this.#peers?.leaveSwarm(),
        onExternalIp: (host) => this.#pool.markSelf({ host, port: this.#port }),
        onNotice: (text) => this.#notice('info', text),
      },
      this.#options,
    );
  }

  #add(addresses: readonly PeerAddress[], source: string): void {
    const swarm = this.#peers ?? this.#resolver;
    if (swarm) swarm.add(addresses, source);
    else this.#pool.add(addresses, source);
  }

  /** Peers that the user or his link names. */
  async #addNamed(peers: readonly HostPort[]): Promise<void> {
    const warn = (text: string): void => this.#notice('warning', text);
    this.#add(await resolveHosts(peers, warn, this.#stopped.signal), 'user');
  }

  #totals(): TransferTotals {
    const left = this.metainfo ? this.metainfo.totalLength - this.#haveLength : UNKNOWN_LEFT;
    return { uploaded: this.#uploaded, downloaded: this.#downloaded, left };
  }

  // ── News ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  #onPayload(received: number, wasted: number): void {
    this.#downloaded += received;
    this.#wasted += wasted;
    this.#downloadRate.add(received);
    if (wasted === 0) this.#lastPayloadAt = 0; // noted as `now` by the watch: no clock is read per block
  }

  #onPiece(
    { assembler, metainfo, target }: Line,
    slot: number,
    index: number,
    result: 'ok' | 'corrupt' | DiskError,
  ): void {
    if (result instanceof DiskError) return this.#fail(result);
    assembler.written(slot, index, result === 'ok');
    if (result === 'corrupt') {
      this.#corruptPieces++;
      return;
    }
    this.#have.add(index);
    this.#haveLength += lengthOfPiece(metainfo, index);
    if (target.keepsPieces) this.#peers?.broadcastHave(index);
    else this.#refill();
    if (this.#have.isFull) this.#complete();
  }

  /** There is room for a piece again, of which peers that wait learn from nobody else: one look at them for many pieces. */
  #refill(): void {
    if (this.#isRefilling) return;
    this.#isRefilling = true;
    queueMicrotask(() => {
      this.#isRefilling = false;
      const now = performance.now();
      for (const peer of this.#peers?.connections ?? []) if (peer.fetcher.requests.size === 0) peer.tick(now);
    });
  }

  #complete(): void {
    if (this.#phase === 'downloading' && !this.#isPartial) this.#sources?.completed();
    this.#setPhase('seeding');
    this.#peers?.dropSeeds();
    this.#target?.sink.save(this.#have, { sync: false }).then(this.#resolveDone, (error: unknown) => this.#fail(error));
  }

  // ── Time limits and ends ──────────────────────────────────────────────────────────────────────────────────────────

  #watch(): void {
    const now = performance.now();
    if (this.#lastPayloadAt === 0 || this.#target?.isWaitingForReader) this.#lastPayloadAt = now;
    if (now - this.#savedAt > SAVE_MS) {
      this.#savedAt = now;
      this.#target?.sink.save(this.#have).catch((error: unknown) => this.#fail(error));
    }
    this.#tellNews(now);
    if (this.#phase !== 'seeding' && !this.#hasEnded()) this.#checkLimits(now);
  }

  /** Lines for the user: what trackers and the like say, and once why there is nobody. */
  #tellNews(now: number): void {
    const stats = this.stats();
    for (const line of this.#news.read(stats.sources)) this.#notice('info', line);
    const isIdle = stats.connectedPeers === 0 && stats.downloaded === 0 && now - this.#phaseAt > LONELY_MS;
    if (this.#isLonely || !isIdle || (this.#phase !== 'downloading' && this.#phase !== 'resolving')) return;
    this.#isLonely = true;
    const causes = (this.#sources?.failures() ?? []).map((error) => `; ${error.message}`).slice(0, 3);
    this.#notice('warning', `no peer after ${formatSeconds(LONELY_MS)}: ${whoIsAsked(stats)}${causes.join('')}`);
  }

  #checkLimits(now: number): void {
    const { timeoutMs, stallTimeoutMs, metadataTimeoutMs } = this.#options;
    const isResolving = this.#phase === 'resolving';
    const mayStall = isResolving || this.#phase === 'downloading';
    if (timeoutMs !== undefined && now - this.#startedAt > timeoutMs) {
      this.#fail(new TimeLimitError('ERR_TIMEOUT', `not done within ${formatSeconds(timeoutMs)}${this.#advice}`));
    } else if (isResolving && metadataTimeoutMs !== undefined && now - this.#phaseAt > metadataTimeoutMs) {
      this.#fail(noMetadataError(metadataTimeoutMs, this.#stall()));
    } else if (mayStall && stallTimeoutMs !== undefined && now - this.#lastPayloadAt > stallTimeoutMs) {
      this.#fail((isResolving ? noMetadataError : stallError)(stallTimeoutMs, this.#stall()));
    }
  }

  #stall(): Stall {
    return {
      stats: this.stats(),
      holders: this.#peers ? this.#holders(this.#peers) : (this.#resolver?.offers ?? 0),
      failures: this.#sources?.failures() ?? [],
      advice: this.#advice,
    };
  }

  get #advice(): string {
    return this.#options.output ? '' : '; run again to resume';
  }

  /** How many peers have what we lack; a stream is helped by those only that have the piece which is due. */
  #holders({ connections }: PeerManager): number {
    let due = 0;
    while (this.#have.has(due)) due++;
    const isHolder = (peer: PeerConnection): boolean =>
      peer.isOpen && (this.#target?.keepsPieces ? peer.amInterested : peer.have.has(due));
    return [...connections].filter(isHolder).length;
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
    this.#phaseAt = this.#lastPayloadAt = performance.now();
  }

  #notice(level: Notice['level'], text: string): void {
    this.#options.onNotice?.({ level, text });
  }
}

function abortError(): Error {
  return new DOMException('the download was stopped', 'AbortError');
}
