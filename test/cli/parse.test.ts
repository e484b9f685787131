import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { Options } from '../../src/cli/options.js';
import { parseCommandLine } from '../../src/cli/parse.js';
import { textWidth } from '../../src/cli/width.js';

const parse = (argv: readonly string[], env: NodeJS.ProcessEnv = {}) =>
  parseCommandLine(argv, { XDG_CONFIG_HOME: '/nonexistent', ...env });

function optionsOf(...argv: string[]): Options {
  const parsed = parse([...argv, 'x.torrent']);
  assert.equal(parsed.kind, 'download', JSON.stringify(parsed));
  return parsed.options;
}

function mistake(...argv: string[]): string {
  const parsed = parse(argv);
  assert.equal(parsed.kind, 'mistake', JSON.stringify(parsed));
  assert.doesNotMatch(parsed.message, /\n/);
  return parsed.message;
}

test('a torrent alone leaves every option to the engine', () => {
  assert.deepEqual(parse(['x.torrent']), { kind: 'download', torrents: ['x.torrent'], options: {} });
});

test('a lone dash is the torrent on standard input', () => {
  assert.deepEqual(parse(['-']), { kind: 'download', torrents: ['-'], options: {} });
});

test('after -- a word is the torrent, whatever it looks like', () => {
  assert.deepEqual(parse(['--', '-x.torrent']), { kind: 'download', torrents: ['-x.torrent'], options: {} });
});

test('options work in every spelling that GNU users expect', () => {
  for (const words of [['-oiso'], ['-o', 'iso'], ['--out=iso'], ['--out', 'iso']]) {
    assert.deepEqual(optionsOf(...words), { out: 'iso' });
  }
  assert.deepEqual(optionsOf('-vp6882', '--sequential', '--seed', '--recheck', '--max-peers', '5'), {
    verbose: true,
    port: 6882,
    sequential: true,
    seed: true,
    recheck: true,
    maxPeers: 5,
  });
});

test('a duration is in seconds, minutes or hours', () => {
  const cases: [string, number][] = [
    ['90', 90_000],
    ['90s', 90_000],
    ['5m', 300_000],
    ['2h', 7_200_000],
    ['0.5s', 500],
  ];
  for (const [text, ms] of cases) {
    assert.deepEqual(optionsOf('--timeout', text, '--stall-timeout', text), { timeout: ms, stallTimeout: ms });
  }
});

test('a duration that no timer can hold, or that is none, is refused by name', () => {
  for (const text of ['0', '', 'm', '5 m', '5x', '-5', '1e3', '1000h', 'Infinity']) {
    assert.match(mistake('--timeout', text, 'x'), /^option '--timeout <duration>' argument '.*': /, text);
  }
});

test('a rate is in binary units from 1K on, or 0; a ratio is more than 0', () => {
  for (const [text, rate] of Object.entries({ '0': 0, '1K': 1024, '500k': 512_000, '2MiB': 2_097_152, '1024': 1024 })) {
    assert.deepEqual(optionsOf('--download-limit', text, '--upload-limit', text), {
      downloadLimit: rate,
      uploadLimit: rate,
    });
  }
  for (const text of ['1023', '500', '-1', '', 'K', '2M/s', '1e9']) {
    assert.match(mistake('--upload-limit', text, 'x'), /--upload-limit/, text);
  }
  for (const [text, ratio] of Object.entries({ '1': 1, '0.5': 0.5, '10.25': 10.25 })) {
    assert.deepEqual(optionsOf('--seed-ratio', text), { seedRatio: ratio });
  }
  for (const text of ['0', '0.0', '-1', '', '1:1', 'Infinity']) {
    assert.match(mistake('--seed-ratio', text, 'x'), /--seed-ratio/, text);
  }
});

test('ports and counts out of range are refused', () => {
  for (const text of ['0', '65536', '1x', '0x10', '', '1.5', ' 1']) assert.match(mistake('-p', text, 'x'), /--port/);
  for (const text of ['0', '10001']) assert.match(mistake('--max-peers', text, 'x'), /--max-peers/);
});

test('peers add up, and an IPv6 address stands in brackets', () => {
  assert.deepEqual(
    optionsOf('--peer', '192.0.2.1:6881', '--peer', '[2001:db8::1]:6882', '--peer', 'example.org:1').peer,
    [
      { host: '192.0.2.1', port: 6881 },
      { host: '2001:db8::1', port: 6882 },
      { host: 'example.org', port: 1 },
    ],
  );
  for (const text of ['192.0.2.1', '2001:db8::1:6881', ':6881', 'a:0', 'a:65536', 'a:b', '[x]:1', 'a b:1']) {
    assert.match(mistake('--peer', text, 'x'), /not host:port/, text);
  }
});

test('a value that is missing does not swallow the next option', () => {
  assert.match(mistake('--out', '--seed', 'x.torrent'), /'--seed': that looks like an option/);
  assert.match(mistake('--out=', 'x.torrent'), /it is empty/);
  assert.match(mistake('x.torrent', '--out'), /argument missing/);
});

