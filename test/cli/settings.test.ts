import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';

import { parseCommandLine } from '../../src/cli/parse.js';
import { configPath } from '../../src/cli/settings.js';
import { execute, tempFolder } from './execute.js';

const folder = await tempFolder();
const config = path.join(folder, 'torrent-dl/config');
await mkdir(path.dirname(config));
await writeFile(
  config,
  `\ufeff# mine
out = a folder # of mine
  max-peers=7\r
dht = off

peer = 192.0.2.1:1
peer = [::1]:2
timeout = 5m
`,
);
const env = { XDG_CONFIG_HOME: folder };

function optionsOf(argv: readonly string[], more: Record<string, string> = {}): Record<string, unknown> {
  const parsed = parseCommandLine([...argv, 'x'], { ...env, ...more });
  assert.ok(parsed.kind === 'download' || parsed.kind === 'command', JSON.stringify(parsed));
  return parsed.options;
}

function mistake(argv: readonly string[], more: Record<string, string> = {}): string {
  const parsed = parseCommandLine([...argv, 'x'], { ...env, ...more });
  assert.equal(parsed.kind, 'mistake', JSON.stringify(parsed));
  return parsed.message;
}

test('the configuration file sets options, a repeated line adds to those before', () => {
  assert.deepEqual(optionsOf([]), {
    out: 'a folder # of mine',
    maxPeers: 7,
    dht: false,
    peer: [
      { host: '192.0.2.1', port: 1 },
      { host: '::1', port: 2 },
    ],
    timeout: 300_000,
  });
});

test('a flag is stronger than the environment, that than the file, that than the default', () => {
  const more = { TORRENT_DL_MAX_PEERS: '8', TORRENT_DL_OUT: 'there' };
  const { maxPeers, out, dht } = optionsOf(['--max-peers', '9'], more);
  assert.deepEqual([maxPeers, out, dht], [9, 'there', false]);
  assert.equal(optionsOf(['--dht'])['dht'], true);
});

test('a variable that is no setting is told of, and what does what it seems to mean', () => {
  assert.equal(
    mistake([], { TORRENT_DL_NO_DHT: '1' }),
    'environment variable TORRENT_DL_NO_DHT: there is no such setting; TORRENT_DL_DHT=false does that',
  );
  assert.match(
    mistake([], { TORRENT_DL_OUTT: 'x' }),
    /^environment variable TORRENT_DL_OUTT: there is no such setting$/,
  );
  assert.match(mistake([], { TORRENT_DL_JSON: '1' }), /TORRENT_DL_JSON: there is no such setting$/);
  assert.deepEqual(Object.keys(optionsOf(['create'], { TORRENT_DL_OUTT: '' })), []);
});

test('a variable holds several peers or trackers, separated by blanks', () => {
  const { peer, tracker } = optionsOf([], {
    TORRENT_DL_PEER: ' a:1  b:2 ',
    TORRENT_DL_TRACKER: 'http://t/1 udp://u:2',
  });
  assert.deepEqual(peer, [
    { host: 'a', port: 1 },
    { host: 'b', port: 2 },
  ]);
  assert.deepEqual(tracker, ['http://t/1', 'udp://u:2']);
  assert.match(mistake([], { TORRENT_DL_PEER: 'a:1 b' }), /^environment variable TORRENT_DL_PEER: /);
});

test('quiet of the environment gives way to --verbose, and the other way round', () => {
  const { quiet, verbose } = optionsOf(['-v'], { TORRENT_DL_QUIET: 'true' });
  assert.deepEqual([quiet, verbose], [undefined, true]);
  assert.equal(optionsOf(['-q'], { TORRENT_DL_VERBOSE: 'true' })['verbose'], undefined);
  assert.match(mistake([], { TORRENT_DL_QUIET: 'true', TORRENT_DL_VERBOSE: 'true' }), /exclude each other/);
});

