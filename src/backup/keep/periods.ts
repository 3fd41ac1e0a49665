/** The periods of a retention policy, shortest first. All of UTC; weeks are ISO weeks, from Monday to Sunday. */
export const PERIODS = ['hourly', 'daily', 'weekly', 'monthly', 'yearly'] as const;

export type Period = (typeof PERIODS)[number];

const HOUR_MS = 3_600_000;
export const DAY_MS = 86_400_000;
const WEEK_MS = 7 * DAY_MS;
/** The first Monday after 1970-01-01, which was a Thursday. Weeks are counted from it. */
export const MONDAY_MS = 4 * DAY_MS;

/**
 * The number of the period that a time lies in, counted from 1970: equal for two times exactly when they share the period,
 * and one more for the period after it.
 *
 * @param at milliseconds since 1970, UTC
 */
export function periodOf(period: Period, at: number): number {
  switch (period) {
    case 'hourly':
      return Math.floor(at / HOUR_MS);
    case 'daily':
      return Math.floor(at / DAY_MS);
    case 'weekly':
      return Math.floor((at - MONDAY_MS) / WEEK_MS);
    case 'monthly':
      return monthOf(new Date(at));
    case 'yearly':
      return new Date(at).getUTCFullYear();
  }
}

/** The first millisecond of a period that periodOf numbered. */
export function periodStart(period: Period, number: number): number {
  switch (period) {
    case 'hourly':
      return number * HOUR_MS;
    case 'daily':
      return number * DAY_MS;
    case 'weekly':
      return number * WEEK_MS + MONDAY_MS;
    case 'monthly':
      return Date.UTC(1970, number);
    case 'yearly':
      return Date.UTC(number, 0);
  }
}

/** A period by name, of a time in it: "the hour 2026-11-03 14:00", "2026-11-03", "the week 2026-W45", "2026-11", "2026". */
export function periodName(period: Period, at: number): string {
  const iso = new Date(at).toISOString();
  switch (period) {
    case 'hourly':
      return `the hour ${iso.slice(0, 10)} ${iso.slice(11, 13)}:00`;
    case 'daily':
      return iso.slice(0, 10);
    case 'weekly':
      return `the week ${isoWeek(at)}`;
    case 'monthly':
      return iso.slice(0, 7);
    case 'yearly':
      return iso.slice(0, 4);
  }
}

function monthOf(date: Date): number {
  return (date.getUTCFullYear() - 1970) * 12 + date.getUTCMonth();
}

/** ISO 8601: a week belongs to the year of its Thursday, and week 1 is the one of the year's first Thursday. */
function isoWeek(at: number): string {
  const thursday = periodStart('weekly', periodOf('weekly', at)) + 3 * DAY_MS;
  const year = new Date(thursday).getUTCFullYear();
  const week = Math.floor((thursday - Date.UTC(year, 0)) / WEEK_MS) + 1;
  return `${year}-W${String(week).padStart(2, '0')}`;
}
