/** A private DHT of libtorrent nodes, of which we are told one. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { formatAddress, type PeerAddress } from '../../../src/common/address.js';
import { UdpPort } from '../../../src/common/udp.js';
import { DhtSource } from '../../../src/tracker/dht/dht-source.js';
import { Dht, type DhtOptions } from '../../../src/tracker/dht/dht.js';
import { until } from '../../helpers/until.js';
import { missingPackage } from '../../peers/programs.js';

const NODES = 8;
const WITHIN_MS = 20_000;
const ANNOUNCED = Buffer.alloc(20, 0xa1);
const WANTED = Buffer.alloc(20, 0xb2);
const OUR_PORT = 7788;

const missing = missingPackage('libtorrent');
const skip = missing !== undefined && !process.env['CI'] ? `not installed: ${missing}` : false;

interface LibtorrentDht {
  readonly nodes: PeerAddress[];
  readonly told: Set<string>;
  isReady: boolean;
  errors: string;
}

async function startLibtorrent(t: TestContext, host: string): Promise<LibtorrentDht> {
  const script = fileURLToPath(new URL('libtorrent-dht.py', import.meta.url));
  const words = [host, String(NODES), ANNOUNCED.toString('hex'), WANTED.toString('hex')];
  const child = spawn('/usr/bin/python3', ['-W', 'ignore', script, ...words], { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = once(child, 'close');
  t.after(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  const dht: LibtorrentDht = { nodes: [], told: new Set(), isReady: false, errors: '' };
  child.stderr.setEncoding('utf8').on('data', (text: string) => (dht.errors += text));
  createInterface({ input: child.stdout }).on('line', (line) => {
    const [word, value] = line.split(' ');
    if (word === 'node') dht.nodes.push({ host, port: Number(value) });
    if (word === 'ready') dht.isReady = true;
    if (word === 'told') dht.told.add(value!);
  });
  await until(() => dht.isReady || dht.errors !== '', WITHIN_MS);
  assert.equal(dht.errors, '');
  return dht;
}

async function openOurs(t: TestContext, options: Partial<DhtOptions>): Promise<Dht> {
  const udp = await UdpPort.open();
  const dht = Dht.open({ network: udp, families: ['ipv4', 'ipv6'], bootstrap: [], ...options });
  udp.handle(
    (bytes) => Dht.claims(bytes),
    (bytes, from) => dht.receive(bytes, from),
  );
  t.after(async () => {
    await dht[Symbol.asyncDispose]();
    await udp[Symbol.asyncDispose]();
  });
  return dht;
}

function search(t: TestContext, dht: Dht, infoHash: Buffer): { source: DhtSource; found: Set<string> } {
  const found = new Set<string>();
  const source = DhtSource.open(dht, {
    infoHash,
    port: () => OUR_PORT,
    onPeers: (peers) => {
      for (const peer of peers) found.add(formatAddress(peer));
    },
  });
  t.after(() => source[Symbol.asyncDispose]());
  return { source, found };
}

/** Asks again and again, for libtorrent announces when it likes to. */
async function untilFound(source: DhtSource, isFound: () => boolean): Promise<void> {
  await until(() => {
    source.requestPeers();
    return isFound();
  }, WITHIN_MS);
}

for (const host of ['127.0.0.1', '::1']) {
  test(
    `with one node of a libtorrent DHT on ${host} we find its peers and it finds us`,
    { skip, timeout: 30_000 },
    async (t) => {
      const theirs = await startLibtorrent(t, host);
      const dht = await openOurs(t, { bootstrap: [theirs.nodes[0]!] });
      search(t, dht, WANTED);
      const theirPeer = formatAddress(theirs.nodes.at(-1)!); // its peers' port is its node's
      const { source, found } = search(t, dht, ANNOUNCED);
      await untilFound(source, () => found.has(theirPeer));
      await until(() => theirs.told.has(host === '::1' ? `::1:${OUR_PORT}` : `${host}:${OUR_PORT}`), WITHIN_MS);
      const { nodes4, nodes6, goodNodes } = dht.status();
      assert.ok(host === '::1' ? nodes6 >= NODES - 1 : nodes4 >= NODES - 1, `${nodes4} ${nodes6}`);
      assert.ok(goodNodes >= NODES - 1);
      assert.equal(source.failures(), undefined);
      assert.equal(dht.counters.malformed, 0);
      assert.ok(dht.counters.answered > 0, 'they ask us too');

      // a second run with the table of the first needs no bootstrap, and no second
      const warm = await openOurs(t, { state: dht.save() });
      const start = performance.now();
      const again = search(t, warm, ANNOUNCED);
      await until(() => again.found.has(theirPeer), 5000);
      t.diagnostic(`first peer of a warm table after ${(performance.now() - start).toFixed(0)} ms`);
    },
  );
}
