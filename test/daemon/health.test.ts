import { expect, it } from 'vitest';

import { parseSchedule } from '../../src/backup/keep/schedule.js';
import { backupTroubles, isLate, jobWarnings } from '../../src/daemon/health.js';
import { forEachJob } from '../../src/daemon/jobs.js';
import { newState, type JobState } from '../../src/daemon/state.js';
import { Timetable } from '../../src/daemon/timetable.js';

/** What is wrong at a time, for a daemon that was first started on Monday, 2 November. */
function troubles(schedule: string, now: string, backup: Partial<JobState>): string[] {
  const state = newState(new Date('2026-11-02T00:00:00Z'));
  Object.assign(state.jobs.backup, backup);
  const timetable = new Timetable(
    forEachJob((job) => parseSchedule(job === 'backup' ? schedule : 'off')),
    { maxMs: 0, random: () => 0 },
  );
  const { lastSuccess } = state.jobs.backup;
  const newest = lastSuccess === null ? null : { at: lastSuccess, bytes: 1 };
  return backupTroubles(state, timetable, new Date(now), newest);
}

const lastSuccess = '2026-11-16T06:00:30.000Z';

it('finds nothing wrong up to twice the interval, and says how old the newest is after it', () => {
  expect(troubles('6h', '2026-11-16T18:00:30Z', { lastSuccess })).toEqual([]);
  expect(troubles('6h', '2026-11-16T18:00:31Z', { lastSuccess })).toEqual([
    'the newest backup was made 12 h ago; there is to be one every 6 h',
  ]);
});

it('says times under an hour in minutes and seconds', () => {
  expect(troubles('15m', '2026-11-16T06:40:30Z', { lastSuccess })).toEqual([
    'the newest backup was made 40 min ago; there is to be one every 15 min',
  ]);
  expect(troubles('90m', '2026-11-16T11:00:30Z', { lastSuccess })[0]).toMatch(/ 5 h ago; .* every 1\.5 h$/);
});

it('waits for the first one from the first start on', () => {
  expect(troubles('6h', '2026-11-02T11:59:00Z', {})).toEqual([]);
  expect(troubles('6h', '2026-11-02T13:00:00Z', {})[0]).toMatch(/^there was no backup yet in the 13 h/);
});

it('counts the last one that failed, until one succeeds', () => {
  const failed = { lastSuccess, lastFailure: { at: '2026-11-16T12:00:40.000Z', message: 'secret' } };
  expect(troubles('6h', '2026-11-16T12:30:00Z', failed)).toEqual(['the last backup failed']);
  const since = { ...failed, lastSuccess: '2026-11-16T12:06:00.000Z' };
  expect(troubles('6h', '2026-11-16T12:30:00Z', since)).toEqual([]);
});

it('knows that a cron line has no times on a weekend', () => {
  const weekdays = '0 9 * * 1-5';
  const friday = { lastSuccess: '2026-11-13T09:01:00.000Z' };
  expect(troubles(weekdays, '2026-11-16T09:30:00Z', friday)).toEqual([]);
  // On Wednesday both neighbours are a day away.
  expect(troubles(weekdays, '2026-11-18T09:30:00Z', friday)).toHaveLength(1);
});

it('asks for none where backups are off', () => {
  expect(troubles('off', '2026-12-16T09:30:00Z', {})).toEqual([]);
});

it('warns of other jobs that failed when they last ran, until they succeed', () => {
  const state = newState(new Date('2026-11-02T00:00:00Z'));
  state.jobs.backup.lastFailure = { at: '2026-11-02T00:01:00.000Z', message: 'secret' };
  expect(jobWarnings(state)).toEqual([]);
  state.jobs.verify.lastFailure = { at: '2026-11-02T00:02:00.000Z', message: 'secret' };
  expect(jobWarnings(state)).toEqual(['the last verification of a backup failed']);
  state.jobs.verify.lastSuccess = '2026-11-03T00:02:00.000Z';
  expect(jobWarnings(state)).toEqual([]);
});

it('lets a job be put off as long as its schedule allows, and never one that nobody comes back to', () => {
  const state = newState(new Date('2026-11-16T00:00:00Z'));
  const timetable = new Timetable(
    forEachJob((job) => parseSchedule(job === 'drill' ? 'off' : '6h')),
    { maxMs: 0, random: () => 0 },
  );
  const late = (job: 'backup' | 'prune' | 'drill', now: string): boolean =>
    isLate(job, state, timetable, new Date(now), { at: lastSuccess, bytes: null });
  // The newest backup was made at six; nothing was pruned since midnight.
  expect(late('backup', '2026-11-16T18:00:30Z')).toBe(false);
  expect(late('backup', '2026-11-16T18:00:31Z')).toBe(true);
  expect(late('prune', '2026-11-16T12:00:00Z')).toBe(false);
  expect(late('prune', '2026-11-16T12:00:01Z')).toBe(true);
  expect(late('drill', '2026-11-16T00:00:01Z')).toBe(true);
});
