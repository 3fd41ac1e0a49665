import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { estimate, PART_BYTES, type CostItem, type Estimate } from '../../../src/backup/keep/costs.js';
import { PRESET_NAMES, presetNamed } from '../../../src/backup/keep/presets.js';
import { decideRetention, hasNoRule, type RetentionCandidate } from '../../../src/backup/keep/retention.js';
import { parseSchedule } from '../../../src/backup/keep/schedule.js';
import { backupsPerMonth, steadyState, storedAt } from '../../../src/backup/keep/steady-state.js';
import { ExitCode, Failure } from '../../../src/failure.js';
import { DAY, pairOf, policies, policyOf } from './candidates.js';

const GB = 2 ** 30;
const DEFAULT = policyOf({ keepLast: 7, hourly: 24, daily: 30, weekly: 12, monthly: 12, minimum: 3 });

function amountOf(result: Estimate, item: CostItem): number {
  return result.lines.find((line) => line.item === item)?.amount ?? 0;
}

describe('steadyState', () => {
  it('is what pruning after every backup leaves, at any time', () => {
    const start = Date.UTC(2029, 3, 1);
    const end = fc.integer({ min: Date.UTC(2029, 11, 25), max: Date.UTC(2030, 0, 10) });
    fc.assert(
      fc.property(policies, fc.constantFrom('6h', '7h', '1d', '3d'), end, (any, text, now) => {
        // No longer than the nine months that are gone through. And a maximum may remove what would fit again later, when a
        // shorter period has run out: with one it is not always the same to the last pair.
        const policy = { ...any, maxCount: null, yearly: 0, monthly: Math.min(any.monthly, 6) };
        fc.pre(!hasNoRule(policy));
        const schedule = parseSchedule(text);
        let stored: RetentionCandidate[] = [];
        for (let at = schedule.next(new Date(start)); at !== null && +at <= now; at = schedule.next(at)) {
          stored.push(pairOf(at.getTime(), { verified: true }));
          if (stored.length > 250) stored = keptOf(stored, policy, at);
        }
        const { pairs } = storedAt(schedule, policy, null, new Date(now));
        expect(pairs).toBe(keptOf(stored, policy, new Date(now)).length);
      }),
      { numRuns: 40 },
    );
  });

  it.each([
    ['daily', policyOf({ keepWithinSeconds: 7 * DAY }), 7],
    ['every 6h', policyOf({ keepWithinSeconds: 14 * DAY }), 56],
    ['hourly', policyOf({ keepLast: 24 }), 24],
    ['hourly', policyOf({ yearly: 10 }), 10],
    ['*/5 * * * *', policyOf({ hourly: 24 }), 24],
    ['hourly', policyOf({ maxCount: 100 }), 100],
    ['hourly', policyOf({ monthly: 12, maxCount: 5 }), 5],
    ['off', DEFAULT, 0],
  ])('%s comes to so many pairs', (text, policy, pairs) => {
    expect(steadyState(parseSchedule(text), policy, null)).toEqual({
      typical: pairs,
      most: pairs,
      older: 0,
      endless: false,
      atLeast: false,
    });
  });

  it('finds that periods overlap differently as the year passes', () => {
    const state = steadyState(parseSchedule('hourly'), DEFAULT, 90 * DAY);
    expect(state.most).toBeLessThanOrEqual(24 + 30 + 12 + 12);
    expect(state.typical).toBeGreaterThan(65);
    expect(state.most).toBeGreaterThan(state.typical);
    // Months beyond the third or fourth.
    expect(state.older).toBeGreaterThan(7);
    expect(state.older).toBeLessThan(10);
  });

  it('measures the greatest age by the clock, between backups too', () => {
    const { typical, most } = steadyState(
      parseSchedule('daily'),
      policyOf({ maxAgeSeconds: 10.5 * DAY }),
      null,
    );
    expect(most).toBe(11);
    expect(typical).toBeCloseTo(10.5, 0);
  });

  it('says so where pairs only become more, and where there are too many to count', () => {
    const endless = steadyState(parseSchedule('daily'), policyOf(), null);
    expect(endless).toMatchObject({ endless: true, atLeast: false });
    expect(endless.typical).toSatisfy((pairs: number) => pairs >= 365 && pairs <= 366);
    const many = steadyState(parseSchedule('every 1m'), policyOf({ keepWithinSeconds: 30 * DAY }), null);
    expect(many).toMatchObject({ typical: 10_000, atLeast: true });
  });

  it('counts the backups of an average month', () => {
    const month = 365.2425 / 12;
    for (const [text, count] of [
      ['daily', month],
      ['every 6h', 4 * month],
      ['monthly', 1],
      ['every 1m', 1440 * month],
      ['off', 0],
    ] as const) {
      expect(Math.abs(backupsPerMonth(parseSchedule(text)) - count), text).toBeLessThan(0.1);
    }
    // Bursts: sixty in one hour of a day.
    expect(backupsPerMonth(parseSchedule('* 3 * * *')) / (60 * month)).toBeCloseTo(1, 1);
  });
});

