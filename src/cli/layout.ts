/** What a download's state looks like in one line. Pure: stats and a width in, text out. */
import type { DownloadStats } from '../index.js';

import { formatBytes, formatDuration, formatPercent, formatRate, formatShare } from './format.js';
import { shorten, textWidth } from './width.js';

/** Draws a bar of `size` columns, filled up to `fraction` (0 … 1). */
export type DrawBar = (fraction: number, size: number) => string;

/** Signs that not every terminal can show. */
export interface Signs {
  readonly down: string;
  readonly up: string;
  readonly ellipsis: string;
}

export const UNICODE_SIGNS: Signs = { down: '↓', up: '↑', ellipsis: '…' };
export const ASCII_SIGNS: Signs = { down: 'down ', up: 'up ', ellipsis: '~' };

/** A part of the line; those with the highest `rank` go first when room is short. */
interface Field {
  readonly text: string;
  readonly rank: number;
}

const MIN_NAME = 8;
const MIN_BAR = 8;
const MAX_BAR = 50;

/**
 * One line of at most `width` columns. Fields are left out before the name and the bar get too small to read.
 * `name` is the download's name, safe for a terminal.
 */
export function layoutLine(stats: DownloadStats, name: string, width: number, draw: DrawBar, signs: Signs): string {
  const fraction = progressOf(stats);
  const least = Math.min(textWidth(name), MIN_NAME) + (fraction === undefined ? 0 : MIN_BAR + 3);
  let fields = fieldsOf(stats, signs);
  while (fields.length > 1 && least + fieldsWidth(fields) > width) fields = withoutHighestRank(fields);

  const tail = fields.map((field) => `  ${field.text}`).join('');
  const room = Math.max(0, width - textWidth(tail));
  if (fraction === undefined || room < MIN_BAR + 3) return shorten(name, room, signs.ellipsis) + tail;
  // the name may have half of the room, the bar takes what is left
  const most = Math.min(room - MIN_BAR - 3, Math.max(Math.floor(room / 2), room - MAX_BAR - 3));
  const label = shorten(name, most, signs.ellipsis);
  const size = Math.min(MAX_BAR, room - textWidth(label) - 3);
  return `${label} [${draw(fraction, size)}]${tail}`;
}

/** The same for a log file: one plain line. */
export function plainLine(stats: DownloadStats): string {
  const { phase, haveLength, totalLength } = stats;
  if (phase === 'opening') return 'opening';
  if (phase === 'resolving') return `resolving: ${peers(stats)}`;
  const percent = formatPercent(progressOf(stats) ?? 1);
  if (phase === 'checking') return `checking: ${percent} of ${formatBytes(totalLength)}`;
  const up = `${formatRate(stats.uploadPerSecond)} up, ${peers(stats)}`;
  if (phase === 'seeding') return `seeding: ${up}, ${formatBytes(stats.uploaded)} uploaded (ratio ${ratio(stats)})`;
  const eta = stats.etaSeconds === undefined ? '' : `, ${formatDuration(stats.etaSeconds)} left`;
  const size = `${percent}, ${formatBytes(haveLength)} of ${formatBytes(totalLength)}`;
  return `${phase}: ${size}, ${formatRate(stats.downloadPerSecond)} down, ${up}${eta}`;
}

/** `42%, 1.00 GiB of 2.38 GiB`; what is on disk, whatever the phase is. */
export function howFar({ haveLength, totalLength }: DownloadStats): string {
  const percent = formatPercent(totalLength === 0 ? 0 : haveLength / totalLength);
  return `${percent}, ${formatBytes(haveLength)} of ${formatBytes(totalLength)}`;
}

/** How far the phase is, 0 … 1; undefined where there is no end to come to. */
function progressOf(stats: DownloadStats): number | undefined {
  if (['opening', 'resolving', 'seeding'].includes(stats.phase)) return undefined;
  if (stats.phase === 'checking') return stats.checked;
  return stats.totalLength === 0 ? 1 : stats.haveLength / stats.totalLength;
}

function fieldsOf(stats: DownloadStats, signs: Signs): readonly Field[] {
  const up = { text: signs.up + formatRate(stats.uploadPerSecond), rank: 3 };
  const count = { text: peers(stats), rank: 4 };
  if (stats.phase === 'seeding') {
    const sum = `${formatBytes(stats.uploaded)} uploaded, ratio ${ratio(stats)}`;
    return [{ text: 'seeding', rank: 0 }, { ...up, rank: 1 }, { text: sum, rank: 5 }, count];
  }
  if (stats.phase === 'opening') return [{ text: 'opening', rank: 0 }];
  if (stats.phase === 'resolving')
    return [
      { text: 'resolving', rank: 0 },
      { ...count, rank: 1 },
    ];
  const percent = { text: formatPercent(progressOf(stats) ?? 1).padStart(4), rank: 0 };
  if (stats.phase === 'checking') return [percent, { text: 'checking', rank: 1 }];
  if (stats.phase !== 'downloading') return [percent, { text: stats.phase, rank: 1 }];
  return [
    percent,
    { text: formatShare(stats.haveLength, stats.totalLength), rank: 5 },
    { text: signs.down + formatRate(stats.downloadPerSecond), rank: 1 },
    ...(stats.uploadPerSecond > 0 ? [{ ...up, rank: 6 }] : []),
    count,
    ...(stats.availability === undefined ? [] : [{ text: `${stats.availability.toFixed(2)} copies`, rank: 7 }]),
    ...(stats.etaSeconds === undefined ? [] : [{ text: `ETA ${formatDuration(stats.etaSeconds)}`, rank: 2 }]),
  ];
}

function peers(stats: DownloadStats): string {
  return stats.connectedPeers === 1 ? '1 peer' : `${stats.connectedPeers} peers`;
}

/** Uploaded in this run, as a share of the torrent's size. */
function ratio(stats: DownloadStats): string {
  return stats.totalLength === 0 ? '0.00' : (stats.uploaded / stats.totalLength).toFixed(2);
}

function fieldsWidth(fields: readonly Field[]): number {
  return fields.reduce((sum, { text }) => sum + 2 + textWidth(text), 0);
}

function withoutHighestRank(fields: readonly Field[]): readonly Field[] {
  const highest = Math.max(...fields.map((field) => field.rank));
  return fields.filter((field) => field.rank !== highest);
}
