/** How long a peer may take, in ms: to be connected, to say its handshake, to say anything at all. */
export const CONNECT_TIMEOUT_MS = 10_000;
export const HANDSHAKE_TIMEOUT_MS = 10_000;
export const IDLE_TIMEOUT_MS = 180_000;
/** … or anything, while it owes us blocks: after a change of network the other end may be long gone. */
export const DEBTOR_TIMEOUT_MS = 90_000;
/** We say something at least that often; others hang up after two minutes. */
export const KEEP_ALIVE_MS = 100_000;
