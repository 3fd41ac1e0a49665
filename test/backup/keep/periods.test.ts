import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { periodName, periodOf, PERIODS, periodStart } from '../../../src/backup/keep/periods.js';

describe('periods', () => {
  const time = fc.integer({ min: Date.UTC(1969, 0), max: Date.UTC(2200, 0) });

  it('begin where they are said to, and follow each other without a gap', () => {
    fc.assert(
      fc.property(fc.constantFrom(...PERIODS), time, (period, at) => {
        const number = periodOf(period, at);
        const start = periodStart(period, number);
        const end = periodStart(period, number + 1);
        expect(start).toBeLessThanOrEqual(at);
        expect(end).toBeGreaterThan(at);
        expect(periodOf(period, start)).toBe(number);
        expect(periodOf(period, end - 1)).toBe(number);
        expect(periodName(period, start)).toBe(periodName(period, end - 1));
        expect(periodName(period, end)).not.toBe(periodName(period, start));
      }),
    );
  });

  // Years of 52 and 53 weeks, and days whose week is of another year than they are.
  it.each([
    ['2026-01-01', '2026-W01'],
    ['2025-12-29', '2026-W01'],
    ['2025-12-28', '2025-W52'],
    ['2026-12-31', '2026-W53'],
    ['2027-01-03', '2026-W53'],
    ['2027-01-04', '2027-W01'],
    ['2020-12-31', '2020-W53'],
    ['2021-01-01', '2020-W53'],
    ['2024-12-30', '2025-W01'],
    ['1970-01-01', '1970-W01'],
  ])('%s lies in the ISO week %s', (day, week) => {
    expect(periodName('weekly', Date.parse(`${day}T23:59:59Z`))).toBe(`the week ${week}`);
  });

  it('have names that people read', () => {
    const at = Date.parse('2026-11-03T14:05:06Z');
    expect(PERIODS.map((period) => periodName(period, at))).toEqual([
      'the hour 2026-11-03 14:00',
      '2026-11-03',
      'the week 2026-W45',
      '2026-11',
      '2026',
    ]);
  });
});