describe('estimate', () => {
  const schedule = parseSchedule('every 6h');
  const policy = policyOf({ keepWithinSeconds: 30 * DAY });

  it('adds up to what can be added up by hand', () => {
    const prices = {
      currency: 'EUR',
      storageGbMonth: 2,
      archiveGbMonth: 1,
      put1000: 5,
      get1000: 0.5,
      transferGb: 10,
    };
    const result = estimate({ schedule, policy, bytesPerBackup: GB, prices, place: 's3', fullReads: 2 });
    const month = 4 * (365.2425 / 12);
    expect(result.backupsPerMonth).toBeCloseTo(month, 0);
    expect(result.bytes).toEqual({ local: 0, s3: 120 * GB, s3DeletedVersions: 0, s3Archive: 0 });
    const n = result.backupsPerMonth;
    expect(result.lines.map(({ item, amount, money }) => [item, amount, money])).toEqual([
      ['storage', 120, 240],
      // Each half in 64 parts, with begin and end; the manifest, and the sidecar after each of two verifications.
      ['put', n * (2 * 66 + 3), expect.closeTo((n * 135 * 5) / 1000, 6)],
      // 480 objects fit on one page.
      ['list', n * 3, expect.closeTo((n * 3 * 5) / 1000, 6)],
      ['get', n * (3 + 2 * 3 + 2 * 120), expect.closeTo((n * 249 * 0.5) / 1000, 6)],
      ['transfer', n * 2, n * 20],
    ]);
    expect(result.moneyPerMonth).toBeCloseTo(result.lines.reduce((sum, { money }) => sum + money, 0));
    expect(result.currency).toBe('EUR');
  });

  it('sends what fits into a part at once', () => {
    const puts = (bytesPerBackup: number): number => {
      const result = estimate({ schedule, policy, bytesPerBackup });
      return Math.round(amountOf(result, 'put') / result.backupsPerMonth);
    };
    expect(puts(0)).toBe(4);
    expect(puts(2 * PART_BYTES)).toBe(4);
    expect(puts(2 * PART_BYTES + 2)).toBe(2 * 4 + 2);
  });

  it('counts what versions and the archive class hold', () => {
    const { policy: kept } = presetNamed('enterprise');
    const result = estimate({
      schedule: parseSchedule('hourly'),
      policy: kept,
      bytesPerBackup: GB,
      archiveAfterSeconds: 90 * DAY,
      deletedKeptSeconds: 7 * DAY,
    });
    expect(result.bytes.s3 / GB).toBeCloseTo(90 * 24, 0);
    expect(result.bytes.s3DeletedVersions / GB).toBeCloseTo(7 * 24, 0);
    expect(result.bytes.s3Archive / GB).toBeGreaterThan(8);
    expect(result.bytes.s3Archive / GB).toBeLessThan(10);
    expect(result.bytes.local).toBe(result.bytes.s3 + result.bytes.s3Archive);
    expect(result.lines.map(({ item }) => item).slice(0, 3)).toEqual([
      'storage',
      'deleted-versions',
      'archive',
    ]);
  });

  it('costs nothing where the backups stay local or none are made', () => {
    const local = estimate({ schedule, policy, bytesPerBackup: GB, place: 'local' });
    expect(local).toMatchObject({ lines: [], moneyPerMonth: 0, bytes: { local: 120 * GB, s3: 0 } });
    const off = estimate({ schedule: parseSchedule('off'), policy, bytesPerBackup: GB });
    expect(off).toMatchObject({ backupsPerMonth: 0, moneyPerMonth: 0, bytes: { local: 0, s3: 0 } });
  });

  it('assumes nothing twice, whatever is compared', () => {
    const local = estimate({ schedule, policy, bytesPerBackup: GB, place: 'local' });
    const both = estimate({ schedule, policy, bytesPerBackup: GB });
    const all = [...new Set([...local.assumes, ...both.assumes])];
    expect(all.filter((text) => text.includes('Old pairs are pruned'))).toHaveLength(1);
  });

  it('names what it leaves out', () => {
    expect(estimate({ schedule, policy, bytesPerBackup: GB }).notCounted).toContain('tax');
    expect(estimate({ schedule, policy, bytesPerBackup: GB, place: 'local' }).notCounted).not.toContain(
      'tax',
    );
  });
});

describe('presets', () => {
  it('come to the pairs that their description says', () => {
    const pairs = PRESET_NAMES.map((name) => {
      const { schedule, policy, place } = presetNamed(name);
      const state = steadyState(parseSchedule(schedule), policy, null);
      return [name, place, schedule, Math.round(state.typical)];
    });
    expect(pairs).toEqual([
      ['personal', 'local', 'daily', 7],
      ['team', 'both', 'every 6h', 56],
      ['production', 's3', 'every 6h', 120],
      ['enterprise', 's3', 'hourly', expect.toSatisfy((n: number) => n >= 2160 + 8 && n <= 2160 + 10)],
    ]);
  });

  it('are known by name, and no other is', () => {
    expect(presetNamed(' Team ').name).toBe('team');
    expect(() => presetNamed('toString')).toThrow(Failure);
    try {
      presetNamed('home');
    } catch (error) {
      expect(error).toMatchObject({ exitCode: ExitCode.usage, code: 'preset-unknown' });
      expect((error as Failure).hint).toContain('personal, team, production, enterprise');
    }
  });
});

function keptOf(
  pairs: readonly RetentionCandidate[],
  policy: Parameters<typeof decideRetention>[1],
  now: Date,
): RetentionCandidate[] {
  return decideRetention(pairs, policy, now)
    .filter(({ action }) => action === 'keep')
    .map(({ candidate }) => candidate);
}
