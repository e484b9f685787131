import { BlockList, SocketAddress, isIP } from 'node:net';

const NOT_UNICAST = new BlockList();
NOT_UNICAST.addSubnet('0.0.0.0', 8, 'ipv4'); // "this network" (RFC 1122)
NOT_UNICAST.addSubnet('224.0.0.0', 3, 'ipv4'); // multicast, reserved, broadcast
NOT_UNICAST.addAddress('::', 'ipv6');
NOT_UNICAST.addSubnet('ff00::', 8, 'ipv6'); // multicast

const LOCAL = new BlockList();
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10], // shared by carriers (RFC 6598)
  ['127.0.0.0', 8],
  ['169.254.0.0', 16], // link-local, where clouds keep their metadata services
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
] as const) {
  LOCAL.addSubnet(network, prefix, 'ipv4');
}
LOCAL.addSubnet('::', 127, 'ipv6'); // unspecified and loopback
LOCAL.addSubnet('fc00::', 7, 'ipv6'); // unique local
LOCAL.addSubnet('fe80::', 10, 'ipv6'); // link-local

/**
 * The one spelling of an IP address, or undefined when `text` is none: IPv6 short and in lower case, IPv4 in IPv6
 * (`::ffff:192.0.2.1`) as IPv4. Addresses with a zone (`fe80::1%eth0`) are none, for they mean nothing elsewhere.
 */
export function canonicalIp(text: string): string | undefined {
  const family = isIP(text);
  if (family === 4) return text;
  if (family !== 6 || text.includes('%')) return undefined;
  const { address } = new SocketAddress({ address: text, family: 'ipv6' });
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(address)?.[1] ?? address;
}

/** The address that 4 or 16 bytes stand for, in its one spelling. */
export function ipOfBytes(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  const groups = Array.from({ length: 8 }, (_, index) =>
    ((bytes[2 * index]! << 8) | bytes[2 * index + 1]!).toString(16),
  );
  const text = groups.join(':');
  return canonicalIp(text) ?? text;
}

/** Whether a peer can have this address: no multicast, broadcast or unspecified one. Takes the canonical spelling. */
export function isUnicast(ip: string): boolean {
  return !NOT_UNICAST.check(ip, ip.includes(':') ? 'ipv6' : 'ipv4');
}

/** Whether an address lies in this machine or its own network: loopback, private, link-local. */
export function isLocalIp(ip: string): boolean {
  const address = canonicalIp(ip) ?? ip;
  return LOCAL.check(address, address.includes(':') ? 'ipv6' : 'ipv4');
}

/** The 4 or 16 bytes of an IP address; undefined when `ip` is none. */
export function bytesOfIp(ip: string): Uint8Array | undefined {
  const address = canonicalIp(ip);
  if (address === undefined) return undefined;
  if (!address.includes(':')) return Uint8Array.from(address.split('.'), Number);
  const [head = '', tail] = address.split('::');
  const groups = (text: string): number[] => (text === '' ? [] : text.split(':').map((group) => parseInt(group, 16)));
  const [first, last] = [groups(head), groups(tail ?? '')];
  const all = [...first, ...Array<number>(8 - first.length - last.length).fill(0), ...last];
  return Uint8Array.from(all.flatMap((group) => [group >> 8, group & 0xff]));
}
