/** Local service discovery with real programs, on networks of the test's own. */
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeTorrent } from '../helpers/torrent.js';
import { Network, whyNoNetwork, type Host, type Program } from '../peers/network.js';
import { missingPackage, until, type ProgramName } from '../peers/programs.js';

const WITHIN_MS = 25_000;
const torrent = makeTorrent(Buffer.from('nobody has this'), { name: 'local.txt', trackers: [] });

/** How each program is told to find peers by nothing but LSD. */
const PROGRAMS: Partial<Record<ProgramName, (host: Host, folder: string, torrentFile: string) => Program>> = {
  aria2: (host, folder, file) =>
    host.start('aria2c', [
      ...['--no-conf', '--enable-dht=false', '--enable-dht6=false', '--enable-peer-exchange=false'],
      ...['--bt-enable-lpd=true', '--listen-port=7001', `--dir=${folder}`, '--console-log-level=info', file],
    ]),
  libtorrent: (host, folder, file) =>
    host.start('/usr/bin/python3', ['-c', LIBTORRENT, file, folder, `${host.address}:7002`]),
  transmission: (host, folder, file) => {
    writeFileSync(
      path.join(folder, 'settings.json'),
      JSON.stringify({
        'dht-enabled': false,
        'download-dir': folder,
        'lpd-enabled': true,
        'peer-port': 7003,
        'pex-enabled': false,
        'port-forwarding-enabled': false,
        'rpc-enabled': true,
        'rpc-whitelist-enabled': false,
        'utp-enabled': false,
      }),
    );
    const program = host.start('transmission-daemon', ['-f', '-g', folder, '--log-debug']);
    const add = 'until transmission-remote 127.0.0.1 --add "$1" >/dev/null 2>&1; do sleep 0.1; done';
    host.start('timeout', ['20', 'sh', '-c', add, 'add', file]);
    return program;
  },
};

const LIBTORRENT = `
import libtorrent as lt, sys, time
torrent, folder, listen = sys.argv[1:]
session = lt.session({'listen_interfaces': listen, 'enable_dht': False, 'enable_lsd': True, 'enable_upnp': False,
  'enable_natpmp': False, 'enable_outgoing_utp': False, 'enable_incoming_utp': False, 'out_enc_policy': 2})
add = lt.add_torrent_params()
add.ti = lt.torrent_info(torrent)
add.save_path = folder
session.add_torrent(add)
while True: time.sleep(1)
`;

function startOurs(host: Host): Program {
  const script = fileURLToPath(new URL('lsd-announce.ts', import.meta.url));
  return host.start(process.execPath, ['--import', 'tsx', script, torrent.infoHash.toString('hex')]);
}

function skipWithout(...names: ProgramName[]): { skip: string | false } {
  const missing = names.map(missingPackage).filter((name) => name !== undefined);
  const reason = whyNoNetwork() ?? (missing.length > 0 ? `not installed: ${missing.join(', ')}` : undefined);
  return { skip: reason !== undefined && !process.env['CI'] ? reason : false };
}

/** aria2 and transmission join on whatever interface the system routes to, and give up without a route. */
function routeMulticast(host: Host): void {
  ip(host, 'route', 'add', '224.0.0.0/4', 'dev', 'eth0');
}

function ip({ namespace }: Host, ...words: string[]): void {
  const { status, stderr } = spawnSync('ip', ['-n', namespace, ...words], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`ip ${words.join(' ')}: ${stderr}`);
}

/** Runs a test on a network with a folder; when it fails, the programs' last words are in the error. */
async function withNetwork(
  body: (network: Network, folder: string, torrentFile: string) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), 'torrent-dl-lsd-'));
  await using network = new Network();
  try {
    const torrentFile = path.join(folder, 'test.torrent');
    writeFileSync(torrentFile, torrent.bytes);
    await body(network, folder, torrentFile);
  } catch (error) {
    throw new Error(`${String(error)}\n${network.logs()}`, { cause: error });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

for (const [name, start] of Object.entries(PROGRAMS)) {
  const options = { ...skipWithout(name as ProgramName), timeout: 60_000 };
  test(`${name} finds us and we find it`, options, async () => {
    await withNetwork(async (network, folder, torrentFile) => {
      const [oursHost, theirHost] = [network.addHost('ours'), network.addHost(name)];
      mkdirSync(path.join(folder, name));
      routeMulticast(theirHost);
      const ours = startOurs(oursHost);
      await until(() => /^announced$/m.test(ours.output), ours, WITHIN_MS);
      start(theirHost, path.join(folder, name), torrentFile);
      const heard = new RegExp(`^heard ${theirHost.address}:700\\d$`, 'm');
      await until(() => heard.test(ours.output), ours, WITHIN_MS);
      const again = startOurs(oursHost); // it listens by now, and hears us start
      const dialled = new RegExp(`^dialled by (?:::ffff:)?${theirHost.address}$`, 'm');
      await until(() => dialled.test(ours.output + again.output), again, WITHIN_MS);
    });
  });
}

test('two of us find each other over IPv4 and IPv6', { ...skipWithout(), timeout: 60_000 }, async () => {
  await withNetwork(async (network) => {
    const hosts = ['one', 'two'].map((name) => network.addHost(name));
    const first = startOurs(hosts[0]!);
    await until(() => /^announced$/m.test(first.output), first, WITHIN_MS);
    const second = startOurs(hosts[1]!);
    const hears = (program: Program, host: string): Promise<void> =>
      until(() => program.output.includes(`heard ${host}:`), program, WITHIN_MS);
    await hears(first, hosts[1]!.address);
    await hears(first, `[${hosts[1]!.address6}]`);
    const third = startOurs(hosts[0]!);
    await hears(second, hosts[0]!.address);
    await hears(second, `[${hosts[0]!.address6}]`);
    await hears(first, hosts[0]!.address); // on the same machine
    await third.stop();
  });
});

test(
  'on a machine without a network, programs find each other on loopback',
  { ...skipWithout(), timeout: 60_000 },
  async () => {
    await withNetwork(async (network) => {
      const host = network.addHost('alone');
      ip(host, 'link', 'delete', 'eth0');
      const first = startOurs(host);
      await until(() => /^announced$/m.test(first.output), first, WITHIN_MS);
      startOurs(host);
      await until(() => first.output.includes('heard 127.0.0.1:'), first, WITHIN_MS);
    });
  },
);
