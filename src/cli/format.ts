/** Numbers for people: binary units, short durations. */

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;

/** `0 B`, `999 B`, `1.50 KiB`, `12.3 MiB`, `660 MiB`: three digits are enough. */
export function formatBytes(bytes: number): string {
  const unit = unitOf(bytes);
  return `${inUnit(bytes, unit)} ${UNITS[unit] ?? ''}`;
}

/** `0.94/2.00 GiB`: both in the unit of the whole. */
export function formatShare(part: number, whole: number): string {
  const unit = unitOf(whole);
  return `${inUnit(part, unit)}/${inUnit(whole, unit)} ${UNITS[unit] ?? ''}`;
}

/** `12.3 MiB/s`. */
export function formatRate(bytesPerSecond: number): string {
  return `${formatBytes(bytesPerSecond)}/s`;
}

/** `0.4 s`, `9.9 s`, `42 s`, `3m 07s`, `2h 05m`, `3d 4h`: two units at most. */
export function formatDuration(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m ${twoDigits(whole % 60)}s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 24 * 60) return `${Math.floor(minutes / 60)}h ${twoDigits(minutes % 60)}m`;
  const hours = Math.floor(minutes / 60);
  return `${Math.floor(hours / 24)}d ${hours % 24}h`;
}

/** `0` to `100`, rounded down: 100 means that nothing is missing. */
export function formatPercent(fraction: number): string {
  return `${Math.floor(Math.min(Math.max(fraction, 0), 1) * 100)}%`;
}

function unitOf(bytes: number): number {
  let value = bytes;
  let unit = 0;
  // 999.5 would be shown as 1000, which is a digit too many
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return unit;
}

function inUnit(bytes: number, unit: number): string {
  if (unit === 0) return String(Math.round(bytes));
  const value = bytes / 1024 ** unit;
  return value.toFixed(value < 9.95 ? 2 : value < 99.95 ? 1 : 0);
}

function twoDigits(number: number): string {
  return String(number).padStart(2, '0');
}
