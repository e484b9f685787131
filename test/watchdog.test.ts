import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Bitfield } from '../src/common/bitfield.js';
import { isHeldBack, owedBy, Watchdog, type Sign, type Watched, type WatchedPeer } from '../src/watchdog.js';

const OWED = 'nobody was asked';

/** Looks at the same thing again and again; the number of the look that complained, or undefined. */
function lookOften(watchdog: Watchdog, times: number, sign: (look: number) => Sign): number | undefined {
  for (let look = 0; look < times; look++) if (watchdog.look(sign(look))) return look;
  return undefined;
}

test('a minute in which only we could do something, and did not, is a bug', () => {
  const watchdog = new Watchdog();
  assert.equal(
    lookOften(watchdog, 1000, () => ({ progress: 7, owed: OWED })),
    240,
  );
  assert.match(
    watchdog.look({ progress: 7, owed: OWED })!.message,
    /^bug: no progress for a minute: nobody was asked$/,
  );
});

test('who waits for others waits for ever', () => {
  assert.equal(
    lookOften(new Watchdog(), 100_000, () => ({ progress: 7, owed: undefined })),
    undefined,
  );
});

test('slow progress is progress, and so is one look at which it is the turn of others', () => {
  assert.equal(
    lookOften(new Watchdog(), 10_000, (look) => ({ progress: Math.floor(look / 239), owed: OWED })),
    undefined,
  );
  assert.equal(
    lookOften(new Watchdog(), 10_000, (look) => ({ progress: 7, owed: look % 239 === 0 ? undefined : OWED })),
    undefined,
  );
});

const ALL = new Bitfield(8, Uint8Array.of(0xff));

/** A download that lacks pieces, has room, and waits for nobody. */
function watched(change: Partial<Watched> = {}, slots: Partial<Watched['slots']> = {}): Watched {
  return {
    session: { threads: { isStuck: false } },
    target: { isWaiting: false, keepsPieces: true },
    slots: { isEmpty: true, isFull: false, isWriting: false, mayStart: true, open: [], pieceOf: () => 3, ...slots },
    picker: { wantedCount: 5, hasWanted: (have) => have.count > 0 },
    ...change,
  };
}

function peer(change: Partial<WatchedPeer> = {}, owes = 0): WatchedPeer {
  return {
    isOpen: true,
    peerChoking: false,
    have: ALL,
    fetcher: { requests: { size: owes }, isInLine: false },
    ...change,
  };
}

test('we owe something when peers could send and were not asked, when memory leaks, when pieces are lost', () => {
  assert.match(owedBy(watched(), [peer(), peer({ peerChoking: true })])!, /not asked \(1\)/);
  assert.match(owedBy(watched({}, { open: [0], isFull: true, mayStart: false }), [peer()])!, /not asked/);
  assert.match(owedBy(watched({}, { isFull: true, isEmpty: false, mayStart: false }), [])!, /all memory is taken/);
  assert.match(owedBy(watched({ picker: { wantedCount: 0, hasWanted: () => false } }), [])!, /none is wanted/);
  assert.match(owedBy(watched({ session: { threads: { isStuck: true } } }), undefined)!, /nobody listens/);
});

test('it is the turn of others while peers owe us blocks, choke us or lack what we do, and of the disk and of the reader', () => {
  const empty = new Bitfield(8);
  assert.equal(owedBy(watched(), [peer(), peer({}, 1)]), undefined);
  assert.equal(
    owedBy(watched(), [peer({ peerChoking: true }), peer({ isOpen: false }), peer({ have: empty })]),
    undefined,
  );
  assert.equal(owedBy(watched({}, { isWriting: true, isFull: true }), [peer()]), undefined);
  assert.equal(owedBy(watched({ target: { isWaiting: true, keepsPieces: true } }), [peer()]), undefined);
  assert.equal(
    owedBy(watched({ target: { isWaiting: false, keepsPieces: false } }, { isFull: true }), [peer()]),
    undefined,
  );
  assert.equal(owedBy(watched(), []), undefined);
  assert.equal(owedBy(watched(), undefined), undefined);
});

test('a peer that could send and waits for a turn under the download limit is held back, and no bug', () => {
  const inLine = { fetcher: { requests: { size: 0 }, isInLine: true } };
  assert.equal(owedBy(watched(), [peer(inLine)]), undefined);
  assert.equal(isHeldBack(watched(), [peer({}, 1), peer(inLine)]), true);
  assert.equal(isHeldBack(watched(), [peer(), peer({ ...inLine, peerChoking: true })]), false);
  assert.equal(isHeldBack(watched(), [peer({ ...inLine, have: new Bitfield(8) })]), false);
});
