/** A bug of ours that would hang a download: here peers are not asked any more. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { mock, test } from 'node:test';
import { exitCodeOf } from '../../src/cli/exit.js';
import { PieceAssembler } from '../../src/piece/assembler.js';
import { downloadHere } from '../helpers/download.js';
import { ScriptedPeer } from '../helpers/scripted-peer.js';
import { makeTorrent, randomBytes } from '../helpers/torrent.js';

const WATCH_MS = 250;
type Taken = Parameters<PieceAssembler['takeBlocks']>;

/** Four pieces. */
const MOST_AGAIN = 4 * 32_768;
/** A minute in little more than a second. */
const FAST_WATCH_MS = 5;

test('a download that forgets to ask its peers says so after a minute, with what it has saved', async (t) => {
  const out = await mkdtemp(path.join(tmpdir(), 'torrent-dl-watchdog-'));
  t.after(() => rm(out, { recursive: true, force: true }));
  const torrent = makeTorrent(randomBytes('watchdog', 8 * 2 ** 20), { pieceLength: 32_768 });
  await using seed = await ScriptedPeer.open(torrent, { rate: 4 * 2 ** 20 });
  const options = { out, peers: [seed.address] };

  const { setInterval: every } = globalThis;
  const timers = mock.method(globalThis, 'setInterval', (callback: () => void, ms: number) => {
    return every(callback, ms === WATCH_MS ? FAST_WATCH_MS : ms);
  });
  const original = Reflect.get<PieceAssembler, 'takeBlocks'>(PieceAssembler.prototype, 'takeBlocks');
  const takeBlocks = mock.method(PieceAssembler.prototype, 'takeBlocks');
  {
    await using download = downloadHere(torrent.bytes, options);
    let isForgetful = false;
    takeBlocks.mock.mockImplementation(function (this: PieceAssembler, ...words: Taken) {
      isForgetful ||= download.stats().havePieces > 3;
      if (!isForgetful) Reflect.apply(original, this, words);
    });
    await assert.rejects(download.ended, (error: Error) => {
      assert.match(error.message, /^bug: no progress for a minute: peers that could send were not asked \(1\)$/);
      return exitCodeOf(error) === 1;
    });
  }
  takeBlocks.mock.restore();
  timers.mock.restore();

  await using again = downloadHere(torrent.bytes, options);
  await again.done;
  assert.ok(seed.sent - torrent.totalLength <= MOST_AGAIN, 'only pieces in progress are fetched again');
});
