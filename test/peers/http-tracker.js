/** A small HTTP tracker on one address, IPv6 too (BEP 7), which opentracker's usual build is not: http-tracker.js HOST PORT */
import { createServer } from 'node:http';
import bencode from 'bencode';

const [host, port] = process.argv.slice(2);
/** By info hash: peers in compact form. */
const swarms = new Map();

createServer((request, response) => {
  const query = queryOf(request.url);
  const infoHash = query.get('info_hash');
  const swarm = swarms.get(infoHash) ?? new Set();
  swarms.set(infoHash, swarm);
  const us = compact(request.socket.remoteAddress, Number(query.get('port')));
  if (query.get('event') === 'stopped') swarm.delete(us);
  else swarm.add(us);
  const others = [...swarm].filter((peer) => peer !== us);
  const key = host.includes(':') ? 'peers6' : 'peers';
  response.end(bencode.encode({ interval: 60, peers: '', [key]: Buffer.from(others.join(''), 'latin1') }));
}).listen(Number(port), host);

/** Parameters by name; values are latin1 text of their bytes, however much of them is escaped. */
function queryOf(url) {
  const pairs = url.slice(url.indexOf('?') + 1).split('&');
  return new Map(pairs.map((pair) => pair.split('=', 2)).map(([name, value = '']) => [name, unescapeBytes(value)]));
}

function unescapeBytes(text) {
  return text.replace(/%([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
}

/** 6 or 18 bytes as latin1 text. */
function compact(ip, port) {
  const address = ip.includes(':') ? bytesOfIpv6(ip) : ip.split('.').map(Number);
  return Buffer.from([...address, port >> 8, port & 0xff]).toString('latin1');
}

function bytesOfIpv6(ip) {
  const [left, right = []] = ip.split('::').map((half) => half.split(':').filter((group) => group !== ''));
  const groups = [...left, ...Array(8 - left.length - right.length).fill('0'), ...right];
  return groups.flatMap((group) => [parseInt(group, 16) >> 8, parseInt(group, 16) & 0xff]);
}
