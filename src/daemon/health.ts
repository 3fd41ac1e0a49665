import { JOBS, type JobName } from './jobs.js';
import type { NewestBackup } from './newest-backup.js';
import type { DaemonState, JobState } from './state.js';
import type { Timetable } from './timetable.js';

/** Backups may be late by so many of their intervals. */
const LATE_INTERVALS = 2;

/**
 * What is wrong with the backups, one sentence each, that anybody may read: none where the last one was done, in time.
 * What never ran is waited for from the first start of the daemon on.
 *
 * @param newest the newest backup there is, whoever made it; null for none
 */
export function backupTroubles(
  { jobs: { backup }, since }: DaemonState,
  timetable: Timetable,
  now: Date,
  newest: NewestBackup | null,
): string[] {
  const troubles: string[] = [];
  if (failedLast(backup)) troubles.push('the last backup failed');
  const interval = timetable.intervalAround('backup', now);
  if (interval !== null && isOver(interval, since, newest?.at ?? null, now)) {
    const age = roughly(now.getTime() - Date.parse(newest?.at ?? since));
    troubles.push(
      newest === null
        ? `there was no backup yet in the ${age} since the daemon was first started; there is to be one every ${roughly(interval)}`
        : `the newest backup was made ${age} ago; there is to be one every ${roughly(interval)}`,
    );
  }
  return troubles;
}

/**
 * Whether a job cannot be put off any longer: what it last came to is older than its schedule allows. What is not done by a
 * schedule cannot be put off at all, since nobody would come back to it.
 *
 * @param newest the newest backup there is, whoever made it; null for none
 */
export function isLate(
  job: JobName,
  { jobs, since }: DaemonState,
  timetable: Timetable,
  now: Date,
  newest: NewestBackup | null,
): boolean {
  const interval = timetable.intervalAround(job, now);
  const last = job === 'backup' ? (newest?.at ?? null) : jobs[job].lastSuccess;
  return interval === null || isOver(interval, since, last, now);
}

function isOver(interval: number, since: string, last: string | null, now: Date): boolean {
  return now.getTime() - Date.parse(last ?? since) > LATE_INTERVALS * interval;
}

/**
 * Jobs besides the backup that failed when they last ran, and all that wait for a recovery to end, one sentence each, that
 * anybody may read.
 */
export function jobWarnings({ jobs }: Pick<DaemonState, 'jobs'>): string[] {
  return JOBS.flatMap((job) => {
    const { postponedSince } = jobs[job];
    const isFailed = job !== 'backup' && failedLast(jobs[job]);
    return [
      ...(isFailed ? [`the last ${NOUNS[job]} failed`] : []),
      ...(postponedSince === null
        ? []
        : [`the ${NOUNS[job]} is put off since ${postponedSince}: a recovery is at work`]),
    ];
  });
}

const NOUNS: Readonly<Record<JobName, string>> = {
  backup: 'backup',
  verify: 'verification of a backup',
  prune: 'pruning',
  drift: 'comparison of the stores',
  drill: 'drill',
};

function failedLast({ lastFailure, lastSuccess }: JobState): boolean {
  return lastFailure !== null && (lastSuccess === null || lastFailure.at > lastSuccess);
}

/** "6 h", "1.5 h", "30 min", "20 s": rough, since nobody who reads it has shown a key. */
function roughly(ms: number): string {
  if (ms < 60_000) return `${Math.round(ms / 1000)} s`;
  if (ms < 3_600_000) return `${Math.round(ms / 60_000)} min`;
  const count = ms / 3_600_000;
  return `${count < 10 ? Number(count.toFixed(1)) : Math.round(count)} h`;
}
