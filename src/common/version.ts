import { readFileSync } from 'node:fs';

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

/** The version in `package.json`. */
export const VERSION = version;

/** How we name ourselves to trackers and peers. */
export const CLIENT = `torrent-dl/${VERSION}`;
