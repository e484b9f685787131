/** `torrent-dl info`: what a torrent or a magnet link says. */
import { escapeControl, hideLogin, isMagnetLink, magnetOf, type Magnet, type Metainfo } from '../index.js';

import type { OptionsOfCall } from './commands.js';
import { formatBytes } from './format.js';
import { jsonLine } from './json.js';
import { filesOf, formatFiles } from './list.js';
import { openMagnetOf, withoutPasskeys } from './magnet-link.js';
import { readOperand, runWork } from './work.js';

/** Prints it on stdout and gives the exit code. */
export async function info(operand: string, { json = false, secrets = false }: OptionsOfCall<'info'>): Promise<number> {
  return await runWork(async (signal) => {
    const torrent = await readOperand(operand, signal);
    const facts: Facts = isMagnetLink(torrent) ? linkFacts(torrent, secrets) : torrentFacts(torrent, secrets);
    process.stdout.write(json ? jsonLine(facts) : formatFacts(facts));
    return 0;
  });
}

type Loose<T> = { readonly [K in keyof T]?: T[K] | undefined };
type Facts = Loose<ReturnType<typeof torrentFacts>> & Loose<Pick<ReturnType<typeof linkFacts>, 'peers' | 'hidden'>>;

function torrentFacts(metainfo: Metainfo, secrets: boolean) {
  const { name, infoHash, infoHashV2, totalLength, pieceLength, pieceCount, isPrivate } = metainfo;
  const { comment, createdBy, creationDate, warnings } = metainfo;
  const { trackers, webSeeds, magnet, hidden } = linksOf(metainfo, secrets);
  const httpSeeds = secrets ? metainfo.httpSeeds : metainfo.httpSeeds.map(hideLogin);
  return {
    ...{ type: 'info', version: 1, name, infoHash: hexOf(infoHash), infoHashV2: infoHashV2 && hexOf(infoHashV2) },
    ...{ magnet, hidden, totalLength, pieceLength, pieceCount, isPrivate, comment, createdBy },
    creationDate: creationDate === undefined ? undefined : dateOf(creationDate),
    files: filesOf(metainfo),
    ...{ trackers, webSeeds, httpSeeds, warnings },
  };
}

function linkFacts(link: Magnet, secrets: boolean) {
  const { infoHash, name, peers, selectOnly, warnings } = link;
  const { trackers, webSeeds, magnet, hidden } = linksOf({ ...link, name: name ?? '' }, secrets);
  return {
    ...{ type: 'magnet', version: 1, name, infoHash: hexOf(infoHash) },
    magnet: magnet.replace('&dn=&', '&').replace(/&dn=$/, ''),
    ...{ hidden, trackers, webSeeds, peers, selectOnly, warnings },
  };
}

/** All with URLs. `hidden` is how many of them are not whole, and so not in the magnet link. */
function linksOf(torrent: Parameters<typeof openMagnetOf>[0], secrets: boolean) {
  const { trackers, webSeeds } = secrets ? torrent : withoutPasskeys(torrent);
  const { link, left } = secrets ? { link: magnetOf(torrent), left: 0 } : openMagnetOf(torrent);
  return { trackers, webSeeds, magnet: link, hidden: left === 0 ? undefined : left };
}

/** ISO 8601 in UTC; what no calendar has stays seconds since 1970. */
function dateOf(seconds: number): string | number {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? seconds : date.toISOString().replace('.000Z', 'Z');
}

/** `name         debian.iso` and so on, with the files below. */
function formatFacts(facts: Facts): string {
  const { pieceCount = 0, pieceLength = 0, totalLength = 0, hidden = 0, files } = facts;
  const rows: (readonly [label: string, value: string | undefined])[] = [
    ['name', facts.name],
    ['info hash', facts.infoHash],
    ['v2 hash', facts.infoHashV2],
    ['size', files && `${formatBytes(totalLength)} (${totalLength} bytes)`],
    ['pieces', files && `${pieceCount} of ${formatBytes(pieceLength)}`],
    ['private', facts.isPrivate ? 'yes' : undefined],
    ['comment', facts.comment],
    ['created by', facts.createdBy],
    ['created', facts.creationDate?.toString()],
    ...(facts.trackers ?? []).map((tier, at) => [`tracker ${at + 1}`, tier.join('  ')] as const),
    ...(facts.webSeeds ?? []).map((url) => ['web seed', url] as const),
    ...(facts.httpSeeds ?? []).map((url) => ['http seed', url] as const),
    ...(facts.peers ?? []).map(
      ({ host, port }) => ['peer', `${host.includes(':') ? `[${host}]` : host}:${port}`] as const,
    ),
    ['magnet', facts.magnet],
    ['hidden', hidden > 0 ? `what may be passkeys, in ${hidden} of the URLs (--secrets shows them)` : undefined],
    ...(facts.warnings ?? []).map((text) => ['warning', text] as const),
  ];
  const lines = rows.flatMap(([label, value]) => {
    return value === undefined || value === '' ? [] : [`${label.padEnd(11)} ${escapeControl(value)}\n`];
  });
  return lines.join('') + (files ? `files       ${files.length}\n${formatFiles(files)}` : '');
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