test('several torrents, and lists of them', () => {
  const parsed = parse(['a.torrent', '-', '--input-file', 'l', '--input-file=m', 'b.torrent', '--parallel', '2']);
  assert.deepEqual(parsed, {
    kind: 'download',
    torrents: ['a.torrent', '-', 'b.torrent'],
    options: { inputFile: ['l', 'm'], parallel: 2 },
  });
  assert.deepEqual(parse(['--input-file', '-']), { kind: 'download', torrents: [], options: { inputFile: ['-'] } });
  assert.match(mistake('-', '--input-file', '-'), /read once only/);
  assert.match(mistake('a.torrent', ''), /empty/);
  assert.match(mistake('--parallel', '0', 'x'), /from 1 to 1000/);
});

test('what is for one torrent is not for several', () => {
  for (const flag of ['--list', '--dry-run', '-o-', '--name=n']) {
    assert.match(mistake(flag, 'a.torrent', 'b.torrent'), /is for one torrent, not for several/);
    assert.match(mistake(flag, '--input-file', 'list'), /is for one torrent, not for several/);
  }
});

test('what is unknown, too much or contradictory is a mistake', () => {
  assert.match(mistake('--sed', 'x'), /unknown option '--sed' \(Did you mean --seed\?\)/);
  assert.match(mistake('-qv', 'x'), /--quiet and --verbose/);
  assert.match(mistake(''), /empty/);
});

test('without a torrent the usage is shown', () => {
  for (const argv of [[], ['--seed']]) {
    const parsed = parse(argv);
    assert.equal(parsed.kind, 'usage');
    assert.match(parsed.text, /^Usage: torrent-dl \[options\] <torrent>…\n/);
  }
});

test('the help shows every option within 80 columns, examples first', () => {
  const parsed = parse(['--help']);
  assert.equal(parsed.kind, 'text');
  for (const line of parsed.text.split('\n')) assert.ok(textWidth(line) <= 80, line);
  for (const word of ['--out', '--port', '--max-peers', '--sequential', '--seed', '--peer', '--timeout', '--help']) {
    assert.ok(parsed.text.includes(word), word);
  }
  const sections = [...parsed.text.matchAll(/^(\w[\w ]*):$/gm)].map((match) => match[1]);
  assert.deepEqual(sections, [
    'Examples',
    'Commands',
    'Download',
    'Files',
    'Afterwards',
    'Network',
    'Peers',
    'Output',
    'Settings',
    'Exit codes',
  ]);
});

test('the version is one line', () => {
  const parsed = parse(['--version']);
  assert.equal(parsed.kind, 'text');
  assert.match(parsed.text, /^torrent-dl \d+\.\d+\.\d+\n$/);
});

test('ways of finding peers are switched off one by one, and on again over the environment', () => {
  assert.deepEqual(optionsOf('--no-dht', '--no-pex', '--no-lsd', '--no-trackers'), {
    dht: false,
    pex: false,
    lsd: false,
    trackers: false,
  });
  const parsed = parse(['--dht', 'x'], { TORRENT_DL_DHT: 'no', TORRENT_DL_LSD: 'off', TORRENT_DL_PEX: '' });
  assert.deepEqual(parsed, { kind: 'download', torrents: ['x'], options: { dht: true, lsd: false } });
});

test('an environment variable sets what no option does, and is named when it makes no sense', () => {
  const env = { TORRENT_DL_OUT: 'there', TORRENT_DL_MAX_PEERS: '7', TORRENT_DL_SEED: '1' };
  assert.deepEqual(parse(['x'], env), {
    kind: 'download',
    torrents: ['x'],
    options: { out: 'there', maxPeers: 7, seed: true },
  });
  const wrong = parse(['x'], { TORRENT_DL_SEED: 'perhaps' });
  assert.deepEqual(wrong, {
    kind: 'mistake',
    message: 'environment variable TORRENT_DL_SEED: neither true nor false',
  });
});

test('trackers and bootstrap nodes add up, and a tracker is an announce URL', () => {
  assert.deepEqual(
    optionsOf(
      '--tracker',
      'http://a/b',
      '--tracker',
      'udp://c:1',
      '--dht-bootstrap',
      'n:1',
      '--dht-bootstrap',
      '[::1]:2',
    ),
    {
      tracker: ['http://a/b', 'udp://c:1'],
      dhtBootstrap: [
        { host: 'n', port: 1 },
        { host: '::1', port: 2 },
      ],
    },
  );
  assert.match(mistake('--tracker', 'wss://x', 'x.torrent'), /not an http, https or udp URL/);
});

test('a mistake tells of a URL the scheme only, for it may hold a passkey', () => {
  assert.equal(
    mistake('--tracker', "wss://user:s3cret'@x/s3cret", 'x.torrent'),
    "option '--tracker <url>' argument 'wss://…': not an http, https or udp URL",
  );
  for (const words of ['--trackerr=http://x/s3cret', '--peer=MAGNET:?tr=s3cret', '--tracker=http://u:s3cret/@x/']) {
    assert.doesNotMatch(mistake(words, 'x.torrent'), /s3cret/);
  }
});
