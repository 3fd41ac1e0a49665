/** Numbers as a tired person reads them. Plain functions, the same on every machine: no locale, no time zone. */

/**
 * A length of time, always with its units: "0.4s", "9s", "1m23", "15m", "4h12", "24h", "3d 4h". Negative and unknown lengths
 * count as zero.
 */
export function formatDuration(seconds: number): string {
  const length = Number.isFinite(seconds) ? Math.max(0, seconds) : 0;
  if (length < 0.05) return '0s';
  if (length < 0.95) return `${length.toFixed(1)}s`;
  const whole = Math.round(length);
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return twoUnits(Math.floor(whole / 60), 'm', whole % 60);
  const minutes = Math.floor(whole / 60);
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return twoUnits(hours, 'h', minutes % 60);
  const days = `${Math.floor(hours / 24)}d`;
  return hours % 24 === 0 ? days : `${days} ${hours % 24}h`;
}

/** "1m23", and "15m" where there is nothing of the smaller unit. */
function twoUnits(amount: number, unit: string, rest: number): string {
  return `${amount}${unit}${rest === 0 ? '' : pad(rest)}`;
}

/** A running clock, to the second that has passed: "0:12", "5:00", "1:02:03". */
export function formatClock(seconds: number): string {
  const whole = Math.max(0, Math.floor(Number.isFinite(seconds) ? seconds : 0));
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes}:${pad(whole % 60)}`;
  return `${Math.floor(minutes / 60)}:${pad(minutes % 60)}:${pad(whole % 60)}`;
}

/** A count with thousands separators: "12,400". */
export function formatCount(count: number): string {
  if (!Number.isFinite(count)) return '?';
  return Math.round(count)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, ',');
}

/** A count and its noun: "1 memory", "2,400 memories". */
export function formatNumberOf(count: number, one: string, many: string): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}

/** A size in decimal units: "1.2 MB". */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  let size = Math.max(0, bytes);
  let unit = 0;
  while (size >= 999.5 && unit < units.length - 1) {
    size /= 1000;
    unit++;
  }
  const digits = unit > 0 && size < 9.95 ? 1 : 0;
  return `${size.toFixed(digits)} ${units[unit] ?? ''}`;
}

/** Units a second: "3,100/s", "0.8/s". */
export function formatRate(perSecond: number): string {
  if (!Number.isFinite(perSecond) || perSecond < 0) return '?/s';
  if (perSecond > 0 && perSecond < 9.95) return `${perSecond.toFixed(1)}/s`;
  return `${formatCount(perSecond)}/s`;
}

/** How long ago something was: "4h12 ago", "just now"; "dated in the future" shows a clock that is wrong. */
export function formatAge(seconds: number): string {
  if (!Number.isFinite(seconds)) return 'at an unknown time';
  if (seconds < -1) return 'dated in the future';
  return seconds < 1 ? 'just now' : `${formatDuration(seconds)} ago`;
}

/** The share done, rounded down so that 100% means all of it; null where there is no total. */
export function percentOf(done: number, total: number | null): number | null {
  if (total === null || !Number.isFinite(total)) return null;
  if (total <= 0) return 100;
  return Math.max(0, Math.min(100, Math.floor((done / total) * 100)));
}

/** A share of a hundred: "0%", "<0.1%", "3.2%", "60%"; only nothing is 0%, and only all of it is 100%. */
export function formatPercent(percent: number): string {
  if (!Number.isFinite(percent)) return '?%';
  if (percent > 0 && percent < 0.1) return '<0.1%';
  if (percent < 100 && percent > 99.9) return '>99.9%';
  return `${percent.toFixed(1).replace(/\.0$/, '')}%`;
}

/** Seconds between two ISO-8601 times; not a number where one of them cannot be read. */
export function secondsBetween(from: string, to: string): number {
  return (Date.parse(to) - Date.parse(from)) / 1000;
}

function pad(value: number): string {
  return value.toString().padStart(2, '0');
}
