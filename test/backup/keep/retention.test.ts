import { describe, expect, it } from 'vitest';

import {
  decideRetention,
  type RetentionCandidate,
  type RetentionPolicy,
} from '../../../src/backup/keep/retention.js';
import type { Settings } from '../../../src/settings/types.js';
import { DAY, HOUR, NOW, pairOf, policyOf } from './candidates.js';

/** "20261103_140000 keep daily, weekly" for each, newest first. */
function decided(
  candidates: RetentionCandidate[],
  policy: Partial<RetentionPolicy>,
  now: Date = NOW,
): string[] {
  return decideRetention(candidates, policyOf(policy), now).map(({ candidate, action, reasons }) =>
    [candidate.timestamp, action, reasons.map(({ rule }) => rule).join(', ')].join(' '),
  );
}

/** A pair for every step back from NOW, newest first. */
function every(seconds: number, count: number): RetentionCandidate[] {
  return Array.from({ length: count }, (_, index) => pairOf(NOW.getTime() - index * seconds * 1000));
}

const kept = (candidates: RetentionCandidate[], policy: Partial<RetentionPolicy>, now = NOW): string[] =>
  decideRetention(candidates, policyOf(policy), now)
    .filter(({ action }) => action === 'keep')
    .map(({ candidate }) => candidate.timestamp);

describe('the rules', () => {
  it('keep the newest of each period that has one, and say of which', () => {
    const pairs = [
      '11-05T10:00',
      '11-05T09:50',
      '11-05T09:10',
      '11-02T08:00',
      '11-01T23:59',
      '10-01T00:00',
    ].map((at) => pairOf(`2026-${at}:00Z`, { verified: true }));
    const decisions = decideRetention(pairs, policyOf({ hourly: 2, daily: 2, weekly: 2, monthly: 2 }), NOW);
    expect(decisions.map(({ action, reasons }) => [action, ...reasons.map(({ says }) => says)])).toEqual([
      [
        'keep',
        'newest of the hour 2026-11-05 10:00',
        'newest of 2026-11-05',
        'newest of the week 2026-W45',
        'newest of 2026-11',
        'the newest verified pair',
      ],
      ['keep', 'newest of the hour 2026-11-05 09:00'],
      ['remove', 'no rule keeps it'],
      // 2 November 2026 is a Monday: the same week as the 5th, and the day before is of the week before.
      ['keep', 'newest of 2026-11-02'],
      ['keep', 'newest of the week 2026-W44'],
      ['keep', 'newest of 2026-10'],
    ]);
  });

  it('count periods that have a pair, so that a pause costs none', () => {
    const pairs = ['2026-11-05', '2026-06-01', '2026-01-15', '2025-12-24'].map((day) =>
      pairOf(`${day}T03:00:00Z`),
    );
    expect(kept(pairs, { daily: 3 })).toEqual(['20261105_030000', '20260601_030000', '20260115_030000']);
  });

  it('measure "within" from the newest pair, its end not included', () => {
    const later = new Date('2029-01-01T00:00:00Z');
    expect(kept(every(DAY, 10), { keepWithinSeconds: 7 * DAY }, later)).toHaveLength(7);
  });

  it('keep the newest so many', () => {
    expect(decided(every(60, 3), { keepLast: 2 })).toEqual([
      '20261105_120000 keep last, newest-complete',
      '20261105_115900 keep last',
      '20261105_115800 remove unclaimed',
    ]);
  });

  it('keep everything where there are none of them', () => {
    expect(kept(every(DAY, 40), {})).toHaveLength(40);
    expect(kept(every(DAY, 40), { maxCount: 10 })).toHaveLength(10);
    expect(kept(every(DAY, 40), { maxAgeSeconds: 5 * DAY })).toHaveLength(6);
  });
});

