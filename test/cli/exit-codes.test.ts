/** Every exit code, through the real executable and a shell. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, test } from 'node:test';

import { EXIT_CODES } from '../../src/cli/help.js';
import { ScriptedPeer } from '../helpers/scripted-peer.js';
import { makeTorrent, randomBytes } from '../helpers/torrent.js';
import { EXECUTABLE, PLANTED_BUG, tempFolder } from './execute.js';

interface Row {
  readonly code: number;
  readonly when: string;
  /** For bash, with `$TD`, `$SEED` and `$MUTE`: the program, a peer that serves `x.torrent`, and one that sends nothing. */
  readonly line: string;
  /** Sent once the program prints `after`; by default, anything. */
  readonly signal?: NodeJS.Signals;
  readonly after?: RegExp;
  /** All of stderr. */
  readonly says?: RegExp;
}

const torrent = makeTorrent(randomBytes('exit codes', 3_000_000), { name: 'data.bin' });
const LINK = `magnet:?xt=urn:btih:${torrent.infoHash.toString('hex')}`;
const FULL = /^torrent-dl: cannot write "standard output": no space left on device\n$/;
const CLOSED = /^torrent-dl: cannot write to standard output: it is closed\n$/;
const ROWS: readonly Row[] = [
  { code: 0, when: 'all is there', line: '$TD $SEED x.torrent && cmp data.bin content' },
  { code: 0, when: 'all was there before', line: 'cp content data.bin && $TD x.torrent' },
  {
    code: 0,
    when: 'a complete download that seeds is stopped',
    line: 'cp content data.bin && exec $TD --seed --json x.torrent',
    signal: 'SIGINT',
    after: /"seeding"/,
  },
  {
    code: 1,
    when: 'a bug',
    line: `NODE_OPTIONS='--import=${PLANTED_BUG}' $TD $MUTE x.torrent`,
    says: /^torrent-dl: bug: planted \(please report it, .*\)\n$/,
  },
  { code: 2, when: 'a wrong option', line: '$TD --port 0 x.torrent', says: /^torrent-dl: [^\n]*'0'[^\n]*\n$/ },
  { code: 2, when: 'nothing to download', line: '$TD', says: /^Usage: / },
  { code: 2, when: 'options that do not go together', line: '$TD --print --json x.torrent' },
  { code: 3, when: 'no torrent', line: 'echo nonsense | $TD -' },
  { code: 3, when: 'no such torrent', line: '$TD y.torrent' },
  {
    code: 4,
    when: 'nobody is there',
    line: '$TD --stall-timeout 1s --peer 127.0.0.1:9 x.torrent',
    says: /^torrent-dl: nobody to download from for 1 s: the only known peer [^\n]*\n {2}peers: 1 known, 1 refused\n$/,
  },
  { code: 4, when: 'no metadata comes', line: `$TD --metadata-timeout 1s $MUTE '${LINK}'` },
  { code: 4, when: 'the server of a torrent is not there', line: '$TD http://127.0.0.1:9/x.torrent' },
  { code: 5, when: 'something is in the way', line: 'touch out; $TD $SEED -o out x.torrent' },
  { code: 5, when: 'a full disk takes the data', line: '$TD $SEED -o - x.torrent >/dev/full' },
  { code: 5, when: 'a full disk takes the report', line: '$TD $MUTE --json x.torrent >/dev/full' },
  { code: 5, when: 'a full disk takes the new torrent', line: '$TD create -o - content >/dev/full', says: FULL },
  {
    code: 5,
    when: 'a full disk takes the torrent of a link',
    line: `$TD metadata $SEED '${LINK}' >/dev/full`,
    says: FULL,
  },
  { code: 5, when: 'the new torrent is for nobody', line: '$TD create -q -o - content >&-', says: CLOSED },
  {
    code: 5,
    when: 'the torrent of a link is for nobody',
    line: `$TD metadata -q -o - $SEED '${LINK}' >&-`,
    says: CLOSED,
  },
  { code: 0, when: 'nobody wants the new torrent', line: '$TD create -q -o - content >/dev/null', says: /^$/ },
  { code: 6, when: 'what is there is damaged', line: 'echo other >data.bin; $TD verify x.torrent >report' },
  {
    code: 7,
    when: 'the time is up though data comes',
    line: '$TD --timeout 1s --download-limit 100K $SEED x.torrent',
    says: /^torrent-dl: not done within 1 s; run again to resume\n {2}peers: 1 known, 1 connected, 1 sending\n/,
  },
  {
    code: 7,
    when: 'the time is up',
    line: '$TD --timeout 1s $MUTE x.torrent',
    says: /^torrent-dl: not done within 1 s; run again to resume\n {2}peers: 1 known, 1 connected, 1 sent nothing\n {2}data: all of it exists in the swarm\n$/,
  },
  { code: 7, when: 'a peer sends nothing for too long', line: '$TD --stall-timeout 1s $MUTE x.torrent' },
  { code: 8, when: 'a hook fails', line: '$TD $SEED --on-complete false x.torrent' },
  { code: 129, when: 'the terminal is closed', line: 'exec $TD --json $MUTE x.torrent', signal: 'SIGHUP' },
  { code: 130, when: 'Ctrl-C', line: 'exec $TD --json $MUTE x.torrent', signal: 'SIGINT' },
  { code: 143, when: 'it is terminated', line: 'exec $TD --json $MUTE x.torrent', signal: 'SIGTERM' },
  { code: 141, when: 'the reader of the data has enough', line: '$TD $SEED -o - x.torrent | head -c 10 >begin' },
  { code: 141, when: 'the reader of the new torrent is gone', line: '$TD create -o - content | true', says: /^$/ },
  { code: 141, when: 'the reader of the report has enough', line: '$TD $MUTE --json x.torrent | head -n 1 >begin' },
];

