import fc from 'fast-check';

import type { RetentionCandidate, RetentionPolicy } from '../../../src/backup/keep/retention.js';

export const HOUR = 3600;
export const DAY = 86_400;

/** A policy that keeps nothing by rule and limits nothing, but for what is given. */
export function policyOf(given: Partial<RetentionPolicy> = {}): RetentionPolicy {
  return {
    keepLast: 0,
    keepWithinSeconds: null,
    hourly: 0,
    daily: 0,
    weekly: 0,
    monthly: 0,
    yearly: 0,
    maxCount: null,
    maxAgeSeconds: null,
    minimum: 0,
    ...given,
  };
}

/** A complete pair of a time, "2026-11-03T14:00:00Z" or milliseconds; not verified, not held by anything. */
export function pairOf(at: string | number, given: Partial<RetentionCandidate> = {}): RetentionCandidate {
  const takenAt = new Date(at).toISOString();
  return {
    timestamp: takenAt.slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '_'),
    takenAt,
    complete: true,
    verified: false,
    pinned: false,
    inUse: [],
    lockedUntil: null,
    fromFuture: false,
    bytes: 1000,
    ...given,
  };
}

/** The time that generated candidates lie before. */
export const NOW = new Date('2026-11-05T12:00:00Z');

const seldom = fc.integer({ min: 0, max: 9 }).map((n) => n === 0);

/** Pairs of the last three years, many of them close to each other, each of a second of its own. */
export const candidates: fc.Arbitrary<RetentionCandidate[]> = fc.uniqueArray(
  fc
    .record({
      ago: fc.oneof(fc.nat({ max: 3 * DAY }), fc.nat({ max: 90 * DAY }), fc.nat({ max: 1100 * DAY })),
      complete: seldom.map((incomplete) => !incomplete),
      verified: fc.boolean(),
      pinned: seldom,
      inUse: seldom.map((used) => (used ? ['run-7f3a'] : [])),
      lockedUntil: fc.constantFrom(null, null, null, '2026-11-01T00:00:00.000Z', '2026-12-01T00:00:00.000Z'),
      future: seldom,
    })
    .map(({ ago, future, ...rest }) => {
      const at = NOW.getTime() + (future ? ago + 600 : -ago) * 1000;
      return pairOf(at, { ...rest, fromFuture: future });
    }),
  { selector: ({ timestamp }) => timestamp, maxLength: 60 },
);

const count = fc.oneof(fc.constant(0), fc.nat({ max: 12 }));

export const rules: fc.Arbitrary<RetentionPolicy> = fc
  .record({
    keepLast: count,
    keepWithinSeconds: fc.option(fc.integer({ min: 1, max: 60 * DAY })),
    hourly: count,
    daily: count,
    weekly: count,
    monthly: count,
    yearly: fc.nat({ max: 3 }),
    minimum: fc.nat({ max: 5 }),
  })
  .map((given) => policyOf(given));

export const policies: fc.Arbitrary<RetentionPolicy> = fc
  .record({
    policy: rules,
    maxCount: fc.option(fc.integer({ min: 1, max: 30 })),
    maxAgeSeconds: fc.option(fc.integer({ min: 1, max: 400 * DAY })),
  })
  .map(({ policy, ...limits }) => ({ ...policy, ...limits }));
