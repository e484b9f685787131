/**
 * Announces one torrent in the local network and says who is found there, and who finds us.
 *
 *   lsd-announce.ts INFO_HASH    prints `heard HOST:PORT` and `dialled by HOST`, until it is ended
 */
import { createServer, type AddressInfo } from 'node:net';
import { formatAddress } from '../../src/common/address.js';
import { Lsd } from '../../src/tracker/lsd.js';

const infoHash = Buffer.from(process.argv[2] ?? '', 'hex');
const say = (line: string): void => void process.stdout.write(`${line}\n`);

// nobody but by LSD can know this port
const server = createServer((socket) => {
  say(`dialled by ${socket.remoteAddress}`);
  socket.on('error', () => undefined).end();
});
await new Promise<void>((resolve) => server.listen(0, resolve));

const lsd = await Lsd.open();
lsd.find({
  infoHash,
  port: () => (server.address() as AddressInfo).port,
  onPeers: (addresses) => {
    for (const address of addresses) say(`heard ${formatAddress(address)}`);
  },
});
say('announced');

process.once('SIGTERM', () => {
  server.close();
  void lsd[Symbol.asyncDispose]();
});
