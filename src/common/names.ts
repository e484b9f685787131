import { lookup, Resolver } from 'node:dns/promises';
import { isLoopback } from './url.js';

const PATIENCE_MS = 5000;
/** The DNS does not know the name, or nobody serves it here: the system may know more, and will soon say so. */
const ASK_THE_SYSTEM = new Set(['ENOTFOUND', 'ECONNREFUSED']);

export interface NameOptions {
  /** Addresses of this family only; 0 or missing: of both. */
  readonly family?: 0 | 4 | 6 | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The IP addresses of a host name, IPv4 first. Asks the DNS itself: the system's look-up cannot be taken back, and where no
 * name server answers it keeps the process from ending for many seconds. Names that the DNS does not have, such as those
 * in /etc/hosts, are asked of the system.
 * @throws an error of `dns`, with its `code`; ENODATA when there is no address of that family; ECANCELLED when `signal` is
 *     aborted
 */
export async function resolveName(host: string, options: NameOptions = {}): Promise<string[]> {
  const found = isLoopback(host) ? [] : await askDns(host, options);
  if (found.length > 0) return found;
  return (await lookup(host, { all: true, family: options.family ?? 0 })).map(({ address }) => address);
}

/** Empty when the system may know more. */
async function askDns(host: string, { family = 0, signal }: NameOptions): Promise<string[]> {
  const resolver = new Resolver({ timeout: PATIENCE_MS, tries: 1 });
  const cancel = (): void => resolver.cancel();
  signal?.addEventListener('abort', cancel);
  try {
    const questions = [
      ...(family === 6 ? [] : [resolver.resolve4(host)]),
      ...(family === 4 ? [] : [resolver.resolve6(host)]),
    ];
    if (signal?.aborted) cancel();
    const answers = await Promise.allSettled(questions);
    const found = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
    if (found.length > 0) return found;
    const errors = answers.flatMap((answer) => (answer.status === 'rejected' ? (answer.reason as Error) : []));
    const isFinal = errors.some((error) => !ASK_THE_SYSTEM.has((error as NodeJS.ErrnoException).code ?? ''));
    if (isFinal || signal?.aborted) throw errors[0]!;
    return [];
  } finally {
    signal?.removeEventListener('abort', cancel);
  }
}
