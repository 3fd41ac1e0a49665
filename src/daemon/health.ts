import type { DaemonState } from './state.js';
import type { Timetable } from './timetable.js';

/** Backups may be late by so many of their intervals. */
const LATE_INTERVALS = 2;

/**
 * What is wrong with the backups, one sentence each, that anybody may read: none where the last one was done, in time.
 * What never ran is waited for from the first start of the daemon on.
 */
export function backupTroubles(
  { jobs: { backup }, since }: DaemonState,
  timetable: Timetable,
  now: Date,
): string[] {
  const troubles: string[] = [];
  const { lastFailure, lastSuccess } = backup;
  if (lastFailure !== null && (lastSuccess === null || lastFailure.at > lastSuccess))
    troubles.push('the last backup failed');
  const interval = timetable.intervalAround('backup', now);
  const ageMs = now.getTime() - Date.parse(lastSuccess ?? since);
  if (interval !== null && ageMs > LATE_INTERVALS * interval) {
    const age = hours(ageMs);
    troubles.push(
      lastSuccess === null
        ? `there was no backup yet in the ${age} since the daemon was first started; there is to be one every ${hours(interval)}`
        : `the newest backup was made ${age} ago; there is to be one every ${hours(interval)}`,
    );
  }
  return troubles;
}

/** "6 h", "0.5 h": rough, since nobody who reads it has shown a key. */
function hours(ms: number): string {
  const count = ms / 3_600_000;
  return `${count < 10 ? Number(count.toFixed(1)) : Math.round(count)} h`;
}
