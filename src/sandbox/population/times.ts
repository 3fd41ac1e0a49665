/** Milliseconds in a day. */
export const DAY = 86_400_000;

/**
 * A time as Python's `isoformat()` writes it in UTC: "2026-01-01T10:00:00+00:00", or with six digits of
 * microseconds where there are any.
 * @param milliseconds since 1970; only whole seconds of it are used
 * @param micros 0–999999; 0 leaves them out, as Python does
 */
export function isoTime(milliseconds: number, micros = 0): string {
  const seconds = new Date(milliseconds).toISOString().slice(0, 19);
  return micros === 0 ? `${seconds}+00:00` : `${seconds}.${String(micros).padStart(6, '0')}+00:00`;
}

/** A time as AutoMem names its backup files: "20261121_110916", UTC. */
export function backupStamp(time: Date): string {
  return time.toISOString().slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '_');
}

/** The time that a backup file's name says, or null when it is none. */
export function parseBackupStamp(stamp: string): Date | null {
  const parts = /^(\d{4})(\d\d)(\d\d)_(\d\d)(\d\d)(\d\d)$/.exec(stamp);
  if (!parts) return null;
  const [, year, month, day, hour, minute, second] = parts;
  const time = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(time.getTime()) || backupStamp(time) !== stamp ? null : time;
}
