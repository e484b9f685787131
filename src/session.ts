import { DiskThreads } from './file/threads.js';
import { PeerListener } from './peer/listener.js';

/** What downloads share: the listening port and the disk threads. */
export class Session implements AsyncDisposable {
  readonly listener: PeerListener;
  readonly threads: DiskThreads;

  private constructor(listener: PeerListener, threads: DiskThreads) {
    this.listener = listener;
    this.threads = threads;
  }

  /** @throws {UsageError} when `port` cannot be listened on */
  static async open(options: { readonly port?: number | undefined } = {}): Promise<Session> {
    const listener = await PeerListener.open(options.port);
    return new Session(listener, DiskThreads.open());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.listener[Symbol.asyncDispose](), this.threads[Symbol.asyncDispose]()]);
  }
}
