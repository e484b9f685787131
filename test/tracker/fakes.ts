import type { Clock } from '../../src/common/clock.js';
import { TrackerError } from '../../src/common/errors.js';
import type { Announce, AnnounceReply, AnnounceRequest } from '../../src/tracker/announce.js';
import { Announcer, type AnnouncerOptions } from '../../src/tracker/announcer.js';

/** A clock that stands still until it is wound. */
export class FakeClock implements Clock {
  #now = 1000;
  readonly #timers = new Set<{ readonly at: number; readonly callback: () => void }>();

  now(): number {
    return this.#now;
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = { at: this.#now + delayMs, callback };
    this.#timers.add(timer);
    return () => {
      this.#timers.delete(timer);
    };
  }

  get timers(): number {
    return this.#timers.size;
  }

  /** Lets time pass; what is due happens in order, and what follows from it, before the next. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settle();
    for (let steps = 0; steps < 10_000; steps++) {
      const next = [...this.#timers].sort((a, b) => a.at - b.at)[0];
      if (!next || next.at > end) break;
      this.#now = Math.max(this.#now, next.at);
      this.#timers.delete(next);
      next.callback();
      await settle();
    }
    this.#now = end;
  }
}

/** Until all that follows without time passing has happened. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate);
}

/** What a fake tracker does: answers, refuses with this error, or hangs. */
export type Behaviour = Partial<AnnounceReply> | TrackerError | 'hang';

export interface Asked {
  readonly tracker: string;
  readonly event: string;
  readonly at: number;
  readonly request: AnnounceRequest;
}

export const refused = new TrackerError('ERR_TRACKER_UNREACHABLE', 'connection refused');

/** An announcer on trackers `a`, `b` … (`fake://a/`), that behave as `behaviours` says at the time. */
export function fakeAnnouncer(
  tiers: readonly (readonly string[])[],
  behaviours: Record<string, Behaviour> = {},
  options: Partial<AnnouncerOptions> = {},
): { announcer: Announcer; clock: FakeClock; asked: Asked[]; found: string[]; notices: string[] } {
  const clock = new FakeClock();
  const asked: Asked[] = [];
  const found: string[] = [];
  const notices: string[] = [];
  const announce: Announce = (request, { signal, timeoutMs }) => {
    const tracker = request.url.hostname;
    asked.push({ tracker, event: request.event ?? '', at: clock.now(), request });
    const behaviour = behaviours[tracker] ?? {};
    if (behaviour instanceof TrackerError) return Promise.reject(behaviour);
    if (behaviour !== 'hang') return Promise.resolve(reply(behaviour));
    return new Promise((_, reject) => {
      const end = (): void => {
        cancel();
        reject(new TrackerError('ERR_TRACKER_UNREACHABLE', 'no answer'));
      };
      const cancel = clock.after(timeoutMs, end);
      signal.addEventListener('abort', end);
    });
  };
  const announcer = Announcer.open({
    tiers: tiers.map((tier) =>
      tier.map((name) => (name.includes(':') ? name : `fake://${name}/announce?passkey=s3cret`)),
    ),
    infoHash: new Uint8Array(20).fill(0xab),
    peerId: new TextEncoder().encode('-TD0100-abcdefghijkl'),
    port: () => 6881,
    totals: () => ({ uploaded: 1, downloaded: 2, left: 3 }),
    onPeers: (addresses, source) => found.push(...addresses.map(({ host }) => `${host} from ${source}`)),
    onNotice: (text) => notices.push(text),
    clock,
    random: () => 0.999,
    protocols: { 'fake:': announce },
    ...options,
  });
  return { announcer, clock, asked, found, notices };
}

export function reply(parts: Partial<AnnounceReply> = {}): AnnounceReply {
  return {
    peers: [],
    intervalMs: 1_800_000,
    minIntervalMs: 60_000,
    complete: undefined,
    incomplete: undefined,
    trackerId: undefined,
    warning: undefined,
    externalIp: undefined,
    ...parts,
  };
}

/** A first announce to this URL. */
export function requestTo(url: string, parts: Partial<AnnounceRequest> = {}): AnnounceRequest {
  return {
    url: new URL(url),
    infoHash: new Uint8Array(20).fill(0xab),
    peerId: new TextEncoder().encode('-TD0100-abcdefghijkl'),
    key: '0badcafe',
    port: 6881,
    totals: { uploaded: 1, downloaded: 2, left: 3 },
    event: 'started',
    numWant: 200,
    trackerId: undefined,
    ...parts,
  };
}

/** Damages bytes: flips, cuts, repeats, overwrites; the same for the same number. */
export function mutate(bytes: Uint8Array, seed: number): Uint8Array {
  let state = (seed * 0x9e37_79b1 + 1) >>> 0;
  const random = (below: number): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
  let result = Uint8Array.from(bytes);
  for (let step = random(4); step >= 0; step--) {
    const at = random(result.length + 1);
    const kind = random(4);
    if (kind === 0 && at < result.length) result[at]! ^= 1 << random(8);
    else if (kind === 1) result = result.slice(0, at);
    else if (kind === 2) result = Uint8Array.of(...result.subarray(0, at), ...result.subarray(random(at + 1)));
    else result.fill([0, 0x7f, 0x80, 0xff][random(4)]!, at, at + 1 + random(8));
  }
  return result;
}
