/** docs/json.md says what `--json` prints: no field more, none less, and each of its kind. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';

import { JsonReporter } from '../../src/cli/events.js';
import { ScriptedPeer } from '../helpers/scripted-peer.js';
import { makeTorrent, randomBytes } from '../helpers/torrent.js';
import { openTracker } from '../helpers/tracker.js';
import { execute, tempFolder } from './execute.js';
import { fakeDownload } from './fake.js';

/** Type of event → its fields, as `peers.known: number`. */
type Shapes = Map<string, Set<string>>;

const OPTIONS = ['--json', '--no-dht', '--no-lsd'];
const NOBODY = 'http://127.0.0.1:9/announce';

test('the examples of docs/json.md have the fields that the program prints, and no others', async () => {
  const document = readFileSync(new URL('../../docs/json.md', import.meta.url), 'utf8');
  const examples = [...document.matchAll(/^```json\n([^]*?)^```$/gm)].map(([, lines = '']) => lines).join('');
  const [documented, printed] = [shapesOf(examples), shapesOf(await printAll())];
  assert.deepEqual([...documented.keys()].sort(), [...printed.keys()].sort());
  for (const [type, fields] of documented) assert.deepEqual([...fields].sort(), [...printed.get(type)!].sort(), type);
  for (const type of printed.keys()) assert.ok(document.includes(`\n## \`${type}\`\n`), `${type} has a heading`);
});

/** Lines with every field of every event. */
async function printAll(): Promise<string> {
  return (await printDownload()) + (await printFailures()) + (await printDryRuns()) + printSeveral();
}

/** From a good peer and one that lies, found by trackers of which one does not answer. */
async function printDownload(): Promise<string> {
  await using tracker = await openTracker({ extra: { incomplete: 2 } });
  const options = { name: 'many', trackers: [[NOBODY], [tracker.url]] };
  const torrent = makeTorrent([{ path: 'one', data: randomBytes('documented', 600_000) }], options);
  await using seed = await ScriptedPeer.open(torrent, { rate: 400_000 });
  await using liar = await ScriptedPeer.open(torrent, { behaviour: 'corrupt', host: '127.0.0.2' });
  const cwd = await tempFolder();
  await writeFile(path.join(cwd, 'x.torrent'), torrent.bytes);
  const peers = [seed, liar].flatMap(({ address }) => ['--peer', `${address.host}:${address.port}`]);
  const { code, stdout, stderr } = await execute([...OPTIONS, '-v', ...peers, '-o', 'out', 'x.torrent'], { cwd });
  assert.equal(code, 0, stderr);
  return stdout;
}

/** A stall and its error, and what is no torrent. */
async function printFailures(): Promise<string> {
  const torrent = makeTorrent(randomBytes('documented too', 100_000), { trackers: [[NOBODY]] });
  const cwd = await tempFolder();
  await writeFile(path.join(cwd, 'x.torrent'), torrent.bytes);
  await writeFile(path.join(cwd, 'broken.torrent'), 'd4:infoi1ee');
  const stalled = await execute([...OPTIONS, '--stall-timeout', '1s', 'x.torrent'], { cwd });
  const broken = await execute([...OPTIONS, 'broken.torrent'], { cwd });
  assert.deepEqual([stalled.code, broken.code], [4, 3]);
  return stalled.stdout + broken.stdout;
}

/** Of one that would begin, and of one that something is in the way of. */
async function printDryRuns(): Promise<string> {
  const torrent = makeTorrent(randomBytes('documented', 100_000));
  await using seed = await ScriptedPeer.open(torrent);
  await using tracker = await openTracker({ peers: [seed.address], extra: { incomplete: 2 } });
  const cwd = await tempFolder();
  await writeFile(path.join(cwd, 'x.torrent'), torrent.bytes);
  const words = [...OPTIONS, '--dry-run', '--tracker', tracker.url, 'x.torrent'];
  const begins = await execute(words, { cwd });
  await mkdir(path.join(cwd, torrent.name));
  const blocked = await execute(words, { cwd });
  assert.deepEqual([begins.code, blocked.code], [0, 5], begins.stderr);
  return begins.stdout + blocked.stdout;
}

function printSeveral(): string {
  const output = new PassThrough({ encoding: 'utf8' });
  const reporter = new JsonReporter({}, output);
  for (const source of ['a', 'b']) reporter.ended({ source, download: fakeDownload(), startedAt: 0 }, 0);
  reporter.close(0);
  return String(output.read());
}

function shapesOf(lines: string): Shapes {
  const shapes: Shapes = new Map();
  for (const line of lines.split('\n').filter((text) => text !== '')) {
    const event = JSON.parse(line) as { type: string };
    const fields = shapes.get(event.type) ?? new Set();
    for (const field of fieldsOf(event, '')) fields.add(field);
    shapes.set(event.type, fields);
  }
  return shapes;
}

function fieldsOf(value: unknown, name: string): string[] {
  if (Array.isArray(value)) return value.flatMap((item) => fieldsOf(item, `${name}[]`));
  if (typeof value !== 'object' || value === null) return [`${name}: ${value === null ? 'null' : typeof value}`];
  return Object.entries(value).flatMap(([key, part]) => fieldsOf(part, `${name}.${key}`));
}
