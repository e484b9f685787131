/** Amounts of bytes for people, in binary units. */

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
