/** How long a pick takes, over numbers of pieces and peers: `node --import tsx test/bench/picker.ts`. */
import { pathToFileURL } from 'node:url';
import { Bitfield } from '../../src/common/bitfield.js';
import { PiecePicker } from '../../src/piece/picker.js';

export interface PickerRow {
  readonly pieces: number;
  readonly peers: number;
  /** Nanoseconds for each: a pick, a pick for a peer with 1 ‰ of the pieces, a have. */
  readonly pick: number;
  readonly sequentialPick: number;
  readonly poorPick: number;
  readonly have: number;
  /** Microseconds for a peer that comes with half of the pieces, and goes. */
  readonly comeAndGo: number;
}

const HAVES = 20_000;
const MOST_PICKS = 4000;
const TURNS = 9;

const randomOf = (seed: number) => (): number => (seed = (seed * 16_807) % 2_147_483_647) / 2_147_483_647;

function bitfieldOf(pieces: number, share: number, random: () => number): Bitfield {
  const have = new Bitfield(pieces);
  if (share >= 1) have.fill();
  else for (let index = 0; index < pieces; index++) if (random() < share) have.add(index);
  return have;
}

/** The median of several runs, in ns for each of `count` calls; `after` is not measured. */
function measure(count: number, run: () => void, after = (): void => undefined): number {
  const results: number[] = [];
  for (let turn = 0; turn < TURNS; turn++) {
    const start = process.hrtime.bigint();
    run();
    results.push(Number(process.hrtime.bigint() - start) / count);
    after();
  }
  return results.sort((a, b) => a - b)[TURNS >> 1]!;
}

/** Picks for all peers in turn, up to half of the pieces. */
function measurePicks(picker: PiecePicker, peers: readonly Bitfield[], count: number): number {
  const picks = new Int32Array(count);
  return measure(
    count,
    () => {
      for (let turn = 0; turn < count; turn++) picks[turn] = picker.pick(peers[turn % peers.length]!);
    },
    () => {
      for (const index of picks) if (index >= 0) picker.release(index);
    },
  );
}

/** A swarm of seeds (one in ten) and peers with 5 to 95 % of the pieces. */
export function benchPicker(pieces: number, peerCount: number): PickerRow {
  const random = randomOf(pieces + peerCount);
  const picker = new PiecePicker(pieces, { random });
  const sequential = new PiecePicker(pieces, { sequential: true, random });
  for (let index = 0; index < 4; index++) picker.markDone(index);
  const peers = Array.from({ length: peerCount }, (_, peer) =>
    bitfieldOf(pieces, peer % 10 === 0 ? 1 : 0.05 + 0.9 * random(), random),
  );
  for (const have of peers) {
    picker.addPeer(have);
    sequential.addPeer(have);
  }
  const poor = bitfieldOf(pieces, 0.001, random);
  picker.addPeer(poor);
  const flood = Int32Array.from({ length: HAVES }, () => Math.floor(random() * pieces));
  const newcomer = bitfieldOf(pieces, 0.5, random);
  return {
    pieces,
    peers: peerCount,
    pick: measurePicks(picker, peers, Math.min(MOST_PICKS, pieces >> 1)),
    sequentialPick: measurePicks(sequential, peers, Math.min(MOST_PICKS, pieces >> 1)),
    poorPick: measurePicks(picker, [poor], Math.max(1, Math.min(MOST_PICKS, poor.count))),
    have: measure(HAVES, () => {
      for (const index of flood) picker.addHave(index);
    }),
    comeAndGo:
      measure(1, () => {
        picker.addPeer(newcomer);
        picker.removePeer(newcomer);
      }) / 1000,
  };
}

export function benchPickers(): PickerRow[] {
  benchPicker(1000, 10); // warms up
  return [1e3, 1e4, 1e5, 1e6].flatMap((pieces) => [10, 100, 500].map((peers) => benchPicker(pieces, peers)));
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const columns = ['pieces', 'peers', 'pick', 'sequentialPick', 'poorPick', 'have', 'comeAndGo'] as const;
  const line = (cells: readonly string[]): string => cells.map((cell) => cell.padStart(15)).join('') + '\n';
  process.stdout.write(line(columns));
  for (const row of benchPickers()) process.stdout.write(line(columns.map((column) => row[column].toFixed(0))));
}