const seed = await ScriptedPeer.open(torrent, { metadata: 'honest' });
const mute = await ScriptedPeer.open(torrent, { behaviour: 'stall' });
const root = await tempFolder();
after(() => Promise.all([seed, mute].map((peer) => peer[Symbol.asyncDispose]())));

for (const row of ROWS) {
  const { code, when, says } = row;
  test(`${code}: ${when}`, async () => {
    const cwd = await mkdtemp(path.join(root, 'run-'));
    await writeFile(path.join(cwd, 'x.torrent'), torrent.bytes);
    await writeFile(path.join(cwd, 'content'), torrent.content as Uint8Array);
    const ended = await bash(row, cwd);
    assert.equal(ended.code, code, ended.stderr);
    assert.doesNotMatch(ended.stderr, /^ {4}at /m);
    if (says) assert.match(ended.stderr, says);
  });
}

test('what the help says of exit codes is what is shown here', () => {
  const shown = new Set(ROWS.map(({ code }) => code));
  const explained = EXIT_CODES.flatMap(([codes]) => codes.split(', ').map(Number));
  assert.deepEqual(new Set(explained), shown);
});

async function bash({ line, signal, after: cue = /./ }: Row, cwd: string): Promise<{ code: number; stderr: string }> {
  const peer = ({ address }: ScriptedPeer): string => `--peer 127.0.0.1:${address.port}`;
  const child = spawn('bash', ['-c', `set -o pipefail; ${line}`], {
    cwd,
    env: {
      ...process.env,
      TORRENT_DL_DHT: 'false',
      TORRENT_DL_LSD: 'false',
      TORRENT_DL_QUIET: 'true',
      XDG_CONFIG_HOME: '/nonexistent',
      TD: `${process.execPath} ${EXECUTABLE}`,
      SEED: peer(seed),
      MUTE: peer(mute),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 30_000,
  });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  let isSent = false;
  child.stdout.on('data', (chunk: Buffer) => {
    if (signal && !isSent && cue.test(chunk.toString())) isSent = child.kill(signal);
  });
  const [code] = (await once(child, 'close')) as [number];
  return { code, stderr };
}
