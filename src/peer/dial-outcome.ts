/** How it went to reach an address, in a word: for counting why nobody is connected. */
export type DialOutcome =
  /** Nobody listens there. */
  | 'refused'
  /** No answer. */
  | 'timedOut'
  /** The network knows no way. */
  | 'unreachable'
  /** This machine had no file descriptor left for it. */
  | 'noSocket'
  /** It was reached and did not get through the handshake. */
  | 'hungUp'
  /** It was connected, and of no use. */
  | 'useless';

/** Addresses by how the last try to reach them ended; those that were not tried yet are in none. */
export type DialOutcomes = Readonly<Record<DialOutcome, number>>;

export const NO_OUTCOMES: DialOutcomes = {
  refused: 0,
  timedOut: 0,
  unreachable: 0,
  noSocket: 0,
  hungUp: 0,
  useless: 0,
};

const OUTCOMES: Readonly<Record<string, DialOutcome>> = {
  ECONNREFUSED: 'refused',
  ETIMEDOUT: 'timedOut',
  'no connection': 'timedOut',
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
  ENETDOWN: 'unreachable',
  EADDRNOTAVAIL: 'unreachable',
  EACCES: 'unreachable',
  EPERM: 'unreachable',
  EMFILE: 'noSocket',
  ENFILE: 'noSocket',
};

/** What `reason`, a system's error code or words of ours, comes to for an address that got no connection. */
export function outcomeOf(reason: string): DialOutcome {
  return OUTCOMES[reason] ?? 'hungUp';
}
