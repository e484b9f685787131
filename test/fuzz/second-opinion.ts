/**
 * Damaged torrent files, read by our decoder and by libtorrent. Where the two disagree, the table of classes in
 * `README.md` says why that is right; what fits no class is a finding.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { MetainfoError } from '../../src/common/errors.js';
import { decodeMetainfo } from '../../src/metainfo/decode.js';
import { mutate, randomFrom } from './mutate.js';

const PYTHON = '/usr/bin/python3';
const FIXTURES = new URL('../fixtures/', import.meta.url);

/** What one program makes of a file: its v1 info hash, in hex, or why it refuses it. */
export type Opinion = { readonly infoHash: string } | { readonly refusal: string };

export interface Difference {
  readonly bytes: Uint8Array;
  readonly ours: Opinion;
  readonly theirs: Opinion;
}

/** Why there is no second opinion here; false when there is one. */
export function whyNoSecondOpinion(): string | false {
  const { status } = spawnSync(PYTHON, ['-c', 'import libtorrent'], { stdio: 'ignore' });
  return status === 0 ? false : 'not installed: python3-libtorrent';
}

/** Asks for both opinions on `count` damaged files; gives those on which they differ. */
export async function differences(count: number, seed: number): Promise<Difference[]> {
  const folder = await mkdtemp(path.join(tmpdir(), 'torrent-dl-opinion-'));
  const python = spawn(PYTHON, [fileURLToPath(new URL('second-opinion.py', import.meta.url))], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  try {
    const answers = createInterface({ input: python.stdout })[Symbol.asyncIterator]();
    const seeds = torrents();
    const random = randomFrom(seed);
    const file = path.join(folder, 'a.torrent');
    const found: Difference[] = [];
    for (let n = 0; n < count; n++) {
      const bytes = mutate(seeds, random);
      await writeFile(file, bytes);
      python.stdin.write(`${file}\n`);
      const answer = (await answers.next()) as IteratorResult<string, undefined>;
      if (answer.done) throw new Error(`libtorrent broke on ${Buffer.from(bytes).toString('base64')}`);
      const difference = { bytes, ours: ourOpinion(bytes), theirs: opinionIn(answer.value) };
      if (differ(difference)) found.push(difference);
    }
    return found;
  } finally {
    const ended = once(python, 'close');
    python.stdin.end();
    await ended;
    await rm(folder, { recursive: true });
  }
}

function torrents(): Buffer[] {
  return readdirSync(FIXTURES, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.torrent'))
    .sort()
    .map((name) => readFileSync(new URL(name, FIXTURES)));
}

function ourOpinion(bytes: Uint8Array): Opinion {
  try {
    return { infoHash: Buffer.from(decodeMetainfo(bytes).infoHash).toString('hex') };
  } catch (error) {
    if (!(error instanceof MetainfoError)) throw error;
    return { refusal: error.message };
  }
}

function opinionIn(line: string): Opinion {
  return line.startsWith('ok ') ? { infoHash: line.slice(3) } : { refusal: line.slice(3) };
}

function differ({ ours, theirs }: Difference): boolean {
  if ('refusal' in ours || 'refusal' in theirs) return 'refusal' in ours !== 'refusal' in theirs;
  return ours.infoHash !== theirs.infoHash;
}

const oursSays = (pattern: RegExp) => (difference: Difference) =>
  'refusal' in difference.ours && pattern.test(difference.ours.refusal);
/** A file with BitTorrent v2 in it, or what damage left of that. */
const isHybrid = ({ bytes }: Difference): boolean => Buffer.from(bytes).includes('pieces root');

/** What is explained in `README.md`, under the same names. */
const CLASSES: Readonly<Record<string, (difference: Difference) => boolean>> = {
  'v2 only': oursSays(/BitTorrent v2 alone/),
  'leading zero': oursSays(/with a leading zero/),
  'key twice': oursSays(/^not a valid torrent: key .* twice/),
  'parts disagree': oursSays(/v1 and v2 parts disagree/),
  'v1 part damaged': (difference) => isHybrid(difference) && oursSays(/"length" is /)(difference),
  'v2 part damaged': (difference) => isHybrid(difference) && 'refusal' in difference.theirs,
  'padding without a path': oursSays(/"path" is (?:missing|not a list)/),
};

/** The class of the table that a difference belongs to, or undefined when it is a finding. */
export function classOf(difference: Difference): string | undefined {
  return Object.entries(CLASSES).find(([, fits]) => fits(difference))?.[0];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [count = '4000', seed = '1'] = process.argv.slice(2);
  const found = await differences(Number(count), Number(seed));
  const counts = new Map<string, number>();
  for (const difference of found) {
    const name = classOf(difference);
    counts.set(name ?? 'not explained', (counts.get(name ?? 'not explained') ?? 0) + 1);
    if (name !== undefined) continue;
    process.exitCode = 1;
    const { bytes, ours, theirs } = difference;
    process.stdout.write(`${JSON.stringify({ ours, theirs })}\n  ${Buffer.from(bytes).toString('base64')}\n`);
  }
  process.stdout.write(`${count} files, seed ${seed}: the two agree on ${Number(count) - found.length}\n`);
  for (const [name, times] of counts) process.stdout.write(`${String(times).padStart(8)} ${name}\n`);
}