test('--config names another file, which must be there; --no-config reads none', async () => {
  const other = path.join(folder, 'other');
  await writeFile(other, 'seed = yes\n');
  assert.deepEqual(optionsOf(['--config', other]), { seed: true });
  assert.deepEqual(optionsOf(['--no-config']), {});
  assert.match(mistake(['--config', path.join(folder, 'none')]), /cannot read the configuration file .*: no such file/);
  assert.deepEqual(optionsOf(['--config', folder + '/other', '--no-config']), {});
  assert.deepEqual(optionsOf([], { XDG_CONFIG_HOME: path.join(folder, 'none') }), {});
});

test('a line that makes no sense is named by file and number', async () => {
  const cases: [string, RegExp][] = [
    ['\nmax-peers = many', /wrong, line 2: max-peers: not a whole number/],
    ['max-peers', /wrong, line 1: not "name = value"/],
    ['maxpeers = 1', /wrong, line 1: there is no setting "maxpeers"/],
    ['list = true', /there is no setting "list"/],
    ['config = x', /there is no setting "config"/],
    ['out =', /out: it is empty/],
    ['seed = perhaps', /seed: neither true nor false/],
  ];
  const file = path.join(folder, 'wrong');
  for (const [text, expected] of cases) {
    await writeFile(file, text);
    assert.match(mistake(['--config', file]), expected, text);
  }
});

test('a sub-command takes the settings that mean the same to it', () => {
  assert.deepEqual(Object.keys(optionsOf(['verify'])).sort(), ['dht', 'maxPeers', 'out', 'peer', 'timeout']);
  assert.deepEqual(optionsOf(['create']), {});
  assert.deepEqual(Object.keys(optionsOf(['metadata'])).sort(), ['dht', 'maxPeers', 'peer']);
});

test('a sub-command without settings does not care what is in the file', async () => {
  const file = path.join(folder, 'broken/torrent-dl/config');
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, '?');
  const { kind } = parseCommandLine(['info', 'x'], { XDG_CONFIG_HOME: path.join(folder, 'broken') });
  assert.equal(kind, 'command');
});

test('--print-config shows every setting and where it comes from, and can be read back', async () => {
  const words = ['--print-config', '-p', '6000', '--peer', '192.0.2.3:3', '--no-lsd'];
  const { code, stdout } = await execute(words, { env: { ...env, TORRENT_DL_MAX_PEERS: '8' } });
  assert.equal(code, 0);
  assert.ok(
    stdout.startsWith(
      `# from the command line\nport = 6000\npeer = 192.0.2.3:3\nlsd = false\n\n# from the environment\nmax-peers = 8\n\n` +
        `# from ${config}\nout = a folder # of mine\ndht = off\ntimeout = 5m\n\n# by default\n# seed = false\n`,
    ),
    stdout,
  );
  assert.match(stdout, /\n# pex = true\n/);
  const file = path.join(folder, 'printed');
  await writeFile(file, stdout);
  const again = await execute(['--config', file, '--print-config'], { env });
  assert.deepEqual(again.stdout.match(/^[a-z].*$/gm), stdout.match(/^[a-z].*$/gm));
});

test('the file is in the place that XDG says', () => {
  assert.equal(configPath({ XDG_CONFIG_HOME: '/etc/x' }), '/etc/x/torrent-dl/config');
  for (const folder of ['', 'relative', undefined]) {
    assert.equal(configPath({ XDG_CONFIG_HOME: folder }), path.join(homedir(), '.config/torrent-dl/config'));
  }
});

test('the executable reads the file', async () => {
  const { code, stderr } = await execute(['x.torrent'], { env: { XDG_CONFIG_HOME: path.join(folder, 'bad') } });
  assert.equal(code, 3, stderr);
  await mkdir(path.join(folder, 'bad/torrent-dl'), { recursive: true });
  await writeFile(path.join(folder, 'bad/torrent-dl/config'), 'port = \u001b');
  const refused = await execute(['x.torrent'], { env: { XDG_CONFIG_HOME: path.join(folder, 'bad') } });
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /^torrent-dl: [^\n]*config, line 1: port: not a whole number from 1 to 65535[^\n]*\n$/);
});
