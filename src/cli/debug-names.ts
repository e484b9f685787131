/** Which of the names in `DEBUG` are logged: ours. */

/**
 * Libraries log URLs and passwords of proxies, so of `DEBUG=*` only what is ours is left. The variable stays as it is,
 * for commands that we run.
 */
export async function keepDebugToOurselves(): Promise<void> {
  const { DEBUG } = process.env;
  if (!DEBUG) return;
  const { default: createDebug } = await import('debug');
  createDebug.enable(ownNames(DEBUG));
  process.env['DEBUG'] = DEBUG;
}

/** The names and patterns of `DEBUG` that are about us, those that begin with `*` as if they began with our name. */
export function ownNames(names: string): string {
  return names
    .split(/[\s,]+/)
    .map((name) => name.replace(/^(-?)\*/, '$1torrent-dl:*'))
    .filter((name) => /^-?torrent-dl\b/.test(name))
    .join(',');
}
