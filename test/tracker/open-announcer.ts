import { afterEach } from 'node:test';
import type { PeerAddress } from '../../src/common/address.js';
import { Announcer, type AnnouncerOptions } from '../../src/tracker/announcer.js';

/** What they announce. */
export const INFO_HASH = new Uint8Array(20).fill(0x9a);

const opened = new Set<Announcer>();

// Whatever a failed test left open would keep the process, and with it all tests, from ending.
afterEach(async () => {
  const left = [...opened];
  opened.clear();
  await Promise.all(left.map((announcer) => announcer[Symbol.asyncDispose]()));
});

/** An announcer on real trackers, and a promise of the first addresses. It is closed after the test, if not before. */
export function openAnnouncer(tiers: readonly (readonly string[])[], options: Partial<AnnouncerOptions> = {}) {
  let announcer: Announcer | undefined;
  const found = new Promise<readonly PeerAddress[]>((resolve) => {
    announcer = Announcer.open({
      tiers,
      infoHash: INFO_HASH,
      peerId: new TextEncoder().encode('-TD0100-abcdefghijkl'),
      key: '0badcafe',
      port: () => 6881,
      totals: () => ({ uploaded: 1, downloaded: 2, left: 1000 }),
      onPeers: resolve,
      ...options,
    });
  });
  opened.add(announcer!);
  return { announcer: announcer!, found };
}