describe('the limits', () => {
  it('remove also what a rule would keep, and say which', () => {
    const decisions = decideRetention(
      every(DAY, 4),
      policyOf({ daily: 4, maxCount: 3, maxAgeSeconds: 2 * DAY }),
      NOW,
    );
    expect(decisions[2]).toMatchObject({ action: 'keep' });
    expect(decisions[3]).toMatchObject({
      action: 'remove',
      reasons: [{ rule: 'max-age', says: 'older than 2 days' }],
      overruled: [{ rule: 'daily', says: 'newest of 2026-11-02' }],
    });
    expect(decided(every(DAY, 4), { daily: 4, maxCount: 3 })[3]).toBe('20261102_120000 remove max-count');
  });

  it('count from the newest on: what they may not touch pushes out nothing newer', () => {
    const pairs = every(DAY, 5).map((pair, index) => ({ ...pair, pinned: index >= 3 }));
    expect(decided(pairs, { daily: 5, maxCount: 3, maxAgeSeconds: DAY })).toEqual([
      '20261105_120000 keep daily, newest-complete',
      '20261104_120000 keep daily',
      '20261103_120000 remove max-age',
      '20261102_120000 keep daily, pinned',
      '20261101_120000 keep daily, pinned',
    ]);
    const newest = every(DAY, 5).map((pair, index) => ({ ...pair, pinned: index < 2 }));
    expect(decided(newest, { daily: 5, maxCount: 2 })[2]).toBe('20261103_120000 remove max-count');
  });

  it('leave the minimum alone, also where backups stopped years ago', () => {
    const later = new Date('2036-01-01T00:00:00Z');
    const policy = { daily: 30, maxAgeSeconds: 30 * DAY, maxCount: 1, minimum: 3 };
    expect(kept(every(DAY, 10), policy, later)).toHaveLength(3);
    expect(decided(every(60, 4), { hourly: 1, minimum: 3 })).toEqual([
      '20261105_120000 keep hourly, newest-complete, minimum',
      '20261105_115900 keep minimum',
      '20261105_115800 keep minimum',
      '20261105_115700 remove unclaimed',
    ]);
  });
});

describe('what nothing removes', () => {
  it('is the newest verified pair, however old', () => {
    const pairs = every(DAY, 6).map((pair, index) => ({ ...pair, verified: index >= 4 }));
    expect(decided(pairs, { keepLast: 1, maxAgeSeconds: HOUR, maxCount: 1 })).toEqual(
      [
        '20261105_120000 keep last',
        '20261104_120000 remove unclaimed',
        '20261103_120000 remove unclaimed',
        '20261102_120000 remove unclaimed',
        '20261101_120000 keep newest-verified',
        '20261031_120000 remove unclaimed',
      ].map((line, index) => (index > 0 && index !== 4 ? line.replace('unclaimed', 'max-age') : line)),
    );
  });

  it('is what is pinned, used, locked or of the future, and it is said why', () => {
    const old = '2020-01-01T00:00:0';
    const pairs = [
      pairOf('2027-01-01T00:00:00Z', { fromFuture: true }),
      pairOf('2026-11-05T00:00:00Z'),
      pairOf(`${old}4Z`, { lockedUntil: 'no date' }),
      pairOf(`${old}3Z`, { lockedUntil: '2026-11-05T11:59:59.000Z' }),
      pairOf(`${old}2Z`, { lockedUntil: '2026-11-05T12:00:01.000Z' }),
      pairOf(`${old}1Z`, { inUse: ['run-1', 'run-2'] }),
      pairOf(`${old}0Z`, { pinned: true }),
    ];
    const decisions = decideRetention(pairs, policyOf({ keepLast: 1, maxAgeSeconds: DAY }), NOW);
    expect(decisions.map(({ action, reasons }) => `${action}: ${reasons[0]?.says ?? ''}`)).toEqual([
      'keep: its timestamp lies in the future: a clock is wrong, so its age cannot be told',
      'keep: number 1 of the 1 newest',
      'keep: Object Lock until no date',
      'remove: older than 24 hours',
      'keep: Object Lock until 2026-11-05T12:00:01.000Z',
      'keep: in use by run-1, run-2',
      'keep: pinned',
    ]);
  });

  it('is not the future: a pair of it is neither the newest nor one of a period', () => {
    const pairs = [
      pairOf('2026-11-05T23:00:00Z', { fromFuture: true, verified: true }),
      pairOf('2026-11-05T10:00:00Z', { verified: true }),
    ];
    expect(decided(pairs, { daily: 1 })).toEqual([
      '20261105_230000 keep from-future',
      '20261105_100000 keep daily, newest-verified',
    ]);
  });
});

