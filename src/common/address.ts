/** Where a peer can be reached: an IP address (v4 or v6 text, no brackets) and a TCP port 1–65535. */
export interface PeerAddress {
  readonly host: string;
  readonly port: number;
}

/** A host by name or IP address (no brackets), and a port. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** `192.0.2.1:6881` or `[2001:db8::1]:6881`: one spelling for a key, a log line and an error. */
export function formatAddress({ host, port }: PeerAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
