import createDebug from 'debug';
import path from 'node:path';
import type { HostPort } from './common/address.js';
import { Bucket } from './common/bucket.js';
import { cacheFolder, readCache, writeCache } from './common/cache.js';
import { systemClock } from './common/clock.js';
import { Closers } from './common/closers.js';
import { UsageError } from './common/errors.js';
import { UdpPort } from './common/udp.js';
import { DiskThreads } from './file/threads.js';
import { PeerListener } from './peer/listener.js';
import { PUBLIC_BOOTSTRAP } from './tracker/dht/bootstrap.js';
import { Dht } from './tracker/dht/dht.js';
import { Reachability } from './tracker/dht/reachability.js';
import { Lsd } from './tracker/lsd.js';

const log = createDebug('torrent-dl:session');

/** A block in 16 s. */
const LEAST_LIMIT = 1024;
const SAVE_DHT_MS = 10 * 60_000;
/** The table takes some 20 KiB. */
const MOST_DHT_LENGTH = 64 * 1024;

export interface SessionOptions {
  /** TCP port for incoming peers. Default: a free one of 6881–6889, else any. */
  readonly port?: number | undefined;
  /** UDP port for the DHT and for UDP trackers. Default: the same number if it is free, else any. */
  readonly dhtPort?: number | undefined;
  /** Nodes to enter the DHT by. Default: the well-known public ones. */
  readonly dhtBootstrap?: readonly HostPort[] | undefined;
  /** Where the DHT's table is kept between runs. Default: the user's cache folder. */
  readonly cacheFolder?: string | undefined;
  /** Bytes per second that all downloads together may receive, and send, of pieces. Default 0: as fast as it goes. */
  readonly downloadLimit?: number | undefined;
  readonly uploadLimit?: number | undefined;
  /** Leaves the kept table of the DHT as it is. Default false. */
  readonly isReadOnly?: boolean | undefined;
}

/** What downloads share: the listening port, the disk threads and, opened when first wanted, UDP port, DHT and LSD. */
export class Session implements AsyncDisposable {
  readonly listener: PeerListener;
  readonly threads: DiskThreads;
  /** Missing when there is no limit. */
  readonly downloadLimit: Bucket | undefined;
  readonly uploadLimit: Bucket | undefined;
  readonly #options: SessionOptions;
  readonly #closers = new Closers();
  /** Info hashes in hex of what is being downloaded. */
  readonly #claimed = new Set<string>();
  #udp: Promise<UdpPort | undefined> | undefined;
  #dht: Promise<Dht | undefined> | undefined;
  #lsd: Promise<Lsd> | undefined;

  private constructor(listener: PeerListener, options: SessionOptions) {
    this.#options = options;
    this.downloadLimit = openLimit(options.downloadLimit);
    this.uploadLimit = openLimit(options.uploadLimit);
    this.threads = this.#closers.use(DiskThreads.open());
    this.listener = this.#closers.use(listener);
  }

  /** @throws {UsageError} when `port` cannot be listened on, or a limit is none */
  static async open(options: SessionOptions = {}): Promise<Session> {
    for (const limit of [options.downloadLimit, options.uploadLimit]) checkLimit(limit);
    return new Session(await PeerListener.open(options.port), options);
  }

  /** Keeps others of the session from downloading the same torrent until it is given back. @throws {UsageError} */
  claim(infoHash: Uint8Array): () => void {
    const name = Buffer.from(infoHash).toString('hex');
    if (this.#claimed.has(name)) {
      throw new UsageError('ERR_SAME_TORRENT', 'the same torrent is being downloaded already');
    }
    this.#claimed.add(name);
    return () => void this.#claimed.delete(name);
  }

  /** Undefined where there is no UDP to be had. @throws {UsageError} when `dhtPort` cannot be listened on */
  udp(): Promise<UdpPort | undefined> {
    return (this.#udp ??= this.#openUdp());
  }

  /** Undefined where there is no UDP to be had. @throws {UsageError} when `dhtPort` cannot be listened on */
  dht(): Promise<Dht | undefined> {
    return (this.#dht ??= this.#openDht());
  }

  lsd(): Promise<Lsd> {
    return (this.#lsd ??= this.#open(Lsd.open()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled([this.#udp, this.#dht, this.#lsd]); // what is just being opened is to be closed, too
    await this.#closers[Symbol.asyncDispose]();
  }

  async #open<T extends AsyncDisposable>(opening: Promise<T>): Promise<T> {
    return this.#closers.use(await opening);
  }

  async #openUdp(): Promise<UdpPort | undefined> {
    const { dhtPort } = this.#options;
    const isPortFixed = dhtPort !== undefined;
    try {
      return await this.#open(UdpPort.open({ port: dhtPort ?? this.listener.port, isPortFixed }));
    } catch (error) {
      if (isPortFixed) throw error;
      log('no UDP: %o', error);
      return undefined;
    }
  }

  async #openDht(): Promise<Dht | undefined> {
    const { dhtBootstrap, cacheFolder: folder = cacheFolder(), isReadOnly = false } = this.#options;
    const file = path.join(folder, 'dht');
    const [udp, state] = await Promise.all([this.udp(), readCache(file, MOST_DHT_LENGTH)]);
    if (!udp) return undefined;
    const reachability = new Reachability(systemClock);
    const dht = Dht.open({
      network: {
        send: (bytes, to) => {
          reachability.sent(to);
          udp.send(bytes, to);
        },
      },
      isReachable: () => reachability.isReachable,
      bootstrap: dhtBootstrap ?? PUBLIC_BOOTSTRAP,
      families: udp.hasIpv6 ? ['ipv4', 'ipv6'] : ['ipv4'],
      ...(state && { state }),
    });
    const save = async (): Promise<void> => {
      const { nodes4, nodes6 } = dht.status();
      if (isReadOnly || nodes4 + nodes6 === 0) return; // a run offline leaves the table as it was
      await writeCache(file, dht.save()).catch((error: unknown) => log('the table of the DHT is not kept: %o', error));
    };
    const timer = setInterval(() => void save(), SAVE_DHT_MS);
    this.#closers.defer(() => clearInterval(timer));
    this.#closers.defer(
      udp.handle(
        (bytes) => Dht.claims(bytes),
        (bytes, from) => {
          reachability.received(from);
          dht.receive(bytes, from);
        },
      ),
    );
    this.#closers.use(dht);
    this.#closers.defer(save);
    return dht;
  }
}

/** Opens what downloads may share by their option `session`; it is to outlive them. @throws {UsageError} */
export async function openSession(options: SessionOptions = {}): Promise<Session> {
  return await Session.open(options);
}

/** @throws {UsageError} when peers would take us for dead: so slow that a block takes longer than they wait */
function checkLimit(perSecond = 0): void {
  if (perSecond === 0 || (perSecond >= LEAST_LIMIT && perSecond <= Number.MAX_SAFE_INTEGER)) return;
  throw new UsageError('ERR_LIMIT', `a limit is 0 or at least ${LEAST_LIMIT} bytes per second, not ${perSecond}`);
}

function openLimit(perSecond = 0): Bucket | undefined {
  return perSecond > 0 ? new Bucket(perSecond) : undefined;
}