describe('incomplete pairs', () => {
  const half = (at: string, given: Partial<RetentionCandidate> = {}): RetentionCandidate =>
    pairOf(at, { complete: false, verified: false, ...given });

  it('go once they are a day old and a younger pair is complete', () => {
    const pairs = [
      half('2026-11-05T11:00:00Z'),
      pairOf('2026-11-05T10:00:00Z'),
      half('2026-11-04T12:00:00Z'),
      half('2026-11-04T11:59:59Z'),
      half('2026-10-01T00:00:00Z', { pinned: true }),
    ];
    expect(decided(pairs, { keepLast: 9, maxAgeSeconds: HOUR })).toEqual([
      '20261105_110000 keep broken',
      '20261105_100000 keep last, newest-complete',
      '20261104_120000 keep broken',
      '20261104_115959 remove broken',
      '20261001_000000 keep pinned',
    ]);
  });

  it('stay where nothing better is, whatever the limits', () => {
    const pairs = [
      half('2020-01-02T00:00:00Z'),
      half('2020-01-01T00:00:00Z'),
      pairOf('2019-12-31T00:00:00Z'),
    ];
    const policy = { keepLast: 1, maxCount: 1, maxAgeSeconds: DAY };
    expect(kept(pairs, policy)).toHaveLength(3);
    const future = pairOf('2027-01-01T00:00:00Z', { fromFuture: true });
    expect(kept([future, ...pairs], policy)).toHaveLength(4);
  });

  it('take the place of none', () => {
    const pairs = [
      half('2026-11-05T11:00:00Z'),
      pairOf('2026-11-05T10:00:00Z'),
      pairOf('2026-11-04T10:00:00Z'),
    ];
    expect(kept(pairs, { daily: 2, minimum: 2, maxCount: 2 })).toHaveLength(3);
  });
});

it('two years of hourly backups, pruned every day, leave what the policy says', () => {
  // The settings are a policy as they are.
  const policy: Settings['retention'] = policyOf({
    hourly: 24,
    daily: 30,
    weekly: 12,
    monthly: 12,
    minimum: 3,
  });
  const start = Date.UTC(2024, 10, 1);
  let stored: RetentionCandidate[] = [];
  let most = 0;
  for (let hour = 0; hour < 731 * 24; hour += 1) {
    const at = start + hour * HOUR * 1000;
    stored.push(pairOf(at, { verified: true }));
    if (hour % 24 !== 23) continue;
    stored = decideRetention(stored, policy, new Date(at))
      .filter(({ action }) => action === 'keep')
      .map(({ candidate }) => candidate);
    most = Math.max(most, stored.length);
  }
  // The last backup is of Sunday, 1 November 2026, 23:00. Its day: 24 hours, and 29 days before it at 23:00. Twelve Sundays
  // back to 16 August, of which those since 4 October are among the days (1, 25, 18, 11 and 4 October: 5 with today), 7 more.
  // Twelve months back to December 2025; 31 October is among the days, and 31 May 2026 is a Sunday, but too old to be one of
  // the weeks: 10 more.
  expect(stored.map(({ takenAt }) => takenAt.slice(0, 13)).slice(0, 2)).toEqual([
    '2026-11-01T23',
    '2026-11-01T22',
  ]);
  expect(stored).toHaveLength(24 + 29 + 7 + 10);
  expect(stored.at(-1)?.takenAt).toBe('2025-12-31T23:00:00.000Z');
  expect(most).toBeLessThanOrEqual(24 + 29 + 12 + 12);
});

describe('backups of one store alone', () => {
  it('take no place of those of both, and are kept by the same rules among themselves', () => {
    const whole = Array.from({ length: 40 }, (_, day) =>
      pairOf(NOW.getTime() - day * DAY * 1000, { verified: true }),
    );
    const halves = Array.from({ length: 40 }, (_, day) =>
      pairOf(NOW.getTime() - (day * DAY - 6 * HOUR) * 1000 - DAY * 1000, { kind: 'vectors' }),
    );
    const policy = { keepLast: 7, daily: 30 };
    const alone = kept(whole, policy);
    expect(kept([...whole, ...halves], policy).filter((one) => alone.includes(one))).toEqual(alone);
    expect(alone).toHaveLength(30);
    expect(kept([...whole, ...halves], policy)).toHaveLength(60);
  });
});
