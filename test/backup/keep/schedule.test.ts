import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { missedSince, MOST_MISSED, parseSchedule } from '../../../src/backup/keep/schedule.js';
import { ExitCode, Failure } from '../../../src/failure.js';

/** A Saturday. */
const AFTER = new Date('2026-01-31T10:20:30.500Z');

describe('parseSchedule', () => {
  it.each([
    ['hourly', '2026-01-31T11:00', '2026-01-31T10:00', 'every hour, on the hour'],
    ['daily', '2026-02-01T00:00', '2026-01-31T00:00', 'every day at 00:00 UTC'],
    ['Weekly', '2026-02-02T00:00', '2026-01-26T00:00', 'every week on Monday at 00:00 UTC'],
    ['monthly', '2026-02-01T00:00', '2026-01-01T00:00', 'on the first of every month at 00:00 UTC'],
    ['every 6h', '2026-01-31T12:00', '2026-01-31T06:00', 'every 6 hours from 00:00 UTC'],
    ['6h', '2026-01-31T12:00', '2026-01-31T06:00', 'every 6 hours from 00:00 UTC'],
    ['every hour', '2026-01-31T11:00', '2026-01-31T10:00', 'every hour, on the hour'],
    ['30m', '2026-01-31T10:30', '2026-01-31T10:00', 'every 30 minutes from the full hour'],
    ['every 15 minutes', '2026-01-31T10:30', '2026-01-31T10:15', 'every 15 minutes from the full hour'],
    ['1h30m', '2026-01-31T10:30', '2026-01-31T09:00', 'every 1 hour 30 minutes from 00:00 UTC'],
    ['1w', '2026-02-02T00:00', '2026-01-26T00:00', 'every week on Monday at 00:00 UTC'],
    ['  0 3 * * 1-5 ', '2026-02-02T03:00', '2026-01-30T03:00', 'by the cron line "0 3 * * 1-5" (UTC)'],
    ['0 0 29 2 *', '2028-02-29T00:00', '2024-02-29T00:00', 'by the cron line "0 0 29 2 *" (UTC)'],
    ['@daily', '2026-02-01T00:00', '2026-01-31T00:00', 'by the cron line "@daily" (UTC)'],
    ['20 10 * * *', '2026-02-01T10:20', '2026-01-31T10:20', 'by the cron line "20 10 * * *" (UTC)'],
  ])('reads %j', (text, next, previous, says) => {
    const schedule = parseSchedule(text);
    expect(schedule.next(AFTER)?.toISOString()).toBe(`${next}:00.000Z`);
    expect(schedule.previous(AFTER)?.toISOString()).toBe(`${previous}:00.000Z`);
    expect(schedule.describe()).toBe(says);
    expect(schedule.text).toBe(text.trim());
  });

  it('takes steps that fit no day from one day into the next', () => {
    const schedule = parseSchedule('every 5h');
    let at = schedule.next(AFTER);
    for (let step = 0; step < 10; step += 1) {
      const next = at === null ? null : schedule.next(at);
      expect(Number(next) - Number(at)).toBe(5 * 3_600_000);
      at = next;
    }
    expect(schedule.describe()).toBe('every 5 hours');
  });

  it('takes off for never', () => {
    const schedule = parseSchedule(' Off');
    expect([schedule.next(AFTER), schedule.previous(AFTER), schedule.describe()]).toEqual([
      null,
      null,
      'off',
    ]);
  });

  it.each([
    ['', 'it is empty'],
    ['fortnightly', 'it is no schedule'],
    ['6', 'it is no schedule'],
    ['every', 'it is no schedule'],
    ['h', 'it is no schedule'],
    ['constructor', 'it is no schedule'],
    ['-6h', 'it is no schedule'],
    ['1.5h', 'it is no schedule'],
    ['30m1h', 'it is no schedule'],
    ['2026-01-01T00:00:00Z', 'it is no schedule'],
    ['* * * * * *', 'it is no schedule'],
    ['0h', 'it is shorter than 10 seconds'],
    ['9s', 'it is shorter than 10 seconds'],
    ['999999999w', 'it is longer than a year'],
    ['61 * * * *', 'Invalid value for minute: 61'],
    ['every 6 hours of day', ''],
    ['? * * * *', 'a question mark in a cron line has no meaning here'],
    ['0 0 30 2 *', 'no such day ever comes'],
    ['@reboot', '@reboot is not supported'],
    ['@nonsense', ''],
  ])('refuses %j and says what is allowed', (text, reason) => {
    const failure = failureOf(text);
    expect(failure).toMatchObject({ exitCode: ExitCode.usage, code: 'schedule-invalid' });
    expect(failure.reason).toContain(reason);
    expect(failure.hint).toContain(
      'off, hourly, daily, weekly, monthly, a length of time such as "every 6h"',
    );
  });

  it('fails in no other way, whatever it is given', () => {
    const word = fc.constantFrom(
      '*',
      '*/5',
      '1-7',
      '0',
      'L',
      'MON',
      '1#2',
      '?',
      '15W',
      '99',
      'every',
      '6h',
      '@',
    );
    const text = fc.oneof(
      fc.string(),
      fc.array(word, { maxLength: 6 }).map((words) => words.join(' ')),
    );
    fc.assert(
      fc.property(text, (given) => {
        try {
          const schedule = parseSchedule(given);
          const next = schedule.next(AFTER);
          if (next !== null) expect(next.getTime()).toBeGreaterThan(AFTER.getTime());
        } catch (error) {
          expect(error).toBeInstanceOf(Failure);
        }
      }),
    );
  });

  it('goes forward and back by the same times', () => {
    const schedules = [
      '10s',
      '90m',
      'every 5h',
      'weekly',
      'monthly',
      '17 */5 * * *',
      '0 3 * * MON',
      '0 0 L * *',
    ];
    const time = fc.date({ min: new Date('1990-01-01'), max: new Date('2100-01-01'), noInvalidDate: true });
    fc.assert(
      fc.property(fc.constantFrom(...schedules), time, (text, at) => {
        const schedule = parseSchedule(text);
        const next = schedule.next(at) ?? at;
        const after = schedule.next(next) ?? at;
        expect(next.getTime()).toBeGreaterThan(at.getTime());
        expect(after.getTime()).toBeGreaterThan(next.getTime());
        expect(schedule.previous(after)).toEqual(next);
        expect(schedule.previous(new Date(next.getTime() + 1))).toEqual(next);
        expect(schedule.next(new Date(next.getTime() - 1))).toEqual(next);
      }),
    );
  });
});

describe('missedSince', () => {
  const schedule = parseSchedule('every 6h');
  const at = (hours: number): Date => new Date(Date.UTC(2026, 0, 1, hours));

  it('counts the times after the last run, up to now', () => {
    expect(missedSince(schedule, at(0), at(5.9))).toBe(0);
    expect(missedSince(schedule, at(0), at(6))).toBe(1);
    expect(missedSince(schedule, at(1), at(24))).toBe(4);
    expect(missedSince(parseSchedule('0 3 * * *'), at(0), at(24 * 7))).toBe(7);
  });

  it('stops somewhere', () => {
    expect(missedSince(parseSchedule('10s'), new Date(0), at(0))).toBe(MOST_MISSED);
  });

  it('is 0 when the clock was set back, and when nothing is scheduled', () => {
    expect(missedSince(schedule, at(24), at(0))).toBe(0);
    expect(missedSince(parseSchedule('off'), at(0), at(24))).toBe(0);
  });
});

function failureOf(text: string): Failure {
  try {
    parseSchedule(text);
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
  throw new Error(`"${text}" was read as a schedule`);
}
