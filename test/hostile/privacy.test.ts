/** What a tracker knows its user by, and passwords in URLs, are printed nowhere; and nothing listens beside the peer port. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, test } from 'node:test';
import { ScriptedPeer } from '../helpers/scripted-peer.js';
import { makeTorrent, randomBytes } from '../helpers/torrent.js';
import { fail, hang, openTracker, redirect, say, type Answer } from '../helpers/tracker.js';
import { watched } from './watched.js';
import { World } from './world.js';

const skip = process.platform !== 'linux';
const torrent = makeTorrent(randomBytes('privacy', 60_000));

/** Every part of a tracker's URL may be what it knows its user by, in whatever spelling it repeats it. */
const LOGIN = 's3cret-user:s3cret-word';
const PATH = '/s3cret-path/s3cret%20%2B%C3%A4/announce';
const QUERY = '?passkey=s3cret-query&uid=s3cret%2Fid&more=s3cret+more';
const SECRET = /s3cret/i;

const repeated = (url = ''): string => {
  const plain = url.replaceAll(/%(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(`${url} is ${plain}, is not known: ${PATH} ${QUERY} ${LOGIN}`, 'latin1').toString();
};

const lengthOf = (text: string): number => Buffer.byteLength(text);

const ANSWERS: Readonly<Record<string, Answer>> = {
  'refuses with an error status and the URL': (request, response) =>
    fail(403, repeated(request.url))(request, response),
  'gives the URL as the reason': (request, response) => fail(200, repeated(request.url))(request, response),
  'warns with the URL': (request, response) =>
    say(`d8:intervali60e5:peers0:15:warning message${lengthOf(repeated(request.url))}:${repeated(request.url)}e`)(
      request,
      response,
    ),
  'answers with the URL': (request, response) => say(repeated(request.url))(request, response),
  'redirects to other secrets': redirect('/s3cret-next/page?uid=s3cret-next'),
  'redirects to a port that there is not': redirect('http://127.0.0.1:99999/s3cret-next/announce'),
  'redirects to where nobody is': redirect('http://s3cret:s3cret-pass@127.0.0.1:9/s3cret-next/announce?x=s3cret'),
  'redirects to another protocol': redirect('gopher://127.0.0.1/s3cret-next'),
  'hangs up': (_, response) => void response.socket?.destroy(),
  hangs: hang,
};

/** All that a user may ask to see. */
const VOICES: readonly (readonly [words: readonly string[], env: Readonly<Record<string, string>>])[] = [
  [['--verbose'], { DEBUG: '*' }],
  [['--json', '--verbose'], {}],
];

/** A network with one interface beside loopback, where nobody is. */
const NETWORK = [
  ...['link set lo up', 'link add lan type veth peer name end', 'address add 192.0.2.1/24 dev lan'],
  ...['link set end up', 'link set lan up'],
]
  .map((words) => `ip ${words}`)
  .join(' && ');

/** 239.192.152.143 and ff15::efc0:988f as `/proc/net` writes them (BEP 14). */
const LSD_GROUPS = ['8F98C0EF', '000015FF00000000000000008F98C0EF'];

/** States of sockets in `/proc/net`. */
const [LISTEN, UNCONNECTED] = ['0A', '07'];

async function assertSilent(source: string | Uint8Array, words: readonly string[], env = {}): Promise<void> {
  for (const [voice, more] of VOICES) {
    await using world = await World.open();
    const operand = typeof source === 'string' ? source : await world.give('a.torrent', source);
    const args = [operand, '-o', world.out, '--stall-timeout', '2', '--metadata-timeout', '2', ...voice, ...words];
    // A world would mind the stacks that DEBUG asks for.
    const quiet = { HOME: world.home, TORRENT_DL_DHT: 'false', TORRENT_DL_LSD: 'false' };
    const { code, stdout, stderr } = await watched(args, { cwd: world.home, env: { ...quiet, ...more, ...env } });
    assert.equal(code, 4, stderr);
    assert.doesNotMatch(stdout + stderr, SECRET, voice.join(' '));
    assert.match(stdout + stderr, /127\.0\.0\.1|tracker\.invalid/, 'which tracker it was is told');
  }
}

describe('passkeys are nowhere to be seen when a tracker', { skip, concurrency: 4 }, () => {
  for (const [what, answer] of Object.entries(ANSWERS)) {
    test(what, async () => {
      await using tracker = await openTracker({ misbehave: () => answer });
      const url = `http://${LOGIN}@127.0.0.1:${tracker.port}${PATH}${QUERY}`;
      const torrentOfIt = makeTorrent(randomBytes('privacy', 60_000), { trackers: [[url]] });
      await assertSilent(torrentOfIt.bytes, []);
      assert.ok(tracker.announces.length > 0, 'it was never asked');
    });
  }

  for (const url of [
    `http://${LOGIN}@127.0.0.1:9${PATH}${QUERY}`,
    `udp://127.0.0.1:9${PATH}${QUERY}`,
    `https://${LOGIN}@127.0.0.1:9${PATH}${QUERY}`,
  ]) {
    test(`is not there: ${url.slice(0, 5)}`, async () => {
      const link = `magnet:?xt=urn:btih:${torrent.infoHash.toString('hex')}&tr=${encodeURIComponent(url)}`;
      await assertSilent(torrent.bytes, ['--tracker', url]);
      await assertSilent(link, []);
    });
  }

  test('is named to sub-commands and to a dry run', async () => {
    await using world = await World.open();
    const url = `http://${LOGIN}@127.0.0.1:9${PATH}${QUERY}`;
    const { bytes } = makeTorrent(randomBytes('privacy', 60_000), { trackers: [[url]] });
    const [file, data] = [await world.give('a.torrent', bytes), await world.give('data', bytes)];
    const link = `magnet:?xt=urn:btih:${torrent.infoHash.toString('hex')}&tr=${encodeURIComponent(url)}`;
    const lines = [
      ...[file, link, ` ${link}`].map((operand) => ['info', operand]),
      ['info', '--json', file],
      ['create', data, '--tracker', url, '-o', path.join(world.out, 'b.torrent')],
      ['verify', '--json', file, '-o', world.out],
      ['--list', file],
      ['--dry-run', file, '-o', world.out],
      ['--dry-run', '--json', file, '-o', world.out],
      ['metadata', link, '--metadata-timeout', '1'],
      ['--json', ` ${link}`, '-o', world.out, '--metadata-timeout', '1'],
      ['--tracker', `ftp://${LOGIN}@127.0.0.1${PATH}`, file],
    ];
    for (const words of lines) {
      const env = { HOME: world.home, TORRENT_DL_DHT: 'false', TORRENT_DL_LSD: 'false', DEBUG: '*' };
      const { stdout, stderr } = await watched(words, { cwd: world.home, env });
      assert.ok(stdout + stderr !== '', words.join(' '));
      assert.doesNotMatch(stdout + stderr, SECRET, words.join(' '));
    }
  });

  test('is asked by a proxy with a password', async () => {
    const proxy = `http://s3cret:s3cret-pass@127.0.0.1:9`;
    const env = { http_proxy: proxy, HTTP_PROXY: proxy, https_proxy: proxy, no_proxy: '' };
    for (const scheme of ['http', 'https']) {
      await assertSilent(torrent.bytes, ['--tracker', `${scheme}://tracker.invalid${PATH}${QUERY}`], env);
    }
  });
});

describe('while it runs, what listens is', { skip, concurrency: 2 }, () => {
  for (const [what, words, udp] of [
    ['the peer port, and no other (T8)', [], 0],
    ['the peer port and, of the same number, that of the DHT', ['--dht', '--dht-bootstrap', '127.0.0.1:9'], 1],
    ['the peer port and, of the same number, that of UDP trackers', ['--tracker', 'udp://127.0.0.1:9/announce'], 1],
  ] as const) {
    test(what, async () => {
      await using world = await World.open();
      await using peer = await ScriptedPeer.open(torrent, { behaviour: 'stall' });
      const file = await world.give('a.torrent', torrent.bytes);
      let pid = 0;
      const peerWords = ['--peer', `127.0.0.1:${peer.address.port}`];
      const ending = world.run([file, '-o', world.out, ...words, ...peerWords], {
        onStart: (started) => (pid = started),
      });
      while (peer.requests === 0) await sleep(20);
      const tcp = portsOf(pid, ['tcp', 'tcp6'], LISTEN);
      assert.equal(tcp.size, 1);
      assert.deepEqual(portsOf(pid, ['udp', 'udp6'], UNCONNECTED), udp === 0 ? new Set() : tcp);
      process.kill(pid, 'SIGTERM');
      await ending;
    });
  }

  test(
    'for the local network a multicast group, which nobody outside can send to',
    { skip: !canUnshare() },
    async () => {
      await using world = await World.open();
      const file = await world.give('a.torrent', torrent.bytes);
      let pid = 0;
      const ending = world.run([file, '-o', world.out, '--stall-timeout', '20'], {
        before: `set -- unshare -rn sh -c '${NETWORK}; exec "$@"' sh "$@"`,
        env: { TORRENT_DL_LSD: 'true' },
        onStart: (started) => (pid = started),
      });
      const groups = (): readonly Listening[] => (pid === 0 ? [] : socketsOf(pid, ['udp', 'udp6'], UNCONNECTED));
      for (let looks = 0; groups().length === 0 && looks < 300; looks++) await sleep(50);
      const found = groups();
      process.kill(pid, 'SIGTERM');
      await ending;
      assert.ok(found.length > 0, 'nothing listens to the group');
      for (const { host, port } of found) {
        assert.equal(port, 6771);
        assert.ok(LSD_GROUPS.includes(host), host);
      }
    },
  );
});

function canUnshare(): boolean {
  return spawnSync('unshare', ['-rn', 'sh', '-c', NETWORK]).status === 0;
}

interface Listening {
  /** Hexadecimal, as `/proc/net` has it. */
  readonly host: string;
  readonly port: number;
}

/** The local ports of a process's sockets that are in this state. */
function portsOf(pid: number, tables: readonly string[], wanted: string): ReadonlySet<number> {
  return new Set(socketsOf(pid, tables, wanted).map(({ port }) => port));
}

function socketsOf(pid: number, tables: readonly string[], wanted: string): readonly Listening[] {
  const inodes = readdirSync(`/proc/${pid}/fd`).map(
    (fd) => /^socket:\[(\d+)\]$/.exec(linkOf(`/proc/${pid}/fd/${fd}`))?.[1],
  );
  const lines = tables.flatMap((table) => readFileSync(`/proc/${pid}/net/${table}`, 'utf8').split('\n'));
  const fields = lines.map((line) => line.trim().split(/\s+/));
  const found = fields.filter(([, , , state, , , , , , inode]) => state === wanted && inodes.includes(inode));
  return found.map(([, local = '']) => {
    const [host = '', port = ''] = local.split(':');
    return { host, port: Number.parseInt(port, 16) };
  });
}

function linkOf(file: string): string {
  try {
    return readlinkSync(file);
  } catch {
    return ''; // closed meanwhile
  }
}
