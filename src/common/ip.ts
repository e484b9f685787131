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
  ['192.0.0.0', 24], // protocol assignments (RFC 6890), another place of metadata services
  ['192.168.0.0', 16],
] as const) {
  LOCAL.addSubnet(network, prefix, 'ipv4');
}
LOCAL.addSubnet('::', 127, 'ipv6'); // unspecified and loopback
LOCAL.addSubnet('fc00::', 7, 'ipv6'); // unique local
LOCAL.addSubnet('fe80::', 9, 'ipv6'); // link-local, and site-local of old (RFC 3879)

/** IPv6 that leads to the IPv4 address in it: from which byte on. */
const CARRIERS: readonly (readonly [prefix: string, ipv4At: number])[] = [
  ['0064ff9b0000000000000000', 12], // NAT64 (RFC 6052)
  ['0064ff9b0001', 12], // NAT64 of a network's own (RFC 8215)
  ['2002', 2], // 6to4 (RFC 3056)
  ['000000000000000000000000', 12], // IPv4-compatible (RFC 4291)
];

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
  const address = canonicalIp(ip.replace(/%.*$/, '')) ?? ip;
  if (!address.includes(':')) return LOCAL.check(address, 'ipv4');
  const carried = carriedIp(address);
  return LOCAL.check(address, 'ipv6') || (carried !== undefined && LOCAL.check(carried, 'ipv4'));
}

/** The IPv4 address that an IPv6 address leads to, if any. */
function carriedIp(ip: string): string | undefined {
  const bytes = bytesOfIp(ip) ?? new Uint8Array();
  const digits = Buffer.from(bytes).toString('hex');
  const carrier = CARRIERS.find(([prefix]) => digits.startsWith(prefix));
  return carrier && bytes.subarray(carrier[1], carrier[1] + 4).join('.');
}

/** The 4 or 16 bytes of an IP address; undefined when `ip` is none. */
export function bytesOfIp(ip: string): Uint8Array | undefined {
  const address = canonicalIp(ip);
  if (address === undefined) return undefined;
  if (!address.includes(':')) return Uint8Array.from(address.split('.'), Number);
  const plain = address.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, ...parts: string[]) => {
    const [a, b, c, d] = parts.map(Number) as [number, number, number, number];
    return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  });
  const [head = '', tail] = plain.split('::');
  const groups = (text: string): number[] => (text === '' ? [] : text.split(':').map((group) => parseInt(group, 16)));
  const [first, last] = [groups(head), groups(tail ?? '')];
  const all = [...first, ...Array<number>(8 - first.length - last.length).fill(0), ...last];
  return Uint8Array.from(all.flatMap((group) => [group >> 8, group & 0xff]));
}
